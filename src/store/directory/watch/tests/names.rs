//! Files and folders that have other names, or get them.

use std::process::Command;

use super::*;

#[test]
fn another_folder_behind_the_same_path_is_read_and_watched() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        fs::create_dir_all(folder.path().join(name).join("1.8")).unwrap();
        fs::write(folder.path().join(name).join("1.8/line.yaml"), "format: 1\nline: \"1.8\"\n").unwrap();
    }
    symlink("one", folder.path().join("channels")).unwrap();
    fs::create_dir(folder.path().join("payloads")).unwrap();
    let mut watched = Watched::of(folder, usize::MAX);
    watched.in_place("two/1.8/line.yaml", TITLED);
    assert_eq!(watched.look(), News::Nothing);
    symlink("two", watched.path("new")).unwrap();
    fs::rename(watched.path("new"), watched.path("channels")).unwrap();
    watched.is_read_later();
    watched.whole("two/1.8/line.yaml", &TITLED.replace("Eight", "8"));
    watched.is_read_at_once();
    fs::rename(watched.path("two"), watched.path("away")).unwrap();
    assert!(watched.watch.look(watched.now, false).is_err());
    fs::rename(watched.path("away"), watched.path("two")).unwrap();
    watched.whole("two/1.8/line.yaml", TITLED);
    watched.is_read_later();
}

#[test]
fn nothing_is_heard_of_a_folder_that_was_moved_out_or_removed() {
    let mut watched = Watched::new();
    let folders = ["channels/1.8/sub", "payloads/1.8.1/sub", "channels/1.9", "payloads/1.9.1"];
    let before = watched.watch.notices.watched();
    for is_moved in [true, false] {
        for folder in folders {
            watched.create(folder);
            watched.look();
        }
        assert!(watched.watch.notices.watched() > before);
        for folder in folders {
            let away = watched.path("away");
            if is_moved {
                fs::rename(watched.path(folder), &away).unwrap();
                watched.look();
                watched.in_place("away/line.yaml", TITLED);
                assert_eq!(watched.watch.notices.drain(), notices::Told::default(), "{folder}");
                fs::remove_dir_all(away).unwrap();
            } else {
                fs::remove_dir(watched.path(folder)).unwrap();
                watched.look();
            }
        }
        assert_eq!(watched.watch.notices.watched(), before);
        watched.in_place("channels/1.8/line.yaml", if is_moved { TITLED } else { "format: 1\n" });
        watched.is_read_later();
    }
}

#[test]
fn what_is_behind_a_link_is_scanned_at_each_look() {
    let mut watched = Watched::new();
    fs::create_dir(watched.path("channels/.shared")).unwrap();
    watched.in_place("channels/.shared/line.yaml", TITLED);
    fs::remove_file(watched.path("channels/1.8/line.yaml")).unwrap();
    symlink("../.shared/line.yaml", watched.path("channels/1.8/line.yaml")).unwrap();
    watched.is_read_later();
    watched.in_place("channels/.shared/line.yaml", &TITLED.replace("Eight", "8"));
    watched.is_read_later();
}

#[test]
fn a_file_with_several_names_is_scanned_at_each_look() {
    let mut watched = Watched::new();
    for (file, name) in [("channels/1.8/line.yaml", "line"), ("payloads/1.8.1/release.json", "release")] {
        watched.in_place(file, TITLED);
        watched.is_read_later();
        fs::hard_link(watched.path(file), watched.path(name)).unwrap();
        // Another name for a file changes only its stamp.
        assert!(matches!(watched.check(), News::Settling(_)), "{file}");
        watched.is_read_later();
        watched.in_place(name, &TITLED.replace("Eight", "8"));
        watched.is_read_later();
    }
    watched.in_place("payloads/1.8.1/payload.json", "{}");
    watched.look();
    watched.pass(3000);
    watched.is_read_at_once();
    fs::hard_link(watched.path("payloads/1.8.1/payload.json"), watched.path("payload")).unwrap();
    assert!(matches!(watched.look(), News::Arriving(_)));
    watched.pass(3000);
    watched.is_read_at_once();
    watched.in_place("payload", "{1}");
    assert!(matches!(watched.look(), News::Arriving(_)));
    assert_eq!(watched.watch.unheard.len(), 2);
}

/// Set where a test may mount something.
const MAY_MOUNT: &str = "TIDEGATE_TEST_MAY_MOUNT";

#[test]
fn what_is_mounted_is_read_at_once_and_scanned_at_each_look() {
    if std::env::var_os(MAY_MOUNT).is_none() {
        let unshare = |program: &Path, args: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--map-root-user"]).arg(program).args(args).env(MAY_MOUNT, "");
            command.output().is_ok_and(|done| done.status.success())
        };
        // Not every system lets everybody mount something where nobody else sees it.
        if unshare(Path::new("mount"), &["--bind", "/proc", "/proc"]) {
            let own = std::env::current_exe().unwrap();
            assert!(unshare(&own, &["what_is_mounted_is_read_at_once_and_scanned_at_each_look"]));
        }
        return;
    }
    let run = |program: &str, args: &[&str]| {
        assert!(Command::new(program).args(args).status().unwrap().success(), "{program} {args:?}");
    };
    let mut watched = Watched::new();
    for folder in ["elsewhere/1.8", "elsewhere/1.9", "channels/1.9"] {
        watched.create(folder);
        watched.in_place(&format!("{folder}/line.yaml"), "format: 1\n");
    }
    watched.is_read_later();
    for name in ["1.8/line.yaml", "1.9"] {
        let (from, to) =
            (watched.path(&format!("elsewhere/{name}")), watched.path(&format!("channels/{name}")));
        run("mount", &["--bind", from.to_str().unwrap(), to.to_str().unwrap()]);
        watched.is_read_later();
        let file = format!("elsewhere/{}/line.yaml", &name[..3]);
        watched.in_place(&file, TITLED);
        watched.is_read_later();
        run("umount", &[to.to_str().unwrap()]);
        watched.is_read_later();
    }
}

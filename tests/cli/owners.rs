//! Who can read what commands write: other users, whatever the umask is, and the owner of the folder, if root
//! runs the command.
//!
//! The tests about root need root, as CI has it. Otherwise they say so and check nothing. To run them:
//! `sudo -E cargo test --test cli owners -- --nocapture`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::desk::{Desk, told};
use super::spawn::Server;

/// The user of the server.
const OTHER: u32 = 65534;

/// The owner of the catalog, where that is another one.
const ENGINEER: u32 = 4242;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: only root can give files away; the head of this file says how to run this test");
    }
    is_root
}

/// A folder with everything below it.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    if folder.is_dir() && !folder.is_symlink() {
        for entry in fs::read_dir(folder).unwrap() {
            found.extend(all(&entry.unwrap().path()));
        }
    }
    found
}

/// What in a folder belongs to somebody else.
fn of_others(folder: &Path, owner: u32) -> Vec<PathBuf> {
    let is_of_another = |path: &PathBuf| fs::symlink_metadata(path).unwrap().uid() != owner;
    all(folder).into_iter().filter(is_of_another).collect()
}

/// A signed release in a folder that another user owns, as does everything in it.
fn desk_of_another() -> Desk {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    // The binary may lie where only root can go.
    fs::copy(env!("CARGO_BIN_EXE_tidegate"), desk.path("tidegate")).unwrap();
    for path in all(&desk.path(".")) {
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    desk
}

/// A command that the other user runs.
fn by_another(desk: &Desk, arguments: &[&str]) -> Command {
    by(OTHER, desk, arguments)
}

fn by(user: u32, desk: &Desk, arguments: &[&str]) -> Command {
    let plain = desk.command(arguments);
    let mut command = Command::new(desk.path("tidegate"));
    command.args(arguments).current_dir(plain.get_current_dir().unwrap()).uid(user).gid(user);
    command.env("TIDEGATE_BY", "ada");
    command
}

/// What a command says that a user runs.
fn said_to(user: u32, desk: &Desk, arguments: &[&str]) -> String {
    told(arguments, &by(user, desk, arguments).output().unwrap())
}

/// Does what a hint says: runs its commands, each as the user that it names.
fn follow(desk: &Desk, said: &str) {
    let hint = said.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap();
    let parts: Vec<&str> = hint.split('`').collect();
    assert!(parts.len() > 2, "{hint}");
    for pair in parts[1..].chunks(2) {
        let user = pair[1].strip_prefix(" as user ").map(|rest| rest.split([',', ' ']).next().unwrap());
        assert!(user.is_some() || pair[1].starts_with(" as root"), "{hint}");
        let user = user.map_or(0, |user| user.parse().unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", pair[0]]).current_dir(desk.path(".")).uid(user).gid(user);
        assert!(command.status().unwrap().success(), "{hint}");
    }
}

/// A desk whose folder anybody may enter. Everything but the state belongs to [`ENGINEER`].
fn desk_of_engineer() -> Desk {
    let desk = desk_of_another();
    ended(serve(&desk, by_another(&desk, &[]), &["--first", "--promote", "on"]));
    fs::set_permissions(desk.path("."), Permissions::from_mode(0o755)).unwrap();
    let all = all(&desk.path("."));
    for path in all.iter().filter(|path| !path.starts_with(desk.path(".tidegate"))) {
        chown(path, Some(ENGINEER), Some(ENGINEER)).unwrap();
    }
    desk
}

fn serve(desk: &Desk, command: Command, arguments: &[&str]) -> Server {
    let log = File::create(desk.path("serve.log")).unwrap();
    chown(desk.path("serve.log"), Some(OTHER), Some(OTHER)).unwrap();
    let server = Server::logging_to(&desk.path("."), command, arguments, log.into());
    server.until_ready();
    server
}

/// Ends a server as its supervisor does: one that is killed may leave a file half-written.
fn ended(server: Server) {
    assert!(server.stop().success());
}

#[test]
fn everybody_can_read_what_a_server_or_a_mirror_needs_whatever_the_umask_is() {
    let desk = Desk::empty();
    desk.write("payload.json", "{}");
    let run = |arguments: &[&str]| {
        let plain = desk.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(plain.get_program()).args(arguments);
        let output = command.current_dir(desk.path(".")).env("TIDEGATE_BY", "ada").output().unwrap();
        assert!(output.status.success(), "{}", told(arguments, &output));
    };
    let sign = ["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
    run(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    desk.line("1.8", "");
    run(&["release", "add", "1.8.4", "--payload", "payload.json"]);
    run(&sign);
    ended(Server::ready(&desk.path("."), &["--first", "--promote", "on"]));
    run(&["release", "hold", "1.8.4", "--reason", "eats data"]);
    run(&["export", "mirror/of/this"]);
    run(&["key", "public", "keys/release.pem", "--out", "public.pem"]);
    let paths = ["channels", "payloads", "mirror", "public.pem"].map(|path| all(&desk.path(path))).concat();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        let about = fs::metadata(&path).unwrap();
        let least = if about.is_dir() { 0o555 } else { 0o444 };
        assert_eq!(about.mode() & least, least, "{} has mode {:o}", path.display(), about.mode());
    }
    for path in ["keys", ".tidegate"].map(|path| all(&desk.path(path))).concat() {
        let name = path.file_name().unwrap();
        if path.extension().is_some_and(|end| end == "pem") || name == "keys" || name == ".tidegate" {
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o077, 0, "{}", path.display());
        }
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let path = desk.path("channels/1.8/1.8.4.yaml");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    desk.done(&["release", "hold", "1.8.4", "--reason", "eats data"]);
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o640);
}

#[test]
fn what_root_makes_in_the_folder_of_another_user_belongs_to_that_user() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    let check = |what: &str| {
        let others = of_others(&desk.path("."), OTHER);
        assert!(others.is_empty(), "after {what}: {others:?}");
    };
    desk.write("payload.json", "{}");
    chown(desk.path("payload.json"), Some(OTHER), Some(OTHER)).unwrap();
    let runs: [&[&str]; 7] = [
        &["release", "add", "1.8.5", "--payload", "payload.json"],
        &["release", "sign", "--key", "keys/release.pem"],
        &["release", "hold", "1.8.4", "--reason", "eats data"],
        &["promote"],
        &["root", "change", "c.json", "--renew", "root"],
        &["key", "generate", "--out", "new/key.pem", "--no-encrypt"],
        &[
            "init",
            "--offline-keys",
            "b/keys",
            "--no-encrypt",
            "--catalog",
            "b/c",
            "--state",
            "b/s",
            "--payloads",
            "b/p",
        ],
    ];
    for arguments in runs {
        desk.done(arguments);
        check(&arguments.join(" "));
    }
    ended(serve(&desk, desk.command(&[]), &["--first", "--promote", "on"]));
    check("serve");
    desk.done(&["export", "mirror/of/this"]);
    check("export");
    desk.done(&["import", "mirror/of/this", "--state", "imported", "--root", "channels/trust/1.root.json"]);
    check("import");
    fs::remove_file(desk.path(".tidegate/publication")).unwrap();
    desk.done(&["recover", "--from", "mirror/of/this", "--root", "channels/trust/1.root.json"]);
    check("recover");
    ended(serve(&desk, by_another(&desk, &[]), &["--promote", "on"]));
}

#[test]
fn root_follows_no_link_of_the_folders_owner() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    let away = tempfile::tempdir().unwrap();
    let target = away.path().join("target");
    fs::write(&target, "of root").unwrap();
    let plant = |to: &Path, link: &str| {
        symlink(to, desk.path(link)).unwrap();
        std::os::unix::fs::lchown(desk.path(link), Some(OTHER), Some(OTHER)).unwrap();
    };
    // In the place of a folder, of a file that is written, and of one that is locked.
    plant(away.path(), "new");
    let told = desk.run(&["key", "generate", "--out", "new/key.pem", "--no-encrypt"]);
    assert!(told.contains("\nexit 1\n") && told.contains("the link `new` belongs to user 65534"), "{told}");
    plant(&target, ".tidegate/lock");
    let told = desk.run(&["serve", "--first", "--promote", "on", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("\nexit 1\n") && told.contains("cannot lock `.tidegate/lock`"), "{told}");
    fs::remove_file(desk.path(".tidegate/lock")).unwrap();
    plant(&target, ".tidegate/version");
    fs::create_dir(desk.path(".tidegate/segments")).unwrap();
    chown(desk.path(".tidegate/segments"), Some(OTHER), Some(OTHER)).unwrap();
    plant(&target, ".tidegate/segments/last");
    ended(serve(&desk, desk.command(&[]), &["--first", "--promote", "on"]));
    assert!(!desk.path(".tidegate/version").is_symlink());
    // Nor of one that is read.
    let publication = desk.path(".tidegate/publication");
    fs::rename(&publication, desk.path("publication")).unwrap();
    plant(&target, ".tidegate/publication");
    let told = desk.run(&["export", "out"]);
    assert!(
        told.contains("\nexit 1\n") && told.contains("belongs to user 65534, and root does not"),
        "{told}"
    );
    fs::remove_file(&publication).unwrap();
    fs::rename(desk.path("publication"), &publication).unwrap();
    // Nor of what a demo and the manual pages are written to.
    for (planted, command) in [
        (".tidegate/demo", &["serve", "--demo", "--listen", "127.0.0.1:0"][..]),
        ("pages", &["man", "--out", "pages"]),
    ] {
        plant(away.path(), planted);
        let told = desk.run(command);
        assert!(told.contains("\nexit 1\n") && told.contains("root does not follow it"), "{told}");
        fs::remove_file(desk.path(planted)).unwrap();
    }
    // A link into another folder of its owner leads nowhere that its owner could not write.
    fs::create_dir(desk.path("own")).unwrap();
    chown(desk.path("own"), Some(OTHER), Some(OTHER)).unwrap();
    plant(&desk.path("own"), "linked");
    desk.done(&["key", "generate", "--out", "linked/key.pem", "--no-encrypt"]);
    assert_eq!(of_others(&desk.path("."), OTHER), Vec::<PathBuf>::new());
    assert_eq!(all(away.path()), [away.path(), &target]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "of root");
    assert_eq!(of_others(away.path(), 0), Vec::<PathBuf>::new());
}

#[test]
fn a_server_that_may_not_read_a_file_names_its_owner_and_the_way_out() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    ended(serve(&desk, by_another(&desk, &[]), &["--first", "--promote", "on"]));
    for path in [".tidegate/publication", ".tidegate/keys/online.pem", ".tidegate/lock"] {
        let path_of = desk.path(path);
        let before = fs::metadata(&path_of).unwrap();
        chown(&path_of, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path_of, Permissions::from_mode(0o600)).unwrap();
        let arguments = ["serve", "--promote", "on", "--listen", "127.0.0.1:0"];
        let said = told(&arguments, &by_another(&desk, &arguments).output().unwrap());
        assert!(said.contains("\nexit 1\n"), "{said}");
        assert!(said.contains(&format!("`{path}` belongs to user 0 and has mode 0600")), "{said}");
        assert!(said.contains(&format!("hint: run `chown -h 65534 {path}` as root")), "{said}");
        assert!(!said.contains("recover"), "{said}");
        // As the hint says.
        chown(&path_of, Some(OTHER), None).unwrap();
        ended(serve(&desk, by_another(&desk, &[]), &["--promote", "on"]));
        fs::set_permissions(&path_of, before.permissions()).unwrap();
    }
}

#[test]
fn a_command_that_may_not_write_names_the_folders_owner_and_the_way_out() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    // As if root had made the folder of the line.
    chown(desk.path("channels/1.8"), Some(0), Some(0)).unwrap();
    let arguments = ["release", "hold", "1.8.4", "--reason", "eats data"];
    let said = told(&arguments, &by_another(&desk, &arguments).env("TIDEGATE_BY", "ada").output().unwrap());
    let folder = desk.path("channels/1.8").display().to_string();
    assert!(said.contains(&format!("`{folder}` belongs to user 0 and has mode 0755")), "{said}");
    assert!(said.contains(&format!("hint: run `chown -h 65534 {folder}` as root, then try again")), "{said}");
    // As the hint says.
    chown(desk.path("channels/1.8"), Some(OTHER), None).unwrap();
    let output = by_another(&desk, &arguments).env("TIDEGATE_BY", "ada").output().unwrap();
    assert!(output.status.success(), "{}", told(&arguments, &output));
}

#[test]
fn a_folder_of_the_system_is_not_given_away() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    let folder = format!("/var/tidegate-{}", std::process::id());
    let key = format!("{folder}/key.pem");
    let arguments = ["key", "generate", "--no-encrypt", "--out", &key];
    let said = told(&arguments, &by_another(&desk, &arguments).output().unwrap());
    assert!(said.contains(&format!("hint: run `install -d -o 65534 {folder}` as root")), "{said}");
}

#[test]
fn a_state_of_another_user_is_not_a_missing_one_and_commands_run_as_that_user() {
    if !is_root() {
        return;
    }
    let desk = desk_of_engineer();
    let setpriv = "setpriv --reuid 65534 --regid 65534 --clear-groups COMMAND";
    let wanted = format!("with `{setpriv}` as root");
    for arguments in [
        &["explain", "1.8.4"][..],
        &["status"],
        &["cluster", "list"],
        &["cluster", "check", "north"],
        &["cluster", "run", "north"],
        &["export", "out"],
        &["promote"],
    ] {
        let said = said_to(ENGINEER, &desk, arguments);
        assert!(said.contains("`.tidegate` belongs to user 65534 and has mode 0700"), "{said}");
        assert!(said.contains(&wanted), "{said}");
        for wrong in ["1970", "loosen", "recover", "nothing yet", "none has worked", "chown"] {
            assert!(!said.contains(wrong), "{wrong}: {said}");
        }
    }
    // As the hint says.
    for arguments in ["status", "cluster list", "explain 1.8.4"] {
        let line = setpriv.replace("COMMAND", &format!("./tidegate {arguments}"));
        let output = Command::new("sh").args(["-c", &line]).current_dir(desk.path(".")).output().unwrap();
        let said = told(&[arguments], &output);
        assert!(output.status.success() && !said.contains("cannot be read"), "{said}");
    }
}

#[test]
fn restraints_that_the_server_may_not_read_are_kept_until_it_may() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    ended(serve(&desk, by_another(&desk, &[]), &["--first", "--promote", "on"]));
    let path = desk.path(".tidegate/restraints.json");
    let before = fs::read(&path).unwrap();
    chown(&path, Some(0), Some(0)).unwrap();
    ended(serve(&desk, by_another(&desk, &[]), &["--promote", "on"]));
    assert_eq!(fs::read(&path).unwrap(), before);
    let log = fs::read_to_string(desk.path("serve.log")).unwrap();
    assert!(log.contains("run `chown -h 65534 .tidegate/restraints.json` as root"), "{log}");
    assert!(!log.contains("loosen"), "{log}");
    // As the log says.
    chown(&path, Some(OTHER), None).unwrap();
    ended(serve(&desk, by_another(&desk, &[]), &["--promote", "on"]));
    assert!(!desk.path(".tidegate/restraints.json.bad").exists());
    let log = fs::read_to_string(desk.path("serve.log")).unwrap();
    assert!(!log.contains("restraints"), "{log}");
}

#[test]
fn a_file_of_the_catalog_that_only_its_owner_may_read_is_neither_wrong_nor_given_away() {
    if !is_root() {
        return;
    }
    let desk = desk_of_engineer();
    for (path, commands) in [
        (
            "channels/trust/targets.json",
            &[&["catalog", "check"][..], &["explain", "1.8.4"], &["root", "show"], &["verify"], &["promote"]]
                [..],
        ),
        ("channels/trust/releases-1.8.json", &[&["explain", "1.8.4"]]),
        ("payloads/1.8.4/payload.json", &[&["catalog", "check"], &["explain", "1.8.4"]]),
        ("payloads/1.8.4/release.json", &[&["catalog", "check"], &["explain", "1.8.4"]]),
    ] {
        fs::set_permissions(desk.path(path), Permissions::from_mode(0o600)).unwrap();
        for arguments in commands {
            let said = said_to(OTHER, &desk, arguments);
            assert!(said.contains(&format!("{path}` as user 4242")), "{path}: {said}");
            for wrong in ["run run", "as root", "--trust", "sha256", "new version", "release sign", "yank"] {
                assert!(!said.contains(wrong), "{path}: {wrong}: {said}");
            }
        }
        let owner = format!("chmod a+rX {}", desk.path(path).display());
        let mut chmod = Command::new("sh");
        assert!(chmod.args(["-c", &owner]).uid(ENGINEER).status().unwrap().success());
        assert!(said_to(OTHER, &desk, &["catalog", "check"]).contains("\nexit 0\n"), "{path}");
    }
}

#[test]
fn a_folder_of_the_catalog_can_be_let_to_two_users() {
    if !is_root() {
        return;
    }
    let desk = desk_of_engineer();
    let hold = ["release", "hold", "1.8.4", "--reason", "eats data"];
    let said = said_to(OTHER, &desk, &hold);
    assert!(said.contains("hint: run `chgrp -h 65534 "), "{said}");
    follow(&desk, &said);
    let resume = ["release", "resume", "1.8.4", "--reason", "was something else"];
    for (user, arguments) in
        [(OTHER, &hold), (ENGINEER, &resume), (OTHER, &hold), (OTHER, &resume), (ENGINEER, &hold)]
    {
        let said = said_to(user, &desk, arguments);
        assert!(said.contains("\nexit 0\n"), "{user}: {said}");
    }
}

#[test]
fn nothing_outside_the_catalog_the_payloads_and_the_state_is_given_away() {
    if !is_root() {
        return;
    }
    let desk = desk_of_another();
    let away = tempfile::tempdir().unwrap();
    fs::set_permissions(away.path(), Permissions::from_mode(0o755)).unwrap();
    let secret = away.path().join("shadow");
    fs::write(&secret, "of root").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let add = ["release", "add", "1.8.5", "--payload", secret.to_str().unwrap()];
    let said = said_to(OTHER, &desk, &add);
    assert!(said.contains("belongs to user 0") && said.contains("hint: let this process read it"), "{said}");
    assert!(!said.contains("chown"), "{said}");
    let out = away.path().join("out");
    let said = said_to(OTHER, &desk, &["man", "--out", out.to_str().unwrap()]);
    assert!(said.contains(&format!("hint: run `install -d -o 65534 {}` as root", out.display())), "{said}");
    follow(&desk, &said);
    assert!(said_to(OTHER, &desk, &["man", "--out", out.to_str().unwrap()]).contains("\nexit 0\n"));
    let said = said_to(
        OTHER,
        &desk,
        &["key", "public", "keys/release.pem", "--out", away.path().join("key.pem").to_str().unwrap()],
    );
    assert!(said.contains("or choose another folder") && !said.contains("chown"), "{said}");
    // A folder in a home that nobody else may enter would not help.
    let home = PathBuf::from(format!("/var/tidegate-home-{}", std::process::id()));
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    let said = said_to(OTHER, &desk, &["man", "--out", home.join("man").to_str().unwrap()]);
    fs::remove_dir(&home).unwrap();
    assert!(said.contains("choose another folder") && !said.contains("install"), "{said}");
}

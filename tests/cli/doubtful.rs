//! Warnings about what is probably a mistake.

use super::desk::Desk;

#[test]
fn whoever_adds_a_release_is_warned_of_what_is_probably_a_mistake_and_so_is_whoever_checks() {
    let desk = Desk::with_keys();
    for name in ["payload.json", "amd64", "arm64"] {
        desk.write(&format!("build/{name}"), &format!("{name}\n"));
    }
    let plain = ["--payload", "build/payload.json"];
    let two = ["--payload", "build/amd64", "--arch", "amd64", "--payload", "build/arm64", "--arch", "arm64"];
    let one = ["--payload", "build/amd64", "--arch", "amd64"];
    let add = |version: &str, more: &[&str]| desk.run(&[&["release", "add", version], more].concat());
    let none = |told: String| assert!(told.contains("exit 0") && !told.contains("warning"), "{told}");
    none(add("1.8.0-rc9", &plain));
    none(add("1.8.1", &two));
    for (version, more, warning) in [
        ("1.8.0-rc10", &plain[..], "sorts below `1.8.0-rc9`"),
        ("1.8.0-RC9", &plain, "differ only in upper and lower case"),
        ("1.8.2", &one, "has no payload for `arm64`, which `1.8.1` has"),
        ("1.8.3", &[&two[..], &["--urgency", "security"]].concat(), "soaks as long as any other"),
    ] {
        let told = add(version, more);
        assert!(told.contains("exit 0") && told.contains(warning), "{told}");
        let told = desk.run(&["catalog", "check"]);
        assert!(told.contains("exit 0") && told.contains(warning), "{told}");
    }
}

#[test]
fn an_architecture_that_a_release_lacks_is_named_when_it_is_added_signed_and_checked() {
    let desk = Desk::with_keys();
    for name in ["amd64", "arm64"] {
        desk.write(&format!("build/{name}"), &format!("{name}\n"));
    }
    let two = ["--payload", "build/amd64", "--arch", "amd64", "--payload", "build/arm64", "--arch", "arm64"];
    let one = ["--payload", "build/amd64", "--arch", "amd64"];
    let warnings = |arguments: &[&str]| desk.json(arguments)["warnings"].to_string();
    let add = |version: &str, more: &[&str]| warnings(&[&["release", "add", version], more].concat());
    assert_eq!(add("1.8.1", &two), "null");
    // Those that come after one without it are told of, too.
    for version in ["1.8.2", "1.8.3"] {
        let warning = format!("`{version}` has no payload for `arm64`, which `1.8.1` has");
        let keys = ["--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
        let sign = [&["release", "sign", version], &keys[..]].concat();
        for told in [add(version, &one), warnings(&sign), warnings(&["catalog", "check"])] {
            assert!(told.contains(&warning), "{told}");
        }
    }
}

#[test]
fn a_line_whose_soak_replaces_the_policys_for_security_releases_is_warned_of() {
    let desk = Desk::new();
    let policy = "format: 1\nstages:\n  - name: preproduction\n  - name: production\n    soak: { min: 14d, security: { min: 3d, max: 14d, why: fixes go faster } }\n";
    desk.write("channels/policy.yaml", policy);
    let stages =
        |soak: &str| format!("stages:\n  - name: preproduction\n  - name: production\n    soak: {soak}\n");
    desk.line("1.8", &stages("{ min: 21d }"));
    let told = desk.run(&["catalog", "check"]);
    assert!(
        told.contains("exit 0") && told.contains("security releases soak for 21d there, and not for 3d"),
        "{told}"
    );
    desk.line("1.8", &stages("{ min: 21d, security: { min: 3d, max: 14d, why: fixes go faster } }"));
    let told = desk.run(&["catalog", "check"]);
    assert!(!told.contains("security"), "{told}");
}

#[test]
fn a_payload_that_is_not_the_file_itself_is_refused() {
    let desk = Desk::with_keys();
    desk.write(
        "build/image",
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 734003200\n",
    );
    let add = |file: &str| desk.run(&["release", "add", "1.8.4", "--payload", file]);
    let told = add("build/image");
    assert!(
        told.contains("exit 1") && told.contains("Git LFS pointer") && told.contains("git lfs pull"),
        "{told}"
    );
    let pipe = desk.path("build/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in ["build/pipe", "build"] {
        let told = add(path);
        assert!(told.contains("exit 1") && told.contains("is not a regular file"), "{told}");
    }
    desk.write("build/image", "version 2 of the image, and no pointer\n");
    assert!(add("build/image").contains("exit 0"));
}

#[test]
fn a_payload_that_git_altered_is_named_and_put_right_as_the_hint_says() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let file = "payloads/1.8.4/payload.json";
    let good = desk.read(file);
    desk.write(file, &good.replace('\n', "\r\n"));
    let told = desk.run(&["catalog", "check"]);
    assert!(
        told.contains("exit 1") && told.contains("has other line endings") && told.contains(".gitattributes"),
        "{told}"
    );
    desk.write(file, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 7\n");
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("exit 1") && told.contains("Git LFS pointer"), "{told}");
    desk.write(file, &good);
    assert!(desk.run(&["catalog", "check"]).contains("exit 0"));
}

//! `key`.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn a_key_is_made_and_never_written_over() {
    let desk = Desk::with_keys();
    assert_snapshot!(
        "key_generate",
        desk.run(&["key", "generate", "--out", "new/release.pem", "--no-encrypt"])
    );
    let key = desk.read("new/release.pem");
    assert_snapshot!(
        "key_generate_again",
        desk.run(&["key", "generate", "--out", "new/release.pem", "--no-encrypt"])
    );
    assert_eq!(desk.read("new/release.pem"), key);
    assert_snapshot!("key_list_files", desk.run(&["key", "list", "new/release.pem", "keys/release.pem"]));
}

#[test]
fn the_keys_of_a_catalog_are_listed_with_what_they_sign() {
    let desk = Desk::with_keys();
    let keys = desk.json(&["key", "list"]);
    let roles: Vec<String> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["roles"].to_string()).collect();
    assert_eq!(
        roles,
        [r#"["snapshot","timestamp","channels"]"#, r#"["root"]"#, r#"["targets"]"#, r#"["releases-1.8"]"#]
    );
    assert_snapshot!("key_list_none", Desk::new().run(&["key", "list"]));
}

#[test]
fn a_key_that_everybody_may_read_is_refused_and_one_that_its_group_may_change_is_warned_of() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let chmod = |path: &str, mode| set_permissions(desk.path(path), Permissions::from_mode(mode)).unwrap();
    let sign = ["release", "sign", "--key", "keys/release.pem"];
    chmod("keys/release.pem", 0o644);
    assert_snapshot!("key_exposed", desk.run(&sign));
    assert!(!desk.path("payloads/1.8.4/release.json").exists());
    chmod("keys/release.pem", 0o660);
    let told = desk.run(&sign);
    assert!(
        told.contains("\nexit 0\n") && told.contains("is group-writable (mode 0660): `chmod 600"),
        "{told}"
    );
    chmod("keys/release.pem", 0o440);
    assert!(!desk.run(&sign).contains("chmod"));

    chmod(".tidegate/keys/online.pem", 0o604);
    let told = desk.run(&["serve", "--promote", "off", "--listen", "127.0.0.1:0"]);
    assert!(
        told.contains("\nexit 1\n") && told.contains("`.tidegate/keys/online.pem` (mode 0604)"),
        "{told}"
    );
    assert!(told.contains("hint: `chmod 600 .tidegate/keys/online.pem`"), "{told}");
}

#[test]
fn a_key_in_the_place_of_a_path_is_refused_and_never_told() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let (body, marks) = ("MC4CAQAwBQYDK2VwBCIEIA", "PRIVATE KEY-----");
    let pem = format!("-----BEGIN {marks}\n{body}\n-----END {marks}\n");
    let flat = pem.replace('\n', " ");
    let bare = format!("{body}\n{body}");
    let version_2 = format!("MFECAQEwBQYDK2VwBCIEI{body}");
    let role = format!("root={pem}");
    let public = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    for arguments in [
        &["release", "sign", "--key", &pem][..],
        &["release", "sign", "--key", &flat],
        &["release", "sign", "--key", &bare],
        &["release", "sign", "--key", "keys/release.pem", "--targets-key", &pem],
        &["line", "retire", "1.8", "--reason", "over", "--key", &bare],
        &["ceremony", "sign", "c.json", "--key", &pem],
        &["root", "change", "--renew", "root", "--key", &pem],
        &["root", "change", "c.json", "--add", &role],
        &["key", "list", &bare],
        &["key", "list", &public],
        &["key", "public", &pem],
        &["key", "passphrase", &bare],
        &["key", "generate", "--out", &bare],
        &["init", "--offline-keys", &bare],
        &["init", "--offline-keys", "new", "--root-key", &bare],
        &["serve", "--online-key", &bare, "--sign-with", "true"],
        // Not even where it is no argument that any command takes.
        &["release", "sign", &pem],
        &["release", "sign", "--not-before", &pem],
        &["release", "show", &version_2],
    ] {
        let told = desk.run(arguments);
        let said = told.split_once("exit 1\n").unwrap_or_else(|| panic!("{told}")).1;
        assert!(said.contains("this is a key, not the path of a key file"), "{told}");
        assert!(said.contains("hint: write it to a file") && !said.contains(body), "{told}");
    }
    for variable in
        ["TIDEGATE_RELEASE_KEY", "TIDEGATE_TARGETS_KEY", "TIDEGATE_OFFLINE_KEYS", "TIDEGATE_WITNESS"]
    {
        for command in [&["release", "sign", "--key", "keys/release.pem"][..], &["serve"], &["init"]] {
            let told = desk.run_with((variable, &pem), command);
            assert!(told.contains("this is a key") && !told.contains(body), "{variable}: {told}");
        }
    }
    let told = desk.run_with(("TIDEGATE_RELEASE_KEY", &bare), &["release", "sign"]);
    assert!(told.contains("this is a key") && !told.contains(body), "{told}");
    let raw = "/F0r9x2vJm0Yw5sQkq7cT1nZp3uHd8aLbGe4iNfKo6M=";
    let told = desk.run(&["release", "sign", "--key", raw]);
    assert!(told.split_once("exit 1\n").unwrap().1.contains("not shown"), "{told}");
    assert!(!told.split_once("exit 1\n").unwrap().1.contains("F0r9"), "{told}");
}

#[test]
fn what_only_mentions_a_key_and_what_no_command_reads_is_no_key() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    for reason in
        ["the -----BEGIN line is lost", "its -----BEGIN PRIVATE KEY----- is missing", "LS0tLS1CRUdJTi"]
    {
        desk.done(&["release", "hold", "1.8.4", "--reason", reason]);
        desk.done(&["release", "resume", "1.8.4", "--reason", reason]);
    }
    let pem = desk.read("keys/release.pem");
    let told = desk.run_with(("TIDEGATE_SOME_CI_SECRET", &pem), &["catalog", "check"]);
    assert!(told.contains("exit 0"), "{told}");
    let told = desk.run_with(("TIDEGATE_LOG", &pem), &["catalog", "check"]);
    assert!(told.contains("this is a key"), "{told}");
}

#[test]
fn what_is_no_key_is_named_wherever_a_key_is_read() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    desk.done(&["root", "change", "c.json", "--renew", "root"]);
    let pem = desk.read("keys/release.pem");
    let public = desk.done(&["key", "public", "keys/release.pem"]);
    let base64 = {
        let encode =
            std::process::Command::new("base64").arg(desk.path("keys/release.pem")).output().unwrap();
        String::from_utf8(encode.stdout).unwrap()
    };
    for (text, named, way_out) in [
        ("", "this file is empty", "hint: if a CI job wrote it from a secret, check that the secret is set"),
        ("\n", "this file is empty", "check that the secret is set"),
        ("***\n", "this is a masked secret", "hint: write the secret itself"),
        ("[MASKED]\n", "this is a masked secret", "hint: write the secret itself"),
        (&base64, "this is PEM that was encoded in base64 once more", "hint: decode it first: `(umask "),
        ("hello\n", "this is not a key in PEM format", "hint: name a file that "),
    ] {
        desk.write("key.pem", text);
        set_permissions(desk.path("key.pem"), Permissions::from_mode(0o600)).unwrap();
        for arguments in [
            &["release", "sign", "--key", "key.pem"][..],
            &["release", "sign", "--key", "keys/release.pem", "--targets-key", "key.pem"],
            &[
                "ceremony",
                "sign",
                "c.json",
                "--key",
                "key.pem",
                "--yes",
                "--root",
                "channels/trust/1.root.json",
                "--targets",
                "channels/trust/targets.json",
            ],
            &["root", "change", "d.json", "--add", "root=key.pem"],
            &["key", "public", "key.pem"],
            &[
                "init",
                "--offline-keys",
                "new",
                "--root-key",
                "key.pem",
                "--state",
                "s",
                "--catalog",
                "c",
                "--no-encrypt",
            ],
            &["serve", "--online-key", "key.pem", "--sign-with", "true", "--promote", "off"],
        ] {
            let told = desk.run(arguments);
            assert!(told.contains("\nexit 1\n") && told.contains("`key.pem`"), "{told}");
            assert!(told.contains(named) && told.contains(way_out), "{told}");
            assert!(!told.contains("is a public key"), "{told}");
        }
        let online = desk.read(".tidegate/keys/online.pem");
        desk.write(".tidegate/keys/online.pem", text);
        let told = desk.run(&["serve", "--promote", "off", "--first"]);
        assert!(told.contains(named) && told.contains(way_out), "{told}");
        desk.write(".tidegate/keys/online.pem", &online);
    }
    // What Windows adds is no fault of a key, and neither are spaces for line ends.
    let windows = |pem: &str| format!("\u{feff}{}", pem.replace('\n', "\r\n"));
    desk.write("public.pem", &windows(&public));
    desk.write("key.pem", &pem.replace('\n', " "));
    assert_eq!(desk.done(&["key", "public", "public.pem"]), public);
    desk.done(&["release", "sign", "--key", "key.pem"]);
}

#[test]
fn a_key_in_another_form_is_usable_after_the_command_in_the_hint() {
    let desk = Desk::with_keys();
    let shell = |script: &str| {
        let script = format!("umask 022; {script}");
        let run = std::process::Command::new("sh").args(["-c", &script]).current_dir(desk.path(".")).output();
        assert!(run.as_ref().unwrap().status.success(), "{script}: {run:?}");
    };
    for (form, named) in [
        ("base64 keys/release.pem > FILE", "base64"),
        ("(printf '\\357\\273\\277'; cat keys/release.pem) | base64 > FILE", "base64"),
        ("iconv -f UTF-8 -t UTF-16 keys/release.pem > FILE", "UTF-16"),
        ("openssl pkey -in keys/release.pem -outform DER -out FILE", "DER"),
    ] {
        shell(&format!("rm -f KEY.pem; {form}; chmod 600 FILE"));
        let told = desk.run(&["key", "public", "FILE"]);
        let command = told.split_once("hint: ").unwrap().1.split('`').nth(1).unwrap();
        assert!(told.contains(named), "{told}");
        shell(command);
        let public = desk.done(&["key", "public", "KEY.pem"]);
        assert_eq!(public, desk.done(&["key", "public", "keys/release.pem"]), "{told}");
        // The server reads its key in another way.
        shell("cp FILE .tidegate/keys/online.pem");
        let told = desk.run(&["serve", "--promote", "off", "--first"]);
        assert!(told.contains("\nexit 1\n") && told.contains(named) && told.contains(command), "{told}");
    }
}

#[test]
fn what_may_be_a_secret_is_never_told_where_the_path_of_a_key_is_expected() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let body = "MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let (encoded, seed) = (format!("LS0tLS1CRUdJTi{body}"), body[22..].to_owned());
    let phrase = "correct horse battery staple and one more".to_owned();
    let several = "one\ntwo".to_owned();
    for secret in [&encoded, body, &seed, &phrase, &several] {
        for (variable, command) in [
            ("TIDEGATE_RELEASE_KEY", &["release", "sign"][..]),
            ("TIDEGATE_RELEASE_KEY", &["release", "sign", "--output", "json"]),
            ("TIDEGATE_TARGETS_KEY", &["release", "sign", "--key", "keys/release.pem"]),
            ("TIDEGATE_ONLINE_KEY", &["serve", "--sign-with", "true", "--promote", "off"]),
            ("TIDEGATE_REASON", &["ceremony", "finish", "c.json", "--key", secret]),
            ("TIDEGATE_REASON", &["key", "list", secret]),
        ] {
            let told = desk.run_with((variable, secret), command);
            let said = told.split_once("exit 1\n").unwrap_or_else(|| panic!("{told}")).1;
            assert!(
                !said.contains(&secret[..3]) && said.contains("write it to a file"),
                "{variable}: {told}"
            );
        }
    }
    for (path, named) in [
        ("keys/release.pem\n", "the path `keys/release.pem` of a key file begins or ends with a line break"),
        ("missing", "cannot read `missing`"),
        ("keys/a-name-that-is-longer-than-any-key-would-be-without-its-ending", "cannot read `keys/a-name-"),
        ("nowhere/a-name-that-is-longer-than-any-key-would-be.pem", "cannot read `nowhere/a-name-"),
    ] {
        let told = desk.run_with(("TIDEGATE_RELEASE_KEY", path), &["release", "sign"]);
        assert!(told.contains(named), "{told}");
    }
    let told = desk.run_with(("TIDEGATE_PASSPHRASE_FD", "hunter2"), &["key", "public", "keys/release.pem"]);
    assert!(!told.contains("hunter2") && told.contains("for 'TIDEGATE_PASSPHRASE_FD': write the"), "{told}");
}

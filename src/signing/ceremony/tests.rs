use super::*;
use crate::domain::testing::{catalog, line, t, v};
use crate::formats::tuf::{DelegatedRole, Target};

const NOW: &str = "2018-06-01";

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn keys() -> Keys {
    Keys { root: key(1), targets: key(2), release: key(3), online: key(4) }
}

fn trust() -> (Files, Trust) {
    let files = found(&catalog([line("1.8", None), line("1.9", None)]), &keys(), t("2018-01-01")).unwrap();
    let trust = Trust::read(&files).unwrap().unwrap();
    (files, trust)
}

/// A ceremony that renews everything.
fn renewal() -> (Files, Ceremony) {
    let (files, trust) = trust();
    let renew = vec![RoleName::Root, RoleName::Targets, RoleName::Release(None)];
    let change = KeyChange { renew, ..KeyChange::default() };
    (files, change_keys(&trust, &change, &|_, _| Ok(None), t(NOW)).unwrap())
}

fn sign_all(ceremony: &mut Ceremony) {
    let keys = keys();
    ceremony.sign(&[&keys.root, &keys.targets, &keys.release]).unwrap();
}

/// What is said against a ceremony that a keeper is fooled into signing in full.
fn refused(change: impl FnOnce(&mut Ceremony)) -> String {
    let (files, mut ceremony) = renewal();
    change(&mut ceremony);
    let before = ceremony.check(t(NOW)).map_err(|refused| refused.to_string());
    sign_all(&mut ceremony);
    let after = ceremony.finish(&files, &|_, _| Ok(None), t(NOW)).map_err(|refused| refused.to_string());
    let after = after.expect_err("nothing was refused");
    if let Err(before) = before {
        assert_eq!(before, after);
    }
    after
}

fn targets(ceremony: &mut Ceremony, change: impl FnOnce(&mut Targets)) {
    let mut role = ceremony.targets.take().unwrap().into_signed();
    change(&mut role);
    ceremony.targets = Some(Signed::unsigned(role).unwrap());
}

fn root(ceremony: &mut Ceremony, change: impl FnOnce(&mut Root)) {
    let mut role = ceremony.root.take().unwrap().into_signed();
    change(&mut role);
    ceremony.root = Some(Signed::unsigned(role).unwrap());
}

fn role(ceremony: &mut Ceremony, change: impl FnOnce(&mut Targets)) {
    let work = ceremony.lines.values_mut().next().unwrap();
    let mut role = work.role.signed().clone();
    change(&mut role);
    work.role = Signed::unsigned(role).unwrap();
}

fn list(role: &mut Targets, name: &str) {
    role.targets.insert(name.to_owned(), Target::of(b"x"));
}

/// Delegates a new line with paths made of those of 1.8, before all others.
fn take_over(ceremony: &mut Ceremony, paths: impl FnOnce(Vec<String>) -> Vec<String>) {
    targets(ceremony, |role| {
        let roles = &mut role.delegations.as_mut().unwrap().roles;
        let mut new = roles[0].clone();
        new.name = "releases-2.0".to_owned();
        new.paths = paths(new.paths);
        roles.insert(0, new);
    });
    let work = LineWork::empty(Targets::releases(1, t(NOW))).unwrap();
    ceremony.lines.insert(LineName::parse("2.0").unwrap(), work);
}

#[test]
fn a_founding_delegates_channels_and_lines_with_their_own_paths_only() {
    let [root, targets_key, release, online] = [1, 2, 3, 4].map(|seed| key(seed).public());
    let founders =
        || Founders { root: Signers::any(vec![root.key()]), targets: targets_key, release, online };
    let founding = |change: &dyn Fn(&mut Targets)| {
        let mut ceremony = Ceremony::found(&catalog([line("1.8", None)]), &founders(), t(NOW)).unwrap();
        targets(&mut ceremony, change);
        ceremony.check(t(NOW)).map_err(|refused| refused.to_string())
    };
    let role = |role: &mut Targets, place: usize, change: &dyn Fn(&mut DelegatedRole)| {
        change(&mut role.delegations.as_mut().unwrap().roles[place]);
    };
    assert_eq!(founding(&|_| {}), Ok(()));
    for (place, name) in [(0, "releases-1.8"), (1, "channels")] {
        for change in [
            &(|role: &mut DelegatedRole| role.paths = vec!["*".to_owned()]) as &dyn Fn(&mut DelegatedRole),
            &|role| role.terminating = false,
        ] {
            let refused = founding(&|targets| role(targets, place, change)).unwrap_err();
            assert!(refused.contains(&format!("the new role `{name}` may list")), "{refused}");
        }
    }
}

#[test]
fn what_all_have_signed_survives_its_file_and_is_taken() {
    let (files, mut ceremony) = renewal();
    assert!(!ceremony.is_complete());
    sign_all(&mut ceremony);
    let again = Ceremony::read(&ceremony.file().unwrap()).unwrap();
    assert!(again.is_complete());
    assert_eq!(again.file().unwrap(), ceremony.file().unwrap());
    let finished = again.finish(&files, &|_, _| Ok(None), t(NOW)).unwrap();
    let names: Vec<&str> = finished.trust.keys().map(String::as_str).collect();
    assert_eq!(names, ["2.root.json", "releases-1.8.json", "releases-1.9.json", "targets.json"]);
    let after = files.into_iter().chain(finished.trust).collect();
    assert!(Trust::read(&after).unwrap().unwrap().broken().is_empty());
}

#[test]
fn what_clients_would_refuse_is_refused_though_all_have_signed_it() {
    let other = key(9).public().key();
    for (change, expected) in [
        (
            Box::new(|c: &mut Ceremony| targets(c, |role| role.version = 9))
                as Box<dyn FnOnce(&mut Ceremony)>,
            "`trust/targets.json` is version 9, but 2 comes next",
        ),
        (
            Box::new(|c| role(c, |role| role.version = 1)),
            "`trust/releases-1.8.json` is version 1, but 2 comes next",
        ),
        (
            Box::new(|c| root(c, |role| role.version = 3)),
            "`trust/3.root.json` is version 3, but 2 comes next",
        ),
        (
            Box::new(|c| targets(c, |role| role.expires = t("2018-05-31"))),
            "`trust/targets.json` expired at 2018-05-31T00:00:00Z",
        ),
        (
            Box::new(|c| {
                targets(c, |role| drop(role.delegations.as_mut().unwrap().roles.remove(0)));
            }),
            "would drop the role `releases-1.8`",
        ),
        (
            Box::new(|c| {
                targets(c, |role| role.delegations.as_mut().unwrap().roles[0].paths.push("*".to_owned()));
            }),
            "would change which files the role `releases-1.8` may list",
        ),
        (
            Box::new(|c| take_over(c, |paths| paths)),
            "the new role `releases-2.0` and `releases-1.8` would sign for the same versions",
        ),
        (
            Box::new(|c| take_over(c, |paths| paths[..1].to_vec())),
            "the new role `releases-2.0` may list release.1.8.*, which is more than its own files",
        ),
        (
            Box::new(|c| targets(c, |role| role.delegations.as_mut().unwrap().roles[0].threshold = 2)),
            "role `release:1.8` would have 1 keys and need 2 signatures",
        ),
        (Box::new(|c| targets(c, |role| list(role, "x"))), "the role `targets` may not list `x`"),
        (
            Box::new(|c| {
                role(c, |role| list(role, "payload.1.9.1.x"));
            }),
            "the role `releases-1.8` may not list `payload.1.9.1.x`",
        ),
        (
            Box::new(|c| {
                role(c, |role| list(role, "release.1.8.1.json"));
            }),
            "line `1.8` has no index of its releases",
        ),
        (
            Box::new(move |c| {
                root(c, |role| {
                    role.keys.insert(other.id(), other.clone());
                    role.roles.snapshot.keyids.push(other.id());
                });
            }),
            "snapshot, timestamp and `channels` must have the same keys",
        ),
        (
            Box::new(|c| {
                let online = key(4).id();
                root(c, |role| role.roles.targets.keyids.push(online));
            }),
            "would be both an online key and a key of role `targets`",
        ),
    ] {
        let refused = refused(change);
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn a_line_is_signed_when_its_manifests_are_complete() {
    let (_, trust) = trust();
    let mut eighteen = line("1.8", None);
    eighteen = eighteen.with(crate::domain::testing::release("1.8.1", &["2018-01-02"]));
    let pending = [(&eighteen, vec![v("1.8.1")])];
    let public = [keys().release.public()];
    let mut ceremony =
        propose_releases(&trust, &pending, &public, &|_, _| Ok(None), &[], t(NOW), |_| {}).unwrap();
    let ready = |ceremony: &Ceremony| -> Vec<bool> {
        ceremony.documents().iter().map(|document| document.ready).collect()
    };
    assert_eq!(ready(&ceremony), [true, false]);
    let signed = ceremony.sign(&[&keys().release]).unwrap();
    let signed: Vec<String> = signed.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(signed, ["payloads/1.8.1/release.json", "trust/releases-1.8.json"]);
    assert_eq!((ready(&ceremony), ceremony.is_complete()), (vec![true, true], true));
    ceremony.check(t(NOW)).unwrap();
}

#[test]
fn a_root_that_is_missing_between_others_is_told() {
    let (mut files, trust) = trust();
    let mut roots = vec![trust.root().signed().clone()];
    for _ in 0..3 {
        let mut next = roots[roots.len() - 1].clone();
        next.version += 1;
        let signed = Signed::sign(next.clone(), [&keys().root]).unwrap();
        files.insert(format!("{}.root.json", next.version), signed.raw().clone());
        roots.push(next);
    }
    assert_eq!(Trust::read(&files).unwrap().unwrap().roots().len(), 4);
    for gone in [1, 2, 3] {
        let mut files = files.clone();
        files.remove(&format!("{gone}.root.json"));
        let error = Trust::read(&files).unwrap_err().to_string();
        assert_eq!(error, format!("`trust/{gone}.root.json` is missing"));
    }
    files.remove("4.root.json");
    assert_eq!(Trust::read(&files).unwrap().unwrap().roots().len(), 3);
}

#[test]
fn a_role_that_would_be_too_large_is_refused_and_one_beyond_half_is_told() {
    let (_, mut ceremony) = renewal();
    let line = ceremony.lines.keys().next().unwrap().clone();
    assert_eq!(ceremony.large_roles().count(), 0);
    let mut grow = |until: u64| {
        role(&mut ceremony, |role| {
            // A listed file takes some 150 bytes.
            for n in 0..until / 150 {
                list(role, &format!("payload.1.8.{n}.{}.json", "x".repeat(20)));
            }
        });
        let (checked, large) = (ceremony.check(t(NOW)), ceremony.large_roles().collect::<Vec<_>>());
        (checked, large.first().map(|(line, _)| (*line).clone()))
    };
    let (checked, large) = grow(MAX_SIGNED * 7 / 10);
    assert!(checked.is_ok(), "{checked:?}");
    assert_eq!(large, Some(line));
    let (checked, _) = grow(MAX_SIGNED * 2);
    assert!(matches!(checked, Err(Refused::TooLarge { path: DocumentId::Line(_), .. })), "{checked:?}");
}

#[test]
fn a_line_keeps_every_release_of_its_last_index() {
    let (mut files, trust) = trust();
    let eighteen = line("1.8", None).with(crate::domain::testing::release("1.8.1", &["2018-01-02"]));
    let signed = sign_releases(&trust, &eighteen, &[v("1.8.1")], &keys().release, t(NOW), |_| {}).unwrap();
    files.extend(signed.trust);
    let stored = |version: &Version, _: &_| Ok(signed.manifests.get(version).cloned());
    let trust = Trust::read(&files).unwrap().unwrap();
    let renew = vec![RoleName::Release(Some(eighteen.name))];
    let change = KeyChange { renew, ..KeyChange::default() };
    let mut ceremony = change_keys(&trust, &change, &stored, t(NOW)).unwrap();
    ceremony.check(t(NOW)).unwrap();
    role(&mut ceremony, |role| role.targets.clear());
    ceremony.lines.values_mut().next().unwrap().index = None;
    let refused = ceremony.check(t(NOW)).unwrap_err().to_string();
    assert_eq!(refused, "release `1.8.1` was in the last index of line `1.8`, but is missing from this one");
}

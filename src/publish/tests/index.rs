//! A line whose index is missing or wrong.

use super::*;
use crate::formats::tuf::Targets;
use crate::publish::continuity::{Trusted, trusted};
use crate::signing::ceremony::propose_releases;
use crate::words;

const INDEX: &str = "release.1.8.index.json";

/// The role of line 1.8 with its next version, changed and signed by its release key.
fn resigned(world: &World, change: impl FnOnce(&mut Targets)) -> crate::signing::ceremony::Files {
    let mut role = world.trust.line(&"1.8".parse().unwrap()).unwrap().signed().clone();
    role.version += 1;
    change(&mut role);
    let signed = Signed::sign(role, [&world.keys.release]).unwrap();
    [("releases-1.8.json".to_owned(), signed.raw().clone())].into()
}

/// Signs the role of line 1.8 again, and no release.
fn sign_index(world: &World, now: Time) -> crate::signing::ceremony::Files {
    let line = world.lines.iter().find(|line| line.name.as_str() == "1.8").unwrap();
    let stored = |version: &Version, _: &_| Ok(world.manifests.get(version).cloned());
    let keys = [world.keys.release.public()];
    let mut ceremony =
        propose_releases(&world.trust, &[(line, vec![])], &keys, &stored, &[], now, |_| {}).unwrap();
    assert_eq!(ceremony.manifests().count(), 0);
    ceremony.sign(&[&world.keys.release]).unwrap();
    ceremony.complete(now).unwrap().trust
}

/// Whether clients find the index of line 1.8.
fn has_index(publication: &Publication) -> bool {
    paths(publication).iter().any(|path| path.ends_with(&format!(".{INDEX}")))
}

#[test]
fn a_line_that_an_older_version_signed_is_refused_until_release_keys_sign_its_index() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let good = world.files.clone();
    world.files.remove("index-1.8.json");
    world.resign(resigned(&world, |role| {
        role.targets.remove(INDEX).unwrap();
    }));
    let unsigned = world.catalog();
    let why = unsigned.release(&v("1.8.4")).unwrap().1.evidence.manifest.clone();
    let ManifestState::Invalid(why) = why else { panic!("{why:?}") };
    assert!(why.to_string().contains("`tidegate release sign` adds the index"), "{why}");
    // It offers nothing where nothing of it was published, and the other lines do.
    let first = world.publish(None, now).publication;
    assert!(first.release(&v("1.8.4")).is_none() && first.release(&v("1.7.9")).is_some());

    let later = now + TimeDelta::hours(1);
    world.resign(sign_index(&world, later));
    let outcome = world.publish(Some(&first), later);
    assert!(outcome.refused.is_empty() && has_index(&outcome.publication), "{:?}", outcome.refused);
    assert_eq!(outcome.publication.release(&v("1.8.4")).unwrap().identity, world.manifests[&v("1.8.4")]);
    assert_eq!(world.files["index-1.8.json"], good["index-1.8.json"]);
}

/// What is done to the files of a line.
type Harm<'h> = Box<dyn Fn(&mut World) + 'h>;

#[test]
fn a_line_whose_index_is_gone_or_changed_keeps_its_last_documents() {
    let now = t("2018-01-01");
    let later = now + TimeDelta::hours(1);
    let changed = Bytes::from_static(br#"{"_type":"index","format":1,"line":"1.8","releases":{}}"#);
    let harms: [Harm<'_>; 3] = [
        Box::new(|world| drop(world.files.remove("index-1.8.json"))),
        Box::new(|world| drop(world.files.insert("index-1.8.json".to_owned(), changed.clone()))),
        Box::new(|world| {
            let listed = crate::formats::tuf::Target::of(&changed);
            let files = resigned(world, |role| {
                role.targets.insert(INDEX.to_owned(), listed);
            });
            world.files.insert("index-1.8.json".to_owned(), changed.clone());
            world.resign(files);
        }),
    ];
    for harm in harms {
        let mut world = world(now);
        let first = world.publish(None, now).publication;
        harm(&mut world);
        world.resign(crate::signing::ceremony::Files::new());
        let outcome = world.publish(Some(&first), later);
        let (line, refusal) = outcome.refused.iter().next().unwrap();
        assert_eq!((line.as_str(), outcome.refused.len()), ("1.8", 1));
        let told = words::line_refusal(refusal);
        assert!(told.contains("`tidegate release sign --key FILE`"), "{told}");
        assert!(has_index(&outcome.publication) && outcome.publication.release(&v("1.8.4")).is_some());
        world.resign(sign_index(&world, later));
        assert!(world.publish(Some(&outcome.publication), later).refused.is_empty());
    }
}

#[test]
fn the_role_of_a_line_whose_index_has_lost_a_release_is_refused_as_clusters_would_refuse_it() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let line = "1.8".parse().unwrap();
    let mut index = world.trust.index(&line).unwrap().unwrap().clone();
    index.releases.remove(&v("1.8.5")).unwrap();
    let index = index.bytes().unwrap();
    let listed = crate::formats::tuf::Target::of(&index);
    let mut files = world.files.clone();
    files.extend(resigned(&world, |role| {
        role.targets.retain(|name, _| !name.contains("1.8.5"));
        role.targets.insert(INDEX.to_owned(), listed);
    }));
    files.insert("index-1.8.json".to_owned(), index);
    let read = |last| trusted(&files, &BTreeMap::new(), last, &Checked::default());
    assert!(read(None).trust.unwrap().unwrap().broken().is_empty());
    let Trusted { trust, kept } = read(Some(&first));
    let trust = trust.unwrap().unwrap();
    let why = trust.broken()[&line].to_string();
    assert!(why.contains("release `1.8.5` was in the last index of line `1.8`"), "{why}");
    assert!(trust.line(&line).is_none() && trust.line(&"1.7".parse().unwrap()).is_some() && kept.is_none());
}

#[test]
fn a_mirror_serves_the_index() {
    let now = t("2018-01-01");
    let first = world(now).publish(None, now).publication;
    let fetch = |path: &str| match first.tuf(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    };
    let restored = super::super::restore::restore(first.root(), now, &fetch).unwrap();
    assert!(has_index(&restored));
}

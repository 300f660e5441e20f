//! What is published, when it is signed anew, and what keeps the last documents.

mod alone;
mod as_published;
mod index;
mod lost;
mod packed;
mod pages;
mod restored;
mod shared;
mod waiting;
mod withdrawn;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use chrono::TimeDelta;

use super::evidence::with_evidence;
use super::publication::TufFile;
use super::retired::RETIRED_FOR;
use super::testing::Packed;
use super::*;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Line;
use crate::domain::promotion::{Verdict, decide};
use crate::domain::release::PayloadState;
use crate::domain::testing::{catalog, event, line, release, t, v};
use crate::signing::ceremony::{Keys, found, sign_releases};
use crate::signing::trust::Checked;
use crate::signing::verify::{Extent, Verified, verify};
use crate::signing::{PrivateKey, Signed};

/// What came of publishing.
struct Outcome {
    publication: Publication,
    refused: Refused,
    /// Whether anything was signed.
    signed: bool,
}

/// A repository: keys, what they signed, and the lines of the catalog.
struct World {
    trust: Trust,
    manifests: HashMap<Version, Bytes>,
    keys: Keys,
    lines: Vec<Line>,
    faulty: BTreeMap<LineName, String>,
    /// Whose payloads are not there.
    missing: Vec<Version>,
    version: u64,
    stopping: AtomicBool,
    files: crate::signing::ceremony::Files,
}

impl World {
    /// Signs everything in these lines at `now`.
    fn new(lines: Vec<Line>, now: Time) -> Self {
        let key = |n: u8| PrivateKey::from_seed(&[n; 32]);
        let keys = Keys { root: key(1), targets: key(2), release: key(3), online: key(4) };
        let all = catalog(lines.clone());
        let mut files = found(&all, &keys, now).unwrap();
        let trust = Trust::read(&files).unwrap().unwrap();
        let mut manifests = HashMap::new();
        for line in all.lines() {
            let versions: Vec<Version> = line.releases.keys().cloned().collect();
            let signed = sign_releases(&trust, line, &versions, &keys.release, now, |_| {}).unwrap();
            manifests.extend(signed.manifests);
            files.extend(signed.trust);
        }
        let trust = Trust::read(&files).unwrap().unwrap();
        let (faulty, missing, version, stopping) = Default::default();
        Self { trust, manifests, keys, lines, faulty, missing, version, stopping, files }
    }

    fn catalog(&self) -> Catalog {
        with_evidence(
            catalog(self.lines.clone()),
            Ok(Some(&self.trust)),
            &|version| Ok(self.manifests.get(version).cloned()),
            &|release| {
                let missing = PayloadState::Missing { file: "payload.json".to_owned() };
                if self.missing.contains(&release.version) { missing } else { PayloadState::Present }
            },
            &Checked::default(),
        )
    }

    fn publish(&mut self, last: Option<&Publication>, now: Time) -> Outcome {
        self.version += 1;
        let (version, catalog) = (self.version, self.catalog());
        let decided = Decided::of(&catalog, &self.faulty, last, now);
        let publication = self.try_publish(&decided, last, version).unwrap();
        let signed = publication.version == version;
        Outcome { publication, refused: decided.refused, signed }
    }

    fn try_publish(
        &self,
        decided: &Decided<'_>,
        last: Option<&Publication>,
        version: u64,
    ) -> Result<Publication, PublishError> {
        let stored = |version: &Version| (version.clone(), Ok(self.manifests.get(version).cloned()));
        let manifests = self.lines.iter();
        let manifests = manifests.map(|one| (one.name.clone(), one.releases.keys().map(stored).collect()));
        publish(&Inputs {
            decided,
            trust: &self.trust,
            manifests: &manifests.collect(),
            online: &self.keys.online,
            last,
            version,
            demo: None,
            stopping: &self.stopping,
        })
    }

    fn release(&mut self, version: &str) -> &mut crate::domain::release::Release {
        self.lines.iter_mut().find_map(|line| line.releases.get_mut(&v(version))).unwrap()
    }

    /// Puts other files into `trust/`.
    fn resign(&mut self, files: crate::signing::ceremony::Files) {
        self.files.extend(files);
        self.trust = Trust::read(&self.files).unwrap().unwrap();
    }

    fn lose(&mut self, name: &str) -> Line {
        let place = self.lines.iter().position(|line| line.name.as_str() == name).unwrap();
        self.faulty.insert(LineName::parse(name).unwrap(), "line.yaml:3:1: broken".to_owned());
        self.lines.remove(place)
    }
}

fn world(now: Time) -> World {
    let seven = line("1.7", None)
        .with(release("1.7.9", &["2017-11-01", "2017-11-15"]))
        .with(release("1.7.14", &["2017-11-10", "2017-11-24"]));
    let eight = line("1.8", Some("1.7"))
        .with(release("1.8.4", &["2017-12-01", "2017-12-15"]))
        .with(release("1.8.5", &["2017-12-28"]));
    World::new(vec![seven, eight], now)
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn manifest(publication: &Publication, channel: &str) -> ChannelManifest {
    let document = publication.channel(&name(channel)).unwrap();
    Signed::parse(document.identity.clone()).unwrap().into_signed()
}

/// The path of every file in the repository.
fn paths(publication: &Publication) -> BTreeSet<String> {
    publication.files().map(|(path, _)| path).collect()
}

fn answer(publication: &Publication, channel: &str, version: &str) -> serde_json::Value {
    serde_json::from_slice(&publication.update(&name(channel), &v(version), None).unwrap().identity).unwrap()
}

fn explained(publication: &Publication, version: &str) -> serde_json::Value {
    serde_json::from_slice(&publication.explain(&v(version)).unwrap().identity).unwrap()
}

fn next_due(catalog: &Catalog, last: Option<&Publication>, now: Time) -> Option<Time> {
    Decided::of(catalog, &BTreeMap::new(), last, now).next_due(last)
}

#[test]
fn a_publication_answers_for_every_channel_and_release() {
    let now = t("2018-01-01");
    let publication = world(now).publish(None, now).publication;
    assert_eq!(answer(&publication, "1.8-production", "1.7.14")["target"]["version"], "1.8.4");
    assert_eq!(answer(&publication, "1.8-preproduction", "1.8.4")["target"]["version"], "1.8.5");
    assert_eq!(explained(&publication, "1.8.5")["state"], "waiting");
    assert_eq!(manifest(&publication, "1.8-production").latest, Some(v("1.8.4")));
    assert!(publication.release(&v("1.7.9")).is_some());
    assert_eq!(publication.payload(&v("1.7.9"), "payload.json").unwrap().size, 7);
    assert_eq!(publication.expires, now + CHANNEL_MANIFEST_LIFETIME);
}

#[test]
fn what_says_the_same_is_not_signed_again() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now);
    assert!(first.signed);
    let later = now + TimeDelta::hours(23);
    let again = world.publish(Some(&first.publication), later);
    assert!(!again.signed);
    assert_eq!(again.publication.version, first.publication.version);
    assert_eq!(again.publication.expires, first.publication.expires);
}

#[test]
fn after_a_day_online_documents_are_renewed_and_offline_ones_are_not() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let second = world.publish(Some(&first), now + RENEW_AFTER);
    assert!(second.signed);
    let second = second.publication;
    let (before, after) = (manifest(&first, "1.7-production"), manifest(&second, "1.7-production"));
    assert!(after.offers_the_same_as(&before));
    assert_eq!((before.version, after.version), (1, 2));
    assert_eq!(after.expires, before.expires + RENEW_AFTER);
    assert!(second.expires > first.expires);
    let signed = |publication: &Publication| publication.release(&v("1.7.9")).unwrap().identity.clone();
    assert_eq!(signed(&first), signed(&second));
}

#[test]
fn a_change_signs_only_the_channel_that_it_touches() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    world.release("1.8.4").yank =
        Some(Box::new(crate::domain::release::Yank { event: event(now, "breaks DNS"), to: None }));
    let second = world.publish(Some(&first), now + TimeDelta::minutes(1)).publication;
    assert_eq!(manifest(&second, "1.7-production").version, 1);
    assert_eq!(manifest(&second, "1.8-production").version, 2);
    assert_eq!(manifest(&second, "1.8-production").latest, None);
    assert_eq!(answer(&second, "1.8-production", "1.8.4")["code"], "yanked");
}

#[test]
fn a_faulty_line_keeps_its_documents_is_renewed_and_still_opens_the_next_line() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    world.lose("1.7");
    let later = now + TimeDelta::days(3);
    let outcome = world.publish(Some(&first), later);
    assert_eq!(outcome.refused.len(), 1);
    let second = outcome.publication;
    let (before, after) = (manifest(&first, "1.7-production"), manifest(&second, "1.7-production"));
    assert!(after.offers_the_same_as(&before));
    assert_eq!(after.expires, later + CHANNEL_MANIFEST_LIFETIME);
    for (channel, version) in
        [("1.7-production", "1.7.9"), ("1.8-production", "1.7.14"), ("1.8-production", "1.7.9")]
    {
        assert_eq!(
            answer(&second, channel, version),
            answer(&first, channel, version),
            "{version} asking {channel}"
        );
    }
    let [before, after] = [&first, &second].map(|publication| explained(publication, "1.7.9"));
    assert_eq!((&after["state"], &after["entered"]), (&before["state"], &before["entered"]));
    assert_eq!(after["line_refused"], "faulty");
    // The other line goes on.
    world.release("1.8.5").entries[1] = Some(crate::domain::testing::entry(t("2018-01-11")));
    let third = world.publish(Some(&second), t("2018-01-12")).publication;
    assert_eq!(answer(&third, "1.8-production", "1.7.14")["target"]["version"], "1.8.5");
    // And what was faulty heals.
    let healed = world.trust.line(&LineName::parse("1.7").unwrap()).is_some();
    assert!(healed);
}

/// What the refusal says, and what was done to the catalog.
type Break = (&'static str, fn(&mut World));

#[test]
fn a_line_that_would_step_back_keeps_its_documents_and_says_why() {
    let now = t("2018-01-01");
    let breaks: [Break; 4] = [
        ("no longer on offer", |world| {
            let line = world.lines.iter_mut().find(|line| line.name.as_str() == "1.8").unwrap();
            line.releases.remove(&v("1.8.4"));
        }),
        ("is gone", |world| world.lines.retain(|line| line.name.as_str() != "1.8")),
        ("and has `since: ", |world| {
            let entry = world.release("1.8.4").entries[1].as_mut().unwrap();
            entry.since += TimeDelta::days(1);
        }),
        ("its signed manifest cannot be used", |world| {
            world.manifests.remove(&v("1.8.4"));
        }),
    ];
    for (why, change) in breaks {
        let mut world = world(now);
        let first = world.publish(None, now).publication;
        change(&mut world);
        let outcome = world.publish(Some(&first), now + TimeDelta::hours(1));
        let line = LineName::parse("1.8").unwrap();
        assert!(crate::words::line_refusal(&outcome.refused[&line]).contains(why), "{:?}", outcome.refused);
        let before = answer(&first, "1.8-production", "1.7.14");
        assert_eq!(answer(&outcome.publication, "1.8-production", "1.7.14"), before, "{why}");
        assert!(outcome.publication.release(&v("1.8.4")).is_some());
        // What was refused once is refused again: the guard is carried over.
        let again = world.publish(Some(&outcome.publication), now + TimeDelta::hours(2));
        assert_eq!(again.refused.keys().collect::<Vec<_>>(), [&line], "{why}");
    }
}

#[test]
fn a_line_whose_role_is_broken_keeps_the_one_that_was_published() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let line = LineName::parse("1.7").unwrap();
    // The role is signed anew for other releases, while the line cannot be read.
    let versions = [v("1.7.14")];
    let resigned =
        sign_releases(&world.trust, &world.lines[0], &versions, &world.keys.release, now, |manifest| {
            manifest.summary = Some("changed".to_owned());
        });
    world.resign(resigned.unwrap().trust);
    world.lose("1.7");
    let second = world.publish(Some(&first), now + TimeDelta::hours(1)).publication;
    assert_eq!(answer(&second, "1.7-production", "1.7.9"), answer(&first, "1.7-production", "1.7.9"));

    // And where the role itself is broken, only its line is.
    world.resign([("releases-1.7.json".to_owned(), Bytes::from_static(b"{}"))].into());
    assert_eq!(world.trust.broken().keys().collect::<Vec<_>>(), [&line]);
    let third = world.publish(Some(&second), now + TimeDelta::hours(2)).publication;
    assert_eq!(answer(&third, "1.8-production", "1.7.14"), answer(&first, "1.8-production", "1.7.14"));
}

#[test]
fn a_role_of_a_line_that_expires_stops_no_other_line() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    // All but one line are signed anew in time.
    let late = now + TimeDelta::days(360);
    let keys = &world.keys;
    let mut root = world.trust.root().signed().clone();
    (root.version, root.expires) = (2, late + TimeDelta::days(365));
    let mut targets = world.trust.targets().signed().clone();
    (targets.version, targets.expires) = (2, late + TimeDelta::days(365));
    let mut files = crate::signing::ceremony::Files::from([
        ("2.root.json".to_owned(), Signed::sign(root, [&keys.root]).unwrap().raw().clone()),
        ("targets.json".to_owned(), Signed::sign(targets, [&keys.targets]).unwrap().raw().clone()),
    ]);
    let renewed =
        sign_releases(&world.trust, &world.lines[1], &[], &world.keys.release, late, |_| {}).unwrap();
    files.extend(renewed.trust);
    world.resign(files);
    let after = now + TimeDelta::days(370);
    let second = world.publish(Some(&first), after).publication;
    assert_eq!(second.expires, after + CHANNEL_MANIFEST_LIFETIME);
    assert_eq!(answer(&second, "1.8-preproduction", "1.8.4")["target"]["version"], "1.8.5");
    assert_eq!(manifest(&second, "1.8-production").issued, after);

    // But where the root or the top of the targets has expired, no client takes anything.
    let catalog = world.catalog();
    let decided = Decided::of(&catalog, &world.faulty, Some(&second), late + TimeDelta::days(366));
    let expired = world.try_publish(&decided, Some(&second), 1_000_000).unwrap_err();
    assert!(matches!(expired, PublishError::Violation(Violation::Expired { .. })), "{expired}");
}

#[test]
fn an_unsigned_release_is_explained_and_not_offered() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let line = world.lines.iter_mut().find(|line| line.name.as_str() == "1.8").unwrap();
    *line = line.clone().with(release("1.8.6", &["2017-12-30"]));
    let publication = world.publish(None, now).publication;
    assert!(publication.release(&v("1.8.6")).is_none());
    assert!(publication.payload(&v("1.8.6"), "payload.json").is_none());
    assert_eq!(manifest(&publication, "1.8-preproduction").latest, Some(v("1.8.5")));
    assert_eq!(explained(&publication, "1.8.6")["next"]["gates"][0]["gate"], "signed");
}

#[test]
fn the_wrong_online_key_signs_nothing() {
    let now = t("2018-01-01");
    let mut world = world(now);
    world.keys.online = PrivateKey::from_seed(&[9; 32]);
    let catalog = world.catalog();
    let decided = Decided::of(&catalog, &world.faulty, None, now);
    assert!(matches!(world.try_publish(&decided, None, 1), Err(PublishError::WrongKey)));
}

#[test]
fn what_was_replaced_is_served_to_clients_under_way_and_then_no_more() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let snapshot = |publication: &Publication| -> String {
        paths(publication).into_iter().find(|path| path.ends_with(".snapshot.json")).unwrap()
    };
    let renewed = now + RENEW_AFTER;
    let second = world.publish(Some(&first), renewed).publication;
    assert_ne!(snapshot(&first), snapshot(&second));
    assert!(second.tuf(&snapshot(&first)).is_some());
    let third = world.publish(Some(&second), renewed + RETIRED_FOR).publication;
    assert!(third.tuf(&snapshot(&first)).is_none());
    assert!(third.tuf(&snapshot(&third)).is_some());
}

#[test]
fn a_client_that_saw_one_publication_takes_the_next() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let mut last: Option<Publication> = None;
    let mut seen = None;
    for day in 0..30 {
        let now = now + TimeDelta::days(day);
        let changes: Vec<_> = decide(&world.catalog(), now)
            .iter()
            .filter(|decision| decision.verdict == Verdict::Promote)
            .map(|decision| (decision.release.version.to_string(), decision.stage))
            .collect();
        for (version, stage) in changes {
            world.release(&version).entries[stage] = Some(crate::domain::testing::entry(now));
        }
        let publication = world.publish(last.as_ref(), now).publication;
        let fetch = |path: &str| match publication.tuf(path)? {
            TufFile::Document(document) => Some(document.identity.clone()),
            TufFile::Payload(_) => None,
        };
        let verified = verify(&world.trust.roots()[0], now, &fetch, Extent::Manifests).unwrap();
        if let Some(seen) = &seen {
            let seen: &Verified = seen;
            seen.known().check(&verified.root, &verified.timestamp, &verified.snapshot).unwrap();
        }
        seen = Some(verified);
        last = Some(publication);
    }
    assert_eq!(manifest(&last.unwrap(), "1.8-production").latest, Some(v("1.8.5")));
}

#[test]
fn the_snapshot_lists_every_role_and_the_next_due_time_is_the_first_change() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let publication = world.publish(None, now).publication;
    let listed: Vec<&str> = publication.roles.snapshot.signed().meta.keys().map(String::as_str).collect();
    assert_eq!(listed, ["channels.json", "releases-1.7.json", "releases-1.8.json", "targets.json"]);

    let catalog = world.catalog();
    assert_eq!(next_due(&catalog, Some(&publication), now), Some(now + RENEW_AFTER));
    assert_eq!(next_due(&catalog, None, now), Some(t("2018-01-11")));

    // A held release is promoted at no time, and what is told of it changes when its soak is over.
    let world = World::new(
        vec![line("1.8", None).with(release("1.8.5", &["2017-12-28"]).held_at("2017-12-29"))],
        now,
    );
    let catalog = world.catalog();
    assert_eq!(next_due(&catalog, None, now), Some(t("2018-01-11")));
}

#[test]
fn the_end_of_a_grace_is_due_in_the_second_in_which_it_ends() {
    let seventeen = line("1.7", None)
        .with(release("1.7.1", &["2017-11-01", "2017-11-15"]))
        .with(release("1.7.2", &["2017-12-01", "2017-12-31T12:00:00Z"]));
    let mut eighteen = line("1.8", Some("1.7")).with(release("1.8.1", &["2017-12-01", "2017-12-15"]));
    eighteen.follows.as_mut().unwrap().grace = TimeDelta::days(7);
    let catalog = catalog([seventeen, eighteen]);
    let now = t("2018-01-01");
    let due = next_due(&catalog, None, now).unwrap();
    let action = |now: Time| {
        let decisions = decide(&catalog, now);
        let answer =
            crate::domain::upgrade::answer(&catalog, &decisions, &name("1.8-production"), &v("1.7.1"), now);
        answer.unwrap().advice.action()
    };
    let actions = (action(due - TimeDelta::seconds(1)), action(due));
    assert_eq!((due, actions), (t("2018-01-07T12:00:00Z"), ("update", "blocked")));
}

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::domain::change::Change;
use crate::domain::testing::{catalog, event, line, release, t, v};
use crate::signing::PrivateKey;
use crate::signing::ceremony::{Keys, found, sign_releases};

/// Three lines with signed releases, whose files can change.
struct World {
    catalog: Catalog,
    trust: Result<Option<Trust>, TrustError>,
    manifests: HashMap<Version, Stored>,
    missing: BTreeSet<Version>,
    /// What may have changed since the last search. `None` if anything may.
    changed: Option<BTreeSet<Version>>,
    checked: Checked,
    found: Found,
}

const VERSIONS: [&str; 6] = ["1.7.1", "1.7.2", "1.8.1", "1.8.2", "1.9.1", "1.9.2"];

/// Signs all releases but `unsigned` ones.
fn signed(all: &Catalog, unsigned: &[Version]) -> (Trust, HashMap<Version, Stored>) {
    let key = |n: u8| PrivateKey::from_seed(&[n; 32]);
    let keys = Keys { root: key(1), targets: key(2), release: key(3), online: key(4) };
    let now = t("2018-01-01");
    let mut files = found(all, &keys, now).unwrap();
    let trust = Trust::read(&files).unwrap().unwrap();
    let mut manifests = HashMap::new();
    for line in all.lines() {
        let versions = line.releases.keys().filter(|version| !unsigned.contains(version)).cloned();
        let versions: Vec<Version> = versions.collect();
        let signed = sign_releases(&trust, line, &versions, &keys.release, now, |_| {}).unwrap();
        manifests.extend(signed.manifests.into_iter().map(|(version, raw)| (version, Ok(Some(raw)))));
        files.extend(signed.trust);
    }
    (Trust::read(&files).unwrap().unwrap(), manifests)
}

impl World {
    fn new() -> Self {
        let bare =
            |version: &str| Release { evidence: Evidence::default(), ..release(version, &["2018-01-01"]) };
        let of = |name: &str, [one, other]: [&str; 2]| line(name, None).with(bare(one)).with(bare(other));
        let lines =
            [of("1.7", ["1.7.1", "1.7.2"]), of("1.8", ["1.8.1", "1.8.2"]), of("1.9", ["1.9.1", "1.9.2"])];
        let catalog = catalog(lines);
        let (trust, manifests) = signed(&catalog, &[]);
        let (missing, changed) = (BTreeSet::new(), Some(BTreeSet::new()));
        let (checked, found) = (Checked::default(), Found::default());
        Self { catalog, trust: Ok(Some(trust)), manifests, missing, changed, checked, found }
    }

    /// Finds the evidence. Also returns the number of releases whose files were looked at.
    fn find(&mut self) -> (Catalog, usize) {
        let Self { catalog, trust, manifests, missing, changed, checked, found } = self;
        let looked = AtomicUsize::new(0);
        let files = Files {
            trust: trust.as_ref().map(Option::as_ref),
            manifest: &|version| manifests.get(version).cloned().unwrap_or(Ok(None)),
            payload: &|release| {
                looked.fetch_add(1, Ordering::Relaxed);
                let file = "payload.json".to_owned();
                let is_missing = missing.contains(&release.version);
                if is_missing { PayloadState::Missing { file } } else { PayloadState::Present }
            },
            checked,
            may_have_changed: &|version| changed.as_ref().is_none_or(|changed| changed.contains(version)),
        };
        let after = found.add_to(catalog.clone(), &files);
        *changed = Some(BTreeSet::new());
        (after, looked.load(Ordering::Relaxed))
    }

    /// What somebody finds who knows nothing.
    fn find_anew(&mut self) -> Catalog {
        let (known, changed) = (std::mem::take(&mut self.found), self.changed.clone());
        let (found, _) = self.find();
        (self.found, self.changed) = (known, changed);
        found
    }

    fn change(&mut self, version: &str) {
        if let Some(changed) = &mut self.changed {
            changed.insert(v(version));
        }
    }

    fn edit(&mut self, version: &str, edit: impl FnOnce(&mut Line, &Version)) {
        let version = v(version);
        let mut lines: Vec<Line> = self.catalog.lines().cloned().collect();
        let line = lines.iter_mut().find(|line| line.releases.contains_key(&version)).unwrap();
        edit(line, &version);
        let name = line.name.clone();
        let edited = Catalog::published(lines);
        let edited = edited.shared_line(&name).cloned();
        self.catalog = self.catalog.clone().with_evidence(|line| edited.clone().filter(|_| *line == name));
    }
}

/// The lines that are not the same ones as before.
fn made_anew(before: &Catalog, after: &Catalog) -> Vec<String> {
    let pairs = before.shared_lines().zip(after.shared_lines());
    pairs.filter(|(one, other)| !Arc::ptr_eq(one, other)).map(|(_, line)| line.name.to_string()).collect()
}

#[test]
fn a_line_is_the_same_one_until_something_about_it_changes() {
    type Step = fn(&mut World);
    let steps: [(&str, Step, usize, &[&str]); 7] = [
        ("nothing", |_| {}, 0, &[]),
        ("anything may have changed", |world| world.changed = None, 6, &[]),
        (
            "a release is held",
            |world| {
                let hold = Change::Hold { version: v("1.8.1"), hold: event(t("2018-02-01"), "etcd") };
                world.catalog = hold.apply(world.catalog.clone()).unwrap();
            },
            1,
            &["1.8"],
        ),
        (
            "a payload is gone",
            |world| {
                world.missing.insert(v("1.9.2"));
                world.change("1.9.2");
            },
            1,
            &["1.9"],
        ),
        (
            "a manifest is gone",
            |world| {
                world.manifests.remove(&v("1.7.1"));
                world.change("1.7.1");
            },
            // The missing payload is looked for, too.
            2,
            &["1.7"],
        ),
        (
            "the line is another one",
            |world| world.edit("1.8.1", |line, _| line.title = Some("Eight".to_owned())),
            3,
            &["1.8"],
        ),
        ("the keys are gone", |world| world.trust = Ok(None), 6, &["1.7", "1.8", "1.9"]),
    ];
    let mut world = World::new();
    let (mut before, looked) = world.find();
    assert_eq!(looked, 6);
    let is_signed = |release: &Release| matches!(release.evidence.manifest, ManifestState::Signed(_));
    assert!(before.lines().flat_map(|line| line.releases.values()).all(is_signed));
    for (what, step, expected, lines) in steps {
        step(&mut world);
        let (after, looked) = world.find();
        assert_eq!(looked, expected, "{what}");
        assert_eq!(made_anew(&before, &after), lines, "{what}");
        before = after;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_was_found_before_the_evidence_is_that_of_the_files(
        steps in prop::collection::vec((0..11_u8, prop::sample::select(&VERSIONS[..]), any::<bool>()), 1..12),
    ) {
        let mut world = World::new();
        world.find();
        for (step, version, is_told) in steps {
            let at = v(version);
            world.changed = is_told.then(BTreeSet::new);
            match step {
                0 => { world.missing.insert(at); world.change(version); }
                1 => { world.missing.remove(&at); world.change(version); }
                2 => { world.manifests.remove(&at); world.change(version); }
                3 => { world.manifests.insert(at, Err("permission denied".to_owned())); world.change(version); }
                4 => {
                    world.manifests.insert(at, Ok(Some(Bytes::from_static(b"{}"))));
                    world.change(version);
                }
                5 => {
                    let (_, manifests) = signed(&world.catalog, &[]);
                    world.manifests.insert(at.clone(), manifests[&at].clone());
                    world.change(version);
                }
                6 => world.trust = Ok(Some(signed(&world.catalog, &[at]).0)),
                7 => world.trust = Ok(None),
                8 => world.edit(version, |line, _| line.follows = None),
                9 => world.edit(version, |line, version| {
                    line.releases.get_mut(version).unwrap().summary = Some("fixes".to_owned());
                }),
                _ => world.edit(version, |line, version| {
                    // The same version is another folder.
                    line.releases.get_mut(version).unwrap().version = v(&format!("v{version}"));
                }),
            }
            // Equal versions may be spelt differently, which is seen only when they are shown.
            let shown = |catalog: &Catalog| format!("{:?}", catalog.lines().collect::<Vec<_>>());
            let expected = shown(&world.find_anew());
            prop_assert!(shown(&world.find().0) == expected, "step {step} of {version}, told: {is_told}");
        }
    }
}

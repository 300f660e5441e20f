//! What a catalog may contain, but is probably a mistake.
//!
//! Nobody needs to be warned about a release that has gone through every stage, or was yanked.

use super::super::catalog::Catalog;
use super::super::channel::{LineName, StageName};
use super::super::line::Line;
use super::super::policy::{Soak, SoakPolicy, Urgency};
use super::super::release::Release;
use super::super::version::Version;

/// Something in a catalog that is probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubtful {
    /// A version sorts below another one although its number is higher: to `SemVer`, `rc10` is text, and
    /// comes before `rc9`. No cluster that runs the other one will take it.
    SortsBelow { version: Version, other: Version },
    /// Two versions differ only in upper and lower case. On some file systems, they have the same files.
    SameButForCase { version: Version, other: Version },
    /// A release has no payload for architectures that a release before it has.
    ArchDropped { version: Version, arch: Vec<String>, before: Version },
    /// A release is a security release, but no soak of its line is shorter for those.
    NoShorterSoak { version: Version, line: LineName },
    /// A line's own soak replaces the policy's, which is shorter for security releases.
    SecuritySoakDropped { line: LineName, stage: StageName, soak: Soak, policy: Soak },
}

/// Finds what is doubtful in a catalog, ordered by line and version.
pub fn doubtful(catalog: &Catalog) -> Vec<Doubtful> {
    catalog.lines().flat_map(of_line).collect()
}

/// Finds what is doubtful about one release. It need not be in the line yet.
pub fn in_line(line: &Line, release: &Release) -> Vec<Doubtful> {
    let mut found = Vec::new();
    let version = &release.version;
    let others = || line.releases.keys().filter(|other| *other != version);
    // Of several, the highest is the one that people run.
    if let Some(other) = others().rev().find(|other| version.has_higher_number(other) && version < *other) {
        found.push(Doubtful::SortsBelow { version: version.clone(), other: other.clone() });
    }
    let folded = version.identity().to_lowercase();
    if let Some(other) = others().find(|other| other.identity().to_lowercase() == folded) {
        found.push(Doubtful::SameButForCase { version: version.clone(), other: other.clone() });
    }
    found.extend(arch_dropped(line, release));
    let shorter = |soak: &SoakPolicy| soak.security.min < soak.normal.min;
    if release.urgency == Urgency::Security
        && !line.stages.iter().filter_map(|stage| stage.soak.as_ref()).any(shorter)
    {
        found.push(Doubtful::NoShorterSoak { version: version.clone(), line: line.name.clone() });
    }
    found
}

/// Compares a line's own soak with the policy's for the same stage.
pub fn soak(line: &LineName, stage: &StageName, own: &SoakPolicy, policy: &SoakPolicy) -> Option<Doubtful> {
    let is_dropped = own.security == own.normal
        && policy.security != policy.normal
        && policy.security.min < own.security.min;
    is_dropped.then(|| Doubtful::SecuritySoakDropped {
        line: line.clone(),
        stage: stage.clone(),
        soak: own.security,
        policy: policy.security,
    })
}

fn of_line(line: &Line) -> impl Iterator<Item = Doubtful> {
    let open = |release: &&Release| !release.reaches_last_stage() && release.yank.is_none();
    line.releases.values().filter(open).flat_map(|release| in_line(line, release))
}

/// Finds the architectures that a release lacks, and the highest release before it that has them. It need not be
/// the last one: once one release lacks an architecture, clusters on that wait for the next that has it.
pub fn arch_dropped(line: &Line, release: &Release) -> Option<Doubtful> {
    let has = release.architectures()?;
    let before = line.releases.range(..release.version.clone()).rev().map(|(_, before)| before);
    let mut before = before.filter(|before| before.yank.is_none());
    let lacks = |before: &Release| before.architectures().is_some_and(|arch| !arch.is_subset(&has));
    let before = before.find(|before| lacks(before))?;
    let arch = before.architectures().unwrap_or_default();
    let arch = arch.difference(&has).map(|arch| (*arch).to_owned()).collect();
    let (version, before) = (release.version.clone(), before.version.clone());
    Some(Doubtful::ArchDropped { version, arch, before })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::super::testing::{catalog, line, release, v};
    use super::*;

    fn found(releases: impl IntoIterator<Item = Release>) -> Vec<Doubtful> {
        doubtful(&catalog([releases.into_iter().fold(line("1.8", None), Line::with)]))
    }

    #[test]
    fn a_higher_number_that_sorts_below_is_doubtful_until_the_release_is_through() {
        let both = ["2018-01-01", "2018-01-15"];
        let below =
            |version: &str, other: &str| Doubtful::SortsBelow { version: v(version), other: v(other) };
        let rc = |entered: &[&str]| {
            [release("1.8.0-rc8", &both), release("1.8.0-rc9", &both), release("1.8.0-rc10", entered)]
        };
        assert_eq!(found(rc(&[])), [below("1.8.0-rc10", "1.8.0-rc9")]);
        assert_eq!(found(rc(&both)), []);
        assert_eq!(
            found([release("1.8.0-rc9", &[]), release("1.8.0-rc.10", &[])]),
            [below("1.8.0-rc.10", "1.8.0-rc9")]
        );
        for fine in [
            ["1.8.0-rc.9", "1.8.0-rc.10"],
            ["1.8.0-rc9", "1.8.1-rc10"],
            ["1.8.0-rc9", "1.8.0-beta10"],
            ["1.8.0-rc09", "1.8.0-rc10"],
            ["1.8.0-g1a2b", "1.8.0-g09ff"],
            ["1.8.0-rc9", "1.8.0-rc9.1"],
            ["1.8.4+rke2r9", "1.8.4+rke2r10"],
        ] {
            assert_eq!(found(fine.map(|version| release(version, &[]))), [], "{fine:?}");
        }
    }

    #[test]
    fn versions_that_differ_in_case_alone_are_doubtful() {
        let same =
            |version: &str, other: &str| Doubtful::SameButForCase { version: v(version), other: v(other) };
        assert_eq!(
            found([release("1.8.0-RC.1", &[]), release("1.8.0-rc.1", &[])]),
            [same("1.8.0-RC.1", "1.8.0-rc.1"), same("1.8.0-rc.1", "1.8.0-RC.1")]
        );
    }

    #[test]
    fn an_architecture_that_is_dropped_is_doubtful() {
        let built = |version: &str, arches: &[Option<&str>]| {
            let mut release = release(version, &[]);
            let one = release.payloads[0].clone();
            let payload = |(n, arch): (usize, Option<&str>)| crate::domain::payload::Payload {
                file: format!("{n}"),
                arch: arch.map(str::to_owned),
                ..one.clone()
            };
            release.payloads = arches.iter().copied().enumerate().map(payload).collect::<Vec<_>>().into();
            release
        };
        let two = || built("1.8.4", &[Some("amd64"), Some("arm64")]);
        let dropped = |version: &str, arch: &[&str]| Doubtful::ArchDropped {
            version: v(version),
            arch: arch.iter().map(|arch| (*arch).to_owned()).collect(),
            before: v("1.8.4"),
        };
        let amd64 = |version: &str| built(version, &[Some("amd64")]);
        assert_eq!(found([two(), amd64("1.8.5")]), [dropped("1.8.5", &["arm64"])]);
        assert_eq!(
            found([two(), amd64("1.8.5"), amd64("1.8.6")]),
            [dropped("1.8.5", &["arm64"]), dropped("1.8.6", &["arm64"])]
        );
        assert_eq!(found([built("1.8.4", &[None]), amd64("1.8.5")]), [], "it names them for the first time");
        assert_eq!(found([two(), built("1.8.5", &[None])]), [], "for every architecture");
        assert_eq!(found([two().yanked_at("2018-01-01", None), amd64("1.8.5")]), []);
        assert_eq!(
            found([built("1.8.4", &[Some("amd64")]), built("1.8.5", &[Some("arm64"), Some("amd64")])]),
            []
        );
    }

    #[test]
    fn a_security_release_is_doubtful_where_no_soak_is_shorter_for_it() {
        let urgent = || {
            let mut urgent = release("1.8.4", &[]);
            urgent.urgency = Urgency::Security;
            urgent
        };
        let none = Doubtful::NoShorterSoak { version: v("1.8.4"), line: "1.8".parse().unwrap() };
        assert_eq!(found([urgent()]), [none]);
        let mut line = line("1.8", None).with(urgent());
        line.stages[1].soak.as_mut().unwrap().security.min = TimeDelta::days(15);
        assert_eq!(doubtful(&Catalog::published([line.clone()])).len(), 1, "longer");
        line.stages[1].soak.as_mut().unwrap().security.min = TimeDelta::days(3);
        assert_eq!(doubtful(&Catalog::published([line])), []);
    }

    #[test]
    fn a_soak_that_drops_the_policys_shorter_one_is_doubtful() {
        let of = |days, security| {
            let soak = |days| Soak { min: TimeDelta::days(days), ..SoakPolicy::default().normal };
            SoakPolicy { normal: soak(days), security: soak(security), ..SoakPolicy::default() }
        };
        let found = |own: SoakPolicy, policy: SoakPolicy| {
            soak(&"1.8".parse().unwrap(), &"production".parse().unwrap(), &own, &policy).is_some()
        };
        assert!(found(of(21, 21), of(14, 3)));
        assert!(!found(of(21, 7), of(14, 3)), "it says what it wants");
        assert!(!found(of(21, 21), of(14, 14)), "the policy has none");
        assert!(!found(of(1, 1), of(14, 3)), "it is shorter still");
    }
}

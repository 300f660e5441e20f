//! Step backs: how a published offer has changed, and how to restore it.

use super::{manifest_remedy, objection};
use crate::domain::release::{Evidence, ManifestFault, ManifestState, PayloadState};
use crate::domain::rfc3339;
use crate::domain::stepback::{StepBack, StepBackKind};
use crate::domain::version::Version;

/// Says what was published and how it has changed.
pub fn step_back(StepBack { line, channel, kind }: &StepBack) -> String {
    match kind {
        StepBackKind::Channel => format!("channel `{channel}` was published and is gone"),
        StepBackKind::Place { stage, now: (now, now_stage) } => {
            format!(
                "channel `{channel}` was published for stage `{stage}` of line `{line}` and now belongs to stage `{now_stage}` of line `{now}`, so its clusters would reject it forever"
            )
        }
        StepBackKind::Release(version) => {
            format!("`{version}` was published in `{channel}` and is no longer on offer there")
        }
        StepBackKind::Withheld { version, evidence } => {
            let why = objection(evidence).map(|why| format!(", but {why}")).unwrap_or_default();
            format!("`{version}` was published in `{channel}`{why}")
        }
        StepBackKind::Since { version, before, after } => format!(
            "`{version}` was published in `{channel}` with `since: {}`, and has `since: {}` now",
            rfc3339(*before),
            rfc3339(*after)
        ),
        StepBackKind::Payloads(version) => {
            format!("the payloads of `{version}` in `{channel}` differ from the published ones")
        }
        StepBackKind::Retired => {
            format!("channel `{channel}` was published as part of a retired line, which is no longer retired")
        }
        StepBackKind::Alias { alias, now: None } => {
            format!("channel `{channel}` was published as `{alias}` too, but no channel has that name now")
        }
        StepBackKind::Alias { alias, now: Some(now) } => {
            format!(
                "channel `{channel}` was published as `{alias}` too, but that name belongs to `{now}` now"
            )
        }
    }
}

/// Says how to undo a step back.
pub fn step_back_hint(StepBack { line, kind, .. }: &StepBack) -> String {
    match kind {
        StepBackKind::Channel => format!("restore line `{line}` and its stages as they were"),
        StepBackKind::Place { stage, .. } => {
            format!("move the channel back to stage `{stage}` of line `{line}`, under their old names")
        }
        StepBackKind::Release(version) => format!(
            "restore its file, its entry, its signed manifest and its payloads; to stop offering it, run {}",
            yank(version)
        ),
        StepBackKind::Withheld { version, evidence } => withheld_hint(version, evidence),
        StepBackKind::Since { before, .. } => format!("write `since: {}` again", rfc3339(*before)),
        StepBackKind::Payloads(_) => {
            "restore the payloads, and add the changed ones as a new version".to_owned()
        }
        StepBackKind::Retired => format!("put `retired` back into `{line}/line.yaml`"),
        StepBackKind::Alias { alias, .. } => {
            format!(
                "put `{alias}` back into `aliases` of that stage in `{line}/line.yaml`: clusters still follow it"
            )
        }
    }
}

fn withheld_hint(version: &Version, evidence: &Evidence) -> String {
    if evidence.is_unread() {
        return "let the server read it, and the server goes on by itself".to_owned();
    }
    if evidence.payload.is_only_here() {
        return "give the state folder room, or make it writable, and the server goes on by itself (`tidegate status` says why it cannot)".to_owned();
    }
    if evidence.payload != PayloadState::Present {
        return format!(
            "restore the published files in `payloads/{version}/`; to stop offering it, run {}; you may then delete its payloads, but must keep its signed manifest",
            yank(version)
        );
    }
    if let ManifestState::Invalid(fault) = &evidence.manifest
        && matches!(**fault, ManifestFault::Keys(_) | ManifestFault::Role(_) | ManifestFault::Index(_))
    {
        return manifest_remedy(fault, version).to_string();
    }
    format!(
        "restore `payloads/{version}/release.json` and the release's catalog file as they were signed; if the change is intended, a keeper of a release key can sign it: `tidegate release sign {version} --key FILE`; to stop offering it, run {}",
        yank(version)
    )
}

fn yank(version: &Version) -> String {
    format!("`tidegate release yank {version} --reason TEXT`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::channel::StageName;
    use crate::domain::testing::{t, v};

    fn words(kind: StepBackKind) -> (String, String) {
        let (line, channel) = ("1.8".parse().unwrap(), "1.8-production".parse().unwrap());
        let step = StepBack { line, channel, kind };
        (step_back(&step), step_back_hint(&step))
    }

    #[test]
    fn each_step_back_says_what_was_published_and_how_to_restore_it() {
        let stage = |name: &str| StageName::parse(name).unwrap();
        for (kind, message, hint) in [
            (
                StepBackKind::Channel,
                "channel `1.8-production` was published and is gone",
                "restore line `1.8` and its stages as they were",
            ),
            (
                StepBackKind::Place {
                    stage: stage("production"),
                    now: ("1.8".parse().unwrap(), stage("prod")),
                },
                "channel `1.8-production` was published for stage `production` of line `1.8` and now belongs to stage `prod` of line `1.8`, so its clusters would reject it forever",
                "move the channel back to stage `production` of line `1.8`, under their old names",
            ),
            (
                StepBackKind::Release(v("1.8.5")),
                "`1.8.5` was published in `1.8-production` and is no longer on offer there",
                "restore its file, its entry, its signed manifest and its payloads; to stop offering it, run `tidegate release yank 1.8.5 --reason TEXT`",
            ),
            (
                StepBackKind::Since { version: v("1.8.5"), before: t("2018-02-15"), after: t("2018-02-16") },
                "`1.8.5` was published in `1.8-production` with `since: 2018-02-15T00:00:00Z`, and has `since: 2018-02-16T00:00:00Z` now",
                "write `since: 2018-02-15T00:00:00Z` again",
            ),
            (
                StepBackKind::Payloads(v("1.8.5")),
                "the payloads of `1.8.5` in `1.8-production` differ from the published ones",
                "restore the payloads, and add the changed ones as a new version",
            ),
            (
                StepBackKind::Retired,
                "channel `1.8-production` was published as part of a retired line, which is no longer retired",
                "put `retired` back into `1.8/line.yaml`",
            ),
            (
                StepBackKind::Alias { alias: "stable".parse().unwrap(), now: None },
                "channel `1.8-production` was published as `stable` too, but no channel has that name now",
                "put `stable` back into `aliases` of that stage in `1.8/line.yaml`: clusters still follow it",
            ),
            (
                StepBackKind::Alias {
                    alias: "stable".parse().unwrap(),
                    now: Some("1.9-production".parse().unwrap()),
                },
                "channel `1.8-production` was published as `stable` too, but that name belongs to `1.9-production` now",
                "put `stable` back into `aliases` of that stage in `1.8/line.yaml`: clusters still follow it",
            ),
        ] {
            assert_eq!(words(kind), (message.to_owned(), hint.to_owned()));
        }
    }

    #[test]
    fn a_release_that_is_withheld_says_for_which_file() {
        let evidence = |payload| Evidence { payload, ..Evidence::default() };
        let missing = evidence(PayloadState::Missing { file: "payload.json".to_owned() });
        let (message, hint) = words(StepBackKind::Withheld { version: v("1.8.4"), evidence: missing });
        assert_eq!(
            message,
            "`1.8.4` was published in `1.8-production`, but payload `payload.json` is missing"
        );
        assert!(hint.starts_with("restore the published files in `payloads/1.8.4/`"), "{hint}");
        let unsigned = evidence(PayloadState::Present);
        let (message, hint) = words(StepBackKind::Withheld { version: v("1.8.4"), evidence: unsigned });
        assert_eq!(
            message,
            "`1.8.4` was published in `1.8-production`, but it is not signed by a release key"
        );
        assert!(hint.contains("tidegate release sign 1.8.4"), "{hint}");
    }
}

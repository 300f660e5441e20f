//! The faults that show only beside other files.

use crate::samples::Row;

const L: &str = "1.8/line.yaml";
const R: &str = "1.8/1.8.4-tectonic.1.yaml";
const S: &str = "1.8/1.8.5.yaml";
const SIX: &str = "1.8/1.8.6.yaml";
const SEVEN: &str = "1.7/line.yaml";

/// Faults that show only beside other files.
pub const BETWEEN: &[Row] = &[
    (
        "no line.yaml",
        &[(
            "1.9/1.9.0.yaml",
            "",
            "format: 1\nversion: 1.9.0\npayloads: [{file: a, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 1}]\n",
        )],
        "folder `1.9` has releases but no `line.yaml`",
        "line: \"1.9\"",
    ),
    ("follows nothing", &[(L, "line: \"1.7\"", "line: ‹\"1.6\"›")], "there is no line `1.6`", "name a line"),
    (
        "follows itself",
        &[(L, "line: \"1.7\"", "line: ‹\"1.8\"›")],
        "`1.8` follows `1.8` in a cycle",
        "the oldest line",
    ),
    (
        "follows in a circle",
        &[
            (L, "line: \"1.7\"", "line: ‹\"1.7\"›"),
            (SEVEN, "format: 1", "format: 1\nfollows: { line: ‹\"1.8\"› }"),
        ],
        "in a cycle",
        "the oldest line",
    ),
    (
        "name begins another's",
        &[("1.8.9/line.yaml", "", "format: 1\nline: ‹\"1.8.9\"›\n"), (L, "line: \"1.8\"", "line: ‹\"1.8\"›")],
        "the name of line `1.8` is a prefix of the name of line `1.8.9`",
        "rename one",
    ),
    (
        "prefixes overlap",
        &[
            ("old/line.yaml", "", "format: 1\nline: old\nprefix: ‹\"1.7\"›\n"),
            (SEVEN, "line: \"1.7\"", "line: ‹\"1.7\"›"),
        ],
        "too",
        "another `prefix`",
    ),
    (
        "a prefix within another",
        &[
            ("old/line.yaml", "", "format: 1\nline: old\nprefix: ‹\"1.7.2\"›\n"),
            (SEVEN, "line: \"1.7\"", "line: ‹\"1.7\"›"),
        ],
        "versions of line",
        "another `prefix`",
    ),
    (
        "alias of two channels",
        &[
            (L, "[tectonic-1.8-preproduction]", "[‹1.7-production›]"),
            (SEVEN, "line: \"1.7\"", "line: ‹\"1.7\"›"),
        ],
        "channel `1.7-production` is defined twice, also on line",
        "another name",
    ),
    (
        "alias twice in a line",
        &[(L, "[tectonic-1.8-preproduction]", "[‹old›, ‹old›]")],
        "channel `old` is defined twice, also on line 8 of `1.8/line.yaml`",
        "another name",
    ),
    (
        "name too long for a channel",
        &[(
            SEVEN,
            "format: 1",
            "format: 1\nstages: [{ name: ‹a-stage-with-a-name-that-is-itself-just-short-enough-to-be-named› }]",
        )],
        "the channel of stage",
        "a short `channel`",
    ),
    (
        "pause of no stage",
        &[(L, "production: { at", "‹canary›: { at")],
        "no stage `canary`",
        "`preproduction`, `production`",
    ),
    (
        "another line's version",
        &[(
            "1.8/1.9.0.yaml",
            "",
            "format: 1\nversion: ‹1.9.0›\npayloads: [{file: a, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 1}]\n",
        )],
        "`1.9.0` does not belong to line `1.8`",
        "begin with `1.8`",
    ),
    (
        "version twice",
        &[
            (
                "1.7/1.7.9.yaml",
                "",
                "format: 1\nversion: 1.7.9\npayloads: [{file: a, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 1}]\n",
            ),
            ("1.7/v1.7.9.yaml", "version: v1.7.9", "version: ‹v1.7.9›"),
        ],
        "is in `1.7.9.yaml` already",
        "keep one",
    ),
    (
        "entry for no stage",
        &[(R, "  production:", "  ‹canary›:")],
        "line `1.8` has no stage `canary`",
        "`preproduction`, `production`",
    ),
    (
        "stage left out",
        &[
            (R, "  preproduction: { since: 2017-12-19T17:30:31Z, by: schedule }\n", ""),
            (R, "  production:", "  ‹production›:"),
        ],
        "entered `production`, but not the stage before it",
        "add the entry for `preproduction`",
    ),
    (
        "stages backwards",
        &[(R, "since: 2018-01-02T17:30:31Z", "since: ‹2017-12-02T17:30:31Z›")],
        "entered `production` before `preproduction`",
        "a time after 2017-12-19T17:30:31Z",
    ),
    (
        "early by schedule",
        &[(R, "since: 2018-01-02T17:30:31Z", "since: ‹2018-01-02T17:30:30Z›")],
        "before its soak of `14d` was over",
        "`schedule` never does that",
    ),
    (
        "early by schedule, which says nothing of a soak",
        &[(
            R,
            "since: 2018-01-02T17:30:31Z, by: schedule, reason: soaked 14d",
            "since: ‹2018-01-02T17:30:30Z›, by: schedule",
        )],
        "before its soak of `14d` was over",
        "`schedule` never does that",
    ),
    (
        "early without a reason",
        &[
            (S, "since: 2018-02-01T12:00:00Z", "since: ‹2018-02-01T12:00:00Z›"),
            (S, ", reason: closes a hole that is in use", ""),
        ],
        "after `12h` in `preproduction`, before its soak of `3d` was over, without a reason",
        "give a `reason`",
    ),
    (
        "scheduled while held",
        &[
            (R, "stages:", "hold: { at: 2018-01-01T00:00:00Z, by: ana, reason: slow }\nstages:"),
            (R, "since: 2018-01-02T17:30:31Z", "since: ‹2018-01-02T17:30:31Z›"),
        ],
        "`schedule` promoted the release to `production` although it had been held since 2018-01-01T00:00:00Z",
        "give the hold the time of the entry",
    ),
    (
        "replaces nothing",
        &[(S, "replaces: 1.8.4-tectonic.1", "replaces: ‹1.8.3›")],
        "`replaces` names `1.8.3`, but line `1.8` has no such release",
        "of this line",
    ),
    (
        "replaces itself",
        &[(S, "replaces: 1.8.4-tectonic.1", "replaces: ‹1.8.5›")],
        "names the release itself",
        "another release",
    ),
    ("yanked to nothing", &[(S, "to: 1.8.6", "to: ‹1.8.7›")], "`to` names `1.8.7`", "of this line"),
    ("yanked to itself", &[(S, "to: 1.8.6", "to: ‹v1.8.5›")], "`to` names the release itself", "remove `to`"),
    (
        "yanked in a circle",
        &[
            (S, "to: 1.8.6", "to: ‹1.8.4-tectonic.1›"),
            (R, "barrier: false", "yank: { at: 2018-02-03T00:00:00Z, by: ben, reason: slow, to: ‹1.8.5› }"),
        ],
        "in a cycle",
        "on offer",
    ),
    (
        "yanked barrier",
        &[(S, ", to: 1.8.6", ""), (S, "yank: {", "‹yank›: {")],
        "`1.8.5` is a yanked barrier, and has no replacement",
        "name a higher release to take instead",
    ),
    (
        "yanked barrier with an older replacement",
        &[(S, "to: 1.8.6", "to: ‹1.8.4-tectonic.1›")],
        "`1.8.5` is a yanked barrier, and its replacement `1.8.4-tectonic.1` is older",
        "a higher release",
    ),
    (
        "yanked replacement of a barrier",
        &[(SIX, "payloads:", "‹yank›: { at: 2018-02-04T00:00:00Z, by: ben, reason: slow }\npayloads:")],
        "`1.8.6` was yanked and replaces the yanked barrier `1.8.5`, and has no replacement",
        "name a higher release to take instead",
    ),
    (
        "yanked replacement of a barrier with an older one",
        &[(
            SIX,
            "payloads:",
            "yank: { at: 2018-02-04T00:00:00Z, by: ben, reason: slow, to: ‹1.8.4-tectonic.1› }\npayloads:",
        )],
        "`1.8.6` was yanked and replaces the yanked barrier `1.8.5`, and its replacement `1.8.4-tectonic.1` is older",
        "a higher release",
    ),
];

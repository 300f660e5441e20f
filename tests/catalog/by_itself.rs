//! The faults of a file by itself.

use crate::samples::Row;

const P: &str = "policy.yaml";
const L: &str = "1.8/line.yaml";
const R: &str = "1.8/1.8.4-tectonic.1.yaml";
const S: &str = "1.8/1.8.5.yaml";
const SEVEN: &str = "1.7/line.yaml";

/// Faults of a file by itself.
pub const BY_ITSELF: &[Row] = &[
    // What YAML leaves open.
    ("unquoted name", &[(SEVEN, "\"1.7\"", "‹1.7›")], "`1.7` without quotes is a number", "write `\"1.7\"`"),
    (
        "unquoted 1.10",
        &[(L, "line: \"1.7\"", "line: ‹1.10›")],
        "`1.10` without quotes is a number",
        "write `\"1.10\"`",
    ),
    ("hexadecimal", &[(R, "etcd: 3.1.8", "etcd: ‹0x10›")], "`0x10` without quotes is a number", "\"0x10\""),
    ("exponent", &[(R, "etcd: 3.1.8", "etcd: ‹3e8›")], "`3e8` without quotes is a number", "\"3e8\""),
    ("yes as text", &[(R, "Kubernetes 1.8.4", "‹yes›")], "`yes` without quotes is a boolean", "\"yes\""),
    ("date as text", &[(R, "Kubernetes 1.8.4", "‹2018-01-02›")], "is a date", "\"2018-01-02\""),
    (
        "null as text",
        &[(R, "summary: Kubernetes 1.8.4", "summary: ‹null›")],
        "there is no value",
        "remove the key",
    ),
    ("no value", &[(R, "summary: Kubernetes 1.8.4", "‹summary›:")], "there is no value", "remove the key"),
    (
        "number as component",
        &[(R, "kubernetes: 1.8.4+tectonic.1", "‹2018›: x")],
        "`2018` without quotes is a number",
        "\"2018\"",
    ),
    (
        "yes as flag",
        &[(R, "barrier: false", "barrier: ‹yes›")],
        "expected `true` or `false`, found `yes`",
        "one of the two",
    ),
    (
        "quoted flag",
        &[(R, "barrier: false", "barrier: ‹\"false\"›")],
        "expected `true` or `false`, found the text `false`",
        "without quotes",
    ),
    ("quoted number", &[(R, "size: 9999", "size: ‹\"9999\"›")], "expected a whole number", "without quotes"),
    ("size with sign", &[(R, "size: 9999", "size: ‹-1›")], "expected a whole number", "in digits"),
    ("size with fraction", &[(R, "size: 9999", "size: ‹9.5›")], "expected a whole number", "in digits"),
    // What git leaves.
    (
        "unresolved merge at the start",
        &[(R, "format: 1\n", "‹<<<<<<< HEAD›\nformat: 1\n=======\nformat: 1\n>>>>>>> hold\n")],
        "this is an unresolved merge conflict",
        "remove the lines that begin with `<<<<<<<`",
    ),
    (
        "unresolved merge further down",
        &[(
            R,
            "barrier: false\n",
            "‹<<<<<<< HEAD›\nbarrier: false\n=======\nbarrier: true\n>>>>>>> barrier\n",
        )],
        "this is an unresolved merge conflict",
        "then `git add` the file",
    ),
    (
        "merge of which one mark was forgotten",
        &[(R, "barrier: false\n", "barrier: false\n‹=======›\n")],
        "this is an unresolved merge conflict",
        "keep the right parts of both sides",
    ),
    (
        "end of a merge that was forgotten",
        &[(L, "line: \"1.8\"\n", "line: \"1.8\"\n‹>>>>>>> feature/1.9›\n")],
        "this is an unresolved merge conflict",
        "keep the right parts of both sides",
    ),
    // What is refused of YAML.
    (
        "duplicate key",
        &[(R, "barrier: false", "barrier: false\n‹barrier›: true")],
        "duplicate key `barrier`, first on line 9",
        "keep one",
    ),
    ("alias", &[(R, "Kubernetes 1.8.4", "‹*s›")], "an alias", "write the value out"),
    ("anchor", &[(R, "Kubernetes 1.8.4", "‹&s› Kubernetes 1.8.4")], "an anchor", "remove it"),
    ("tag", &[(R, "Kubernetes 1.8.4", "‹!!str› Kubernetes 1.8.4")], "a tag", "without it"),
    ("merge key", &[(R, "barrier: false", "‹<<›: { barrier: false }")], "a merge key", "write the keys out"),
    (
        "two documents",
        &[(R, "barrier: false", "‹---›\nbarrier: false")],
        "a second YAML document",
        "its own file",
    ),
    (
        "directive",
        &[(SEVEN, "", "‹%›YAML 1.2\n---\nformat: 1\n")],
        "directives are disallowed",
        "remove the line",
    ),
    ("tab", &[(L, "    soak", "‹\t›soak")], "a tab", "use spaces"),
    (
        "byte order mark",
        &[(SEVEN, "", "‹\u{feff}›format: 1\nline: \"1.7\"\n")],
        "a byte order mark",
        "without one",
    ),
    (
        "control character",
        &[(R, "Kubernetes 1.8.4", "Kubernetes‹\u{1b}›[31m")],
        "a control character",
        "remove it",
    ),
    (
        "escaped control character",
        &[(R, "Kubernetes 1.8.4", "‹\"Kubernetes \\e[31m\"›")],
        "a control character",
        "remove it",
    ),
    ("map as key", &[(R, "barrier: false", "? ‹{›a: b}\n: c")], "cannot be a key", "a key is text"),
    (
        "deep nesting",
        &[(R, "Kubernetes 1.8.4", "[[[[[[[[[[[[[[[[[‹x›]]]]]]]]]]]]]]]]]")],
        "deeper than 16 levels",
        "no catalog file",
    ),
    ("open quote", &[(SEVEN, "\"1.7\"", "‹\"›1.7")], "this is not YAML", "close the quote"),
    (
        "open bracket",
        &[(R, "etcd: 3.1.8 }", "etcd: 3.1.8"), (R, "payloads:", "payloads‹:›")],
        "this is not YAML",
        "bracket",
    ),
    ("bad indentation", &[(L, "    soak", "   ‹s›oak")], "this is not YAML", "indentation"),
    ("empty file", &[(R, "", "")], "the file is empty", "format: 1"),
    ("list for a file", &[(SEVEN, "", "‹-› a\n")], "expected a map, found a list", "`format`, `line`"),
    // Keys.
    (
        "misspelt key",
        &[(L, "title: Tectonic 1.8", "‹titel›: Tectonic 1.8")],
        "unknown key `titel`",
        "did you mean `title`?",
    ),
    (
        "unknown key",
        &[(R, "barrier: false", "‹colour›: blue")],
        "unknown key `colour`",
        "the known keys are `format`, `version`",
    ),
    (
        "misspelt inner key",
        &[(L, "zone: Europe/Berlin", "zone: Europe/Berlin, ‹hour›: x")],
        "unknown key `hour`",
        "`hours` is there already",
    ),
    (
        "missing key",
        &[(R, "size: 9999", "arch: amd64"), (R, "  - { file", "  - ‹{› file")],
        "key `size` is missing",
        "add `size`",
    ),
    ("missing format", &[(SEVEN, "", "line: \"1.7\"\n")], "key `format` is missing", "add `format`"),
    ("newer format", &[(SEVEN, "", "format: ‹2›\nwhat: ever\n")], "needs a newer Tidegate", "update"),
    ("no such format", &[(SEVEN, "format: 1", "format: ‹0›")], "there is no format 0", "format: 1"),
    (
        "text for a map",
        &[(L, "follows: { line: \"1.7\", grace: 2d }", "follows: ‹v1.7›")],
        "expected a map, found `v1.7`",
        "its keys are `line`, `grace`",
    ),
    (
        "text for a list",
        &[(L, "[tectonic-1.8-preproduction]", "‹old›")],
        "expected a list, found `old`",
        "write `[…]`",
    ),
    ("list for a text", &[(R, "Kubernetes 1.8.4", "‹[›a]")], "expected text, found a list", "write text"),
    (
        "aliases in the policy",
        &[(P, "name: preproduction", "name: preproduction\n    ‹aliases›: [a]")],
        "unknown key `aliases`",
        "`name`, `soak`, `windows`",
    ),
    // Values.
    (
        "bad version",
        &[(S, "replaces: 1.8.4-tectonic.1", "replaces: ‹1.8.4.1›")],
        "`1.8.4.1` is not a version",
        "three numbers",
    ),
    (
        "bad name",
        &[(L, "name: production", "name: ‹Production›")],
        "`Production` is not a valid name: lower-case letters",
        "looks like `1.8-production`",
    ),
    ("bad prefix", &[(SEVEN, "format: 1", "format: 1\nprefix: ‹1.x›")], "not a version prefix", "\"1.8\""),
    (
        "line without prefix",
        &[("k8s/line.yaml", "", "format: 1\nline: ‹k8s›\n")],
        "no version begins with the line's name",
        "add `prefix`",
    ),
    (
        "time without zone",
        &[(R, "since: 2017-12-19T17:30:31Z", "since: ‹2017-12-19T17:30:31›")],
        "no time zone",
        "write `2017-12-19T17:30:31Z` if that is UTC",
    ),
    (
        "date for a time",
        &[(R, "since: 2017-12-19T17:30:31Z", "since: ‹2017-12-19›")],
        "no time of day",
        "write `2017-12-19T00:00:00Z` if that is UTC",
    ),
    (
        "time with fraction",
        &[(R, "since: 2017-12-19T17:30:31Z", "since: ‹2017-12-19T17:30:31.250Z›")],
        "not a whole second",
        "write `2017-12-19T17:30:31Z`",
    ),
    ("bad duration", &[(L, "grace: 2d", "grace: ‹90m›")], "`90m` is not a duration", "`14d`, `2w` or `36h`"),
    ("duration without unit", &[(L, "grace: 2d", "grace: ‹10›")], "`10` is not a duration", "`10d` for days"),
    (
        "endless duration",
        &[(L, "grace: 2d", "grace: ‹4000d›")],
        "longer than 3650 days",
        "a shorter duration",
    ),
    (
        "bad urgency",
        &[(R, "urgency: normal", "urgency: ‹high›")],
        "unknown urgency `high`",
        "`normal` or `security`",
    ),
    ("bad day", &[(L, "days: mon-thu", "days: ‹mon-thur›")], "`mon-thur` is not a day", "mon,wed-fri"),
    ("no days", &[(L, "days: mon-thu", "days: ‹[›]")], "would never open", "days: mon-thu"),
    (
        "bad hours",
        &[(L, "hours: 09:00-16:00", "hours: ‹9-16›")],
        "`9-16` is not a range of hours",
        "09:00-16:00",
    ),
    (
        "hours backwards",
        &[(L, "hours: 09:00-16:00", "hours: ‹16:00-09:00›")],
        "must end after it begins",
        "hours: 09:00-16:00",
    ),
    (
        "bad zone",
        &[(L, "zone: Europe/Berlin", "zone: ‹Europe/Berln›")],
        "not a time zone",
        "did you mean `Europe/Berlin`?",
    ),
    (
        "bad digest",
        &[(R, "0b822cd15d6c15b0f00a08,", "›,"), (R, "sha256: ", "sha256: ‹")],
        "not a SHA-256 digest",
        "sha256sum",
    ),
    ("no size", &[(R, "size: 9999", "size: ‹0›")], "a payload cannot have a size of 0 bytes", "release add"),
    (
        "payload in a folder",
        &[(R, "file: payload.json", "file: ‹../payload.json›")],
        "not a name for a payload file",
        "name a file in the release's folder",
    ),
    (
        "payload twice",
        &[(S, "file: arm64.json", "file: ‹amd64.json›")],
        "is listed twice, first on line 5",
        "once",
    ),
    (
        "no payload",
        &[(R, "", "format: 1\nversion: 1.8.4-tectonic.1\n‹payloads›: []\n")],
        "a release needs a payload",
        "release add",
    ),
    ("bad architecture", &[(S, "arch: arm64", "arch: ‹ARM 64›")], "not an architecture", "amd64"),
    (
        "bad link",
        &[(R, "\"https://example.com/1.8.4\"", "‹\"javascript:alert(1)\"›")],
        "not a web address",
        "https://",
    ),
    (
        "link with a password",
        &[(R, "\"https://example.com/1.8.4\"", "‹\"https://ada:secret@example.com/1.8.4\"›")],
        "links are published",
        "without what is before the `@`",
    ),
    ("empty text", &[(L, "title: Tectonic 1.8", "title: ‹\" \"›")], "the text is empty", "remove the key"),
    ("several lines", &[(L, "title: Tectonic 1.8", "title: ‹\"a\\nb\"›")], "several lines", "one line"),
    (
        "freeze backwards",
        &[
            (L, "until: 2018-05-02", "until: ‹2018-04-02"),
            (L, "T00:00:00Z, reason: \"first", "T00:00:00Z›, reason: \"first"),
        ],
        "ends before it begins",
        "after `from`",
    ),
    // Stages and soak.
    (
        "soak too short",
        &[(L, "min: 14d, max: 28d", "min: ‹10d›, max: 28d")],
        "soak `10d` of stage `production` is below the minimum `14d`",
        "give `soak.why`",
    ),
    (
        "soak too long",
        &[(P, "max: 28d", "max: ‹5w›")],
        "soak `35d` of stage `production` is above the maximum `28d`",
        "give `soak.why`",
    ),
    (
        "security soak",
        &[(L, ", why: fixes go out faster", ""), (L, "min: 3d", "min: ‹3d›")],
        "soak `3d` of stage `production` is below",
        "give `soak.security.why`",
    ),
    (
        "min above max",
        &[(P, "min: 14d, max: 28d", "min: ‹21d›, max: 14d")],
        "`min` of `21d`, above its `max` of `14d`",
        "give both",
    ),
    (
        "soak of a first stage",
        &[(P, "name: preproduction", "name: preproduction\n    ‹soak›: { min: 14d }")],
        "`preproduction` is the first and cannot have a soak",
        "at once",
    ),
    (
        "stage twice",
        &[(P, "name: production", "name: ‹preproduction›")],
        "stage `preproduction` is listed twice, first on line 3",
        "once",
    ),
    ("no stages", &[(SEVEN, "format: 1", "format: 1\n‹stages›: []")], "there are no stages", "at least one"),
    // Names of files.
    (
        "another file's version",
        &[(R, "version: 1.8.4-tectonic.1", "version: ‹1.8.4-tectonic.2›")],
        "in a file named `1.8.4-tectonic.1.yaml`",
        "name the file `1.8.4-tectonic.2.yaml`",
    ),
    (
        "another folder's line",
        &[("1.9/line.yaml", "", "format: 1\nline: ‹\"1.90\"›\n")],
        "line `1.90` is in a folder named `1.9`",
        "name the folder `1.90`",
    ),
    (
        "private key beside the lines",
        &[(
            "release.pem",
            "",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGb\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )],
        "`release.pem` is a private key",
        "replace the key: `tidegate root change`",
    ),
    (
        "private key in a line",
        &[("1.8/online.pem", "", "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n")],
        "`1.8/online.pem` is a private key",
        "move it out of the catalog",
    ),
    ("yml", &[("1.8/1.8.6.yml", "", "format: 1")], "not a catalog file", "name it `1.8.6.yaml`"),
    ("beside a release", &[("1.8/1.8.4.yaml.new", "", "format: 1")], "not a catalog file", "move it out"),
    (
        "too deep",
        &[("1.8/old/1.8.1.yaml", "", "format: 1")],
        "not a catalog file",
        "directly into its folder",
    ),
];

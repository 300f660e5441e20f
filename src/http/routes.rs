//! The table of routes: everything that this server answers.

use std::borrow::Cow;

use actix_web::http::Method;

use super::listener::Listener;
use super::metrics;
use super::probes::{self, Readiness};
use super::problem::ProblemKind as Kind;
use super::public::{channels, pages, payloads, releases, tuf, update};
use super::reply::{Cache, Prepared};
use super::route::{Content, Described, Form, Handler, Parameter, Route};
use crate::domain::{channel, version};
use crate::formats::api::{ChannelsBody, ExplainBody, PromotionsBody, UpdateBody};
use crate::formats::described::{SignedChannel, SignedRelease, SignedRole};

/// `/openapi.json`: the document that is generated from this table.
const INTERFACE: Handler =
    Handler::Now(|ask| Prepared::new((Cow::Borrowed(&ask.state.openapi), Cache::Minute)).reply(ask.request));

/// What most routes share: they are public, read-only and take no body.
const GET: Route = Route {
    pattern: "",
    methods: &[Method::GET, Method::HEAD],
    body: 0,
    listener: Listener::Public,
    handler: INTERFACE,
    problems: &[],
    id: "",
    tag: "operation",
    title: "",
    text: "",
    parameters: &[],
    answer: Content::File,
    statuses: &[],
};

/// What the console's pages share. They answer problems with a page.
const PAGE: Route = Route { listener: Listener::All, tag: "console", answer: Content::Page, ..GET };

/// A channel's name, in upper or lower case: no dot next to another, and a letter or digit at both ends.
const CHANNEL_NAME: Form =
    Form { pattern: r"^[0-9A-Za-z](?:(?:\.?[0-9A-Za-z_-])*\.?[0-9A-Za-z])?$", most: channel::MAX_NAME };

/// A version as `SemVer` describes it, with numbers of at most 19 digits: those of 20 may be too large.
const SEMVER: Form = Form {
    pattern: concat!(
        r"^v?(?:0|[1-9][0-9]{0,18})\.(?:0|[1-9][0-9]{0,18})\.(?:0|[1-9][0-9]{0,18})",
        r"(?:-(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?",
        r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$",
    ),
    most: version::MAX_LENGTH,
};

/// A payload's file.
const PAYLOAD_FILE: Form = Form { pattern: r"^[0-9A-Za-z+_][0-9A-Za-z+._-]*$", most: 128 };

/// The most characters in the name of a file of the TUF repository: a digest, a dot, and the longest name that
/// file systems allow.
const TUF_FILE: usize = 64 + 1 + 255;

/// A role's file: all but the timestamp have their version in front.
const ROLE_FILE: Form =
    Form { pattern: r"^(?:timestamp|[1-9][0-9]{0,18}\.[0-9a-z][0-9a-z._-]*)\.json$", most: TUF_FILE };

/// A target's file: its SHA-256, and its name.
const TARGET_FILE: Form = Form { pattern: r"^[0-9a-f]{64}\.[0-9A-Za-z+._-]+$", most: TUF_FILE };

const CHANNEL: Parameter = Parameter {
    name: "channel",
    text: "The channel's name, or an alias",
    form: Some(CHANNEL_NAME),
    example: Some("1.8-production"),
    required: true,
};

const VERSION: Parameter = Parameter {
    name: "version",
    text: "The release's version",
    form: Some(SEMVER),
    example: Some("1.8.4-tectonic.1"),
    required: true,
};

const fn file(text: &'static str, form: Form, example: Option<&'static str>) -> Parameter {
    Parameter { name: "file", text, form: Some(form), example, required: true }
}

/// Every route, the most frequently requested first.
pub static ROUTES: [Route; 25] = [
    Route {
        pattern: "/v1/channels/{channel}/update",
        handler: Handler::Advice(update::get),
        problems: &[
            Kind::MissingVersion,
            Kind::BadVersion,
            Kind::BadArch,
            Kind::DuplicateParameter,
            Kind::UnknownChannel,
            Kind::LineLost,
            Kind::NotPublished,
            Kind::Expired,
        ],
        id: "update",
        tag: "channels",
        title: "What a cluster should do next",
        text: "The action, with its code and an explanation, the target release, and where its manifest is. This is only advice: a verifying client computes the same from the signed documents.",
        parameters: &[
            CHANNEL,
            Parameter {
                name: "version",
                text: "The version that the cluster runs",
                form: Some(SEMVER),
                example: Some("1.8.4-tectonic.1"),
                required: true,
            },
            Parameter {
                name: "arch",
                text: "The cluster's architecture. Releases that have no payload for it are passed over; without it, all count",
                form: None,
                example: Some("arm64"),
                required: false,
            },
            Parameter {
                name: "cluster",
                text: "The cluster's own id, for an answer that applies to this cluster only",
                form: None,
                example: None,
                required: false,
            },
        ],
        answer: Content::Document(Described::of::<UpdateBody>()),
        statuses: &[(200, "What to do")],
        ..GET
    },
    Route {
        pattern: "/v1/channels/{channel}",
        handler: Handler::Document(channels::one),
        problems: &[Kind::UnknownChannel, Kind::LineLost, Kind::NotPublished],
        id: "channel",
        tag: "channels",
        title: "A channel's signed manifest",
        text: "What the channel offers now, signed by the online key. Names are case-insensitive.",
        parameters: &[CHANNEL],
        answer: Content::Document(Described::of::<SignedChannel>()),
        statuses: &[(200, "The signed channel manifest")],
        ..GET
    },
    Route {
        pattern: "/v1/channels",
        handler: Handler::Document(|_, publication| {
            Ok((Cow::Borrowed(&publication.channels), Cache::Minute))
        }),
        problems: &[Kind::NotPublished],
        id: "channels",
        tag: "channels",
        title: "Every channel",
        text: "Each channel's line, stage, latest release and counts, whether it is paused, and which releases are soaking until when.",
        answer: Content::Document(Described::of::<ChannelsBody>()),
        statuses: &[(200, "Every channel")],
        ..GET
    },
    Route {
        pattern: "/tuf/metadata/{file}",
        handler: Handler::Document(tuf::metadata),
        problems: &[Kind::UnknownFile, Kind::LineLost, Kind::NotPublished],
        id: "tuf_metadata",
        tag: "tuf",
        title: "TUF metadata",
        text: "`timestamp.json`, and every other role under its version, such as `1.root.json`.",
        parameters: &[file("The role's file", ROLE_FILE, Some("timestamp.json"))],
        answer: Content::Document(Described::of::<SignedRole>()),
        statuses: &[(200, "The signed role")],
        ..GET
    },
    Route {
        pattern: "/tuf/targets/{file}",
        handler: Handler::Later(|ask| Box::pin(tuf::target(ask))),
        problems: &[
            Kind::UnknownFile,
            Kind::LineLost,
            Kind::NotAcceptable,
            Kind::RangeNotSatisfiable,
            Kind::PayloadUnavailable,
            Kind::NotPublished,
        ],
        id: "tuf_target",
        tag: "tuf",
        title: "A TUF target",
        text: "A signed manifest or a payload, named by its digest: `HASH.NAME`.",
        parameters: &[file("The target's file, with its digest", TARGET_FILE, None)],
        answer: Content::File,
        statuses: &[(200, "The target"), (206, "The requested part of a payload")],
        ..GET
    },
    Route {
        pattern: "/v1/releases/{version}",
        handler: Handler::Document(releases::manifest),
        problems: &[
            Kind::UnknownRelease,
            Kind::UnsignedRelease,
            Kind::WaitingRelease,
            Kind::LineLost,
            Kind::NotPublished,
        ],
        id: "release",
        tag: "releases",
        title: "A release's signed manifest",
        text: "The release, and the earliest time at which it can enter each stage, signed by release keys.",
        parameters: &[VERSION],
        answer: Content::Document(Described::of::<SignedRelease>()),
        statuses: &[(200, "The signed release manifest")],
        ..GET
    },
    Route {
        pattern: "/v1/payloads/{version}/{file}",
        handler: Handler::Later(|ask| Box::pin(payloads::get(ask))),
        problems: &[
            Kind::UnknownRelease,
            Kind::UnknownFile,
            Kind::LineLost,
            Kind::PayloadWithdrawn,
            Kind::RangeNotSatisfiable,
            Kind::PayloadUnavailable,
            Kind::NotPublished,
        ],
        id: "payload",
        tag: "releases",
        title: "A payload",
        text: "Clients can request a single range. The file never changes; its digest is its `ETag`.",
        parameters: &[VERSION, file("The payload's file", PAYLOAD_FILE, Some("payload.json"))],
        answer: Content::File,
        statuses: &[(200, "The payload"), (206, "The requested part")],
        ..GET
    },
    Route {
        pattern: "/v1/releases/{version}/explain",
        handler: Handler::Document(releases::explain),
        problems: &[Kind::UnknownRelease, Kind::LineLost, Kind::NotPublished],
        id: "explain",
        tag: "releases",
        title: "A release's progress",
        text: "Every gate with its figures, the earliest time of the next promotion, and who can unblock it.",
        parameters: &[VERSION],
        answer: Content::Document(Described::of::<ExplainBody>()),
        statuses: &[(200, "The release's progress")],
        ..GET
    },
    Route {
        pattern: "/v1/promotions",
        handler: Handler::Document(|_, publication| {
            Ok((Cow::Borrowed(&publication.promotions), Cache::Minute))
        }),
        problems: &[Kind::NotPublished],
        id: "promotions",
        tag: "releases",
        title: "Every decision",
        text: "The decision for every release that is not in its last stage, with all its gates.",
        answer: Content::Document(Described::of::<PromotionsBody>()),
        statuses: &[(200, "Every decision")],
        ..GET
    },
    Route {
        pattern: "/healthz",
        listener: Listener::All,
        handler: Handler::Now(|_| Ok(probes::alive())),
        id: "healthz",
        title: "Whether the process is alive",
        answer: Content::Fresh { media: "text/plain", schema: Described::plain::<String>() },
        statuses: &[(200, "Alive")],
        ..GET
    },
    Route {
        pattern: "/readyz",
        listener: Listener::All,
        handler: Handler::Now(|ask| Ok(probes::ready(ask))),
        id: "readyz",
        title: "Whether the server is ready",
        text: "Ready as long as the server has an unexpired publication, whatever else is wrong: a fault in the catalog must never take a whole fleet of servers out of service.",
        answer: Content::Fresh { media: "application/json", schema: Described::of::<Readiness>() },
        statuses: &[(200, "Ready"), (503, "Not ready: nothing is published, or it has expired")],
        ..GET
    },
    Route {
        pattern: "/metrics",
        listener: Listener::Admin,
        handler: Handler::Now(|ask| Ok(probes::metrics(ask))),
        id: "metrics",
        title: "Metrics",
        text: "`OpenMetrics` text for Prometheus. Served only on the admin listener, if there is one.",
        answer: Content::Fresh { media: metrics::MEDIA, schema: Described::plain::<String>() },
        statuses: &[(200, "The metrics")],
        ..GET
    },
    Route {
        pattern: "/openapi.json",
        handler: INTERFACE,
        id: "openapi",
        title: "This document",
        answer: Content::Document(Described::plain::<serde_json::Value>()),
        statuses: &[(200, "The API as OpenAPI 3.1")],
        ..GET
    },
    Route { pattern: "/", handler: Handler::Now(pages::board_page), id: "board", title: "The board", ..PAGE },
    Route {
        pattern: "/channels/{channel}",
        handler: Handler::Later(|ask| Box::pin(pages::channel(ask))),
        id: "channel_page",
        title: "A channel's page, or what the channel would tell a cluster",
        parameters: &[CHANNEL],
        ..PAGE
    },
    Route {
        pattern: "/releases/{version}",
        handler: Handler::Now(pages::release),
        id: "release_page",
        title: "A release's page",
        parameters: &[VERSION],
        ..PAGE
    },
    Route {
        pattern: "/calendar",
        handler: Handler::Later(|ask| Box::pin(pages::calendar(ask))),
        id: "calendar",
        title: "The calendar",
        ..PAGE
    },
    Route {
        pattern: "/calendar.ics",
        handler: Handler::Now(pages::feed),
        id: "calendar_feed",
        title: "The calendar as a feed",
        ..PAGE
    },
    Route {
        pattern: "/history",
        handler: Handler::Later(|ask| Box::pin(pages::history_page(ask))),
        id: "history",
        title: "What has happened",
        ..PAGE
    },
    Route {
        pattern: "/history.atom",
        handler: Handler::Later(|ask| Box::pin(pages::history_feed(ask))),
        id: "history_feed",
        title: "What has happened, as a feed",
        ..PAGE
    },
    Route {
        pattern: "/trust",
        handler: Handler::Now(pages::trust),
        id: "trust",
        title: "Roles and keys",
        ..PAGE
    },
    Route {
        pattern: "/status",
        handler: Handler::Now(|ask| Ok(pages::health(ask))),
        id: "status",
        title: "How the server is",
        ..PAGE
    },
    Route {
        pattern: "/events",
        handler: Handler::Now(|ask| Ok(pages::events(ask))),
        id: "events",
        title: "What is published, for pages that follow it",
        ..PAGE
    },
    Route {
        pattern: "/console.css",
        handler: Handler::Now(pages::styles),
        id: "styles",
        title: "The stylesheet",
        ..PAGE
    },
    Route {
        pattern: "/console.js",
        handler: Handler::Now(pages::script),
        id: "script",
        title: "The script",
        ..PAGE
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::route::find;
    use super::*;

    #[test]
    fn every_route_is_found_by_its_pattern() {
        for (place, route) in ROUTES.iter().enumerate() {
            assert_eq!(
                find(&ROUTES, route.pattern).map(|found| found.place),
                Some(place),
                "{}",
                route.pattern
            );
        }
    }

    #[test]
    fn a_path_is_cut_at_its_slashes_and_nowhere_else() {
        let found = find(&ROUTES, "/v1/payloads/a%2Fb/..").unwrap();
        assert_eq!((found.route.id, found.names), ("payload", ["a%2Fb", ".."]));
        for path in [
            "",
            "*",
            "v1/channels",
            "//v1/channels",
            "/v1/channels/",
            "/v1//channels",
            "/v1/channels/a/b",
            "/v1/payloads/1/a/b",
            "/a/b/c/d/e/f/g/h",
        ] {
            assert!(find(&ROUTES, path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_route_describes_each_name_in_its_pattern() {
        let ids: BTreeSet<&str> = ROUTES.iter().map(|route| route.id).collect();
        assert_eq!(ids.len(), ROUTES.len(), "operation ids are unique");
        for route in &ROUTES {
            let names = route.pattern.split(['{', '}']).skip(1).step_by(2);
            for name in names {
                assert!(route.parameters.iter().any(|one| one.name == name), "{}: {name}", route.pattern);
            }
        }
    }
}

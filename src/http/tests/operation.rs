use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixture::NOW;
use super::{Client, spawn, spawn_with};
use crate::clock::Clock as _;
use crate::domain::Time;
use crate::http::routes::ROUTES;
use crate::promoter::status::{Degraded, DegradedKind, Judged, Status};

fn time(seconds: i64) -> Time {
    Time::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn the_server_is_alive_whatever_it_serves() {
    let server = spawn();
    server.shared.publication.store(None);
    assert_eq!(server.client().get("/healthz").status, 200);
}

#[test]
fn ready_means_an_unexpired_publication_however_much_is_wrong() {
    let server = spawn();
    let mut client = server.client();
    let why = "the disk is full".to_owned();
    let degraded = vec![
        Degraded::Failed { kind: DegradedKind::CommitFailing, why },
        Degraded::PromotionsOverdue { count: 2, version: "1.8.4".parse().unwrap(), since: time(NOW - 60) },
    ];
    server.shared.status.store(Arc::new(Status { degraded, ..Status::default() }));
    let response = client.get("/readyz");
    assert_eq!(response.status, 200);
    let expected = serde_json::json!({
        "ready": true,
        "degraded": [
            {"kind": "commit_failing", "detail": "the disk is full; mend that, and the server goes on by itself"},
            {
                "kind": "promotions_overdue",
                "detail": "2 promotions are overdue, that of `1.8.4` since 2017-12-31T23:59:00Z: see why with `tidegate explain 1.8.4`",
                "version": "1.8.4",
                "count": 2,
                "since": "2017-12-31T23:59:00Z",
            },
        ],
        "promoting": false,
        "promotions": {"due": 0, "waiting": 0, "blocked": 0, "overdue": 0},
        "publication": {
            "version": 7,
            "made": "2017-12-31T23:59:00Z",
            "expires": "2018-01-01T01:00:00Z",
            "demo": false,
        },
    });
    assert_eq!(response.json(), expected);

    server.clock.set(NOW + 3600);
    let response = client.get("/readyz");
    assert_eq!((response.status, &response.json()["kind"]), (503, &"expired".into()));
    server.shared.publication.store(None);
    let response = client.get("/readyz");
    assert_eq!((response.status, &response.json()["kind"]), (503, &"not_published".into()));
}

#[test]
fn what_is_served_expires_by_the_time_it_is_signed_by_and_not_by_a_clock_that_was_turned() {
    let server = spawn();
    let mut client = server.client();
    let judged = |seconds| {
        let at = server.clock.monotonic();
        server.shared.time.store(Some(Arc::new(Judged { time: time(seconds), at })));
    };
    let asked = "/v1/channels/1.8-production/update?version=1.8.4-tectonic.1";
    server.clock.set(NOW + 30 * 86_400);
    assert_eq!([client.get("/readyz").status, client.get(asked).status], [503, 503]);
    judged(NOW);
    assert_eq!([client.get("/readyz").status, client.get(asked).status], [200, 200]);
    let metrics = String::from_utf8(client.get("/metrics").body).unwrap();
    assert!(!metrics.contains("expires_in_seconds{document=\"publication\"} -"), "{metrics}");
    server.clock.set(NOW - 30 * 86_400);
    judged(NOW + 3600);
    assert_eq!([client.get("/readyz").status, client.get(asked).status], [503, 503]);
}

#[test]
fn metrics_tell_how_things_stand() {
    let server = spawn();
    let mut client = server.client();
    let degraded = vec![Degraded::Failed { kind: DegradedKind::ExpiryNear, why: String::new() }];
    server.shared.status.store(Arc::new(Status {
        degraded,
        last_good_read: Some(time(NOW - 5)),
        promote: 1,
        wait: 2,
        blocked: 3,
        overdue: 1,
        oldest_overdue: Some(time(NOW - 86_400)),
        expiries: vec![("timestamp".to_owned(), time(NOW + 100))],
        promoting: true,
        ..Status::default()
    }));
    client.get("/v1/channels");
    client.get("/v1/channels/anything-a-client-makes-up");
    client.get("/anything/else");
    let text = String::from_utf8(client.get("/metrics").body).unwrap();
    for line in [
        r#"tidegate_requests_total{route="/v1/channels",status="2xx"} 1"#,
        r#"tidegate_requests_total{route="/v1/channels/{channel}",status="4xx"} 1"#,
        r#"tidegate_requests_total{route="none",status="4xx"} 1"#,
        r#"tidegate_problems_total{kind="unknown_channel"} 1"#,
        r#"tidegate_problems_total{kind="unknown_route"} 1"#,
        r#"tidegate_http_request_duration_seconds_count{class="channels"} 2"#,
        r#"tidegate_http_request_duration_seconds_bucket{le="+Inf",class="channels"} 2"#,
        r#"tidegate_http_request_duration_seconds_count{class="none"} 1"#,
        r#"tidegate_http_request_duration_seconds_count{class="tuf"} 0"#,
        "tidegate_requests_in_flight 1",
        r#"tidegate_decisions{state="promote"} 1"#,
        r#"tidegate_decisions{state="wait"} 2"#,
        r#"tidegate_decisions{state="blocked"} 3"#,
        "tidegate_promotions_overdue 1",
        "tidegate_oldest_overdue_seconds 86400",
        "tidegate_last_good_read_timestamp_seconds 1514764795",
        r#"tidegate_degraded{kind="expiry_near"} 1"#,
        r#"tidegate_degraded{kind="line_refused"} 0"#,
        "tidegate_publication_version 7",
        r#"tidegate_expires_in_seconds{document="publication"} 3600"#,
        r#"tidegate_expires_in_seconds{document="timestamp"} 100"#,
        "tidegate_promoting 1",
        concat!(r#"tidegate_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("makes-up"));
}

#[test]
fn every_metric_is_documented_with_its_labels() {
    let server = spawn();
    let read = Some(time(NOW));
    server.shared.status.store(Arc::new(Status { last_good_read: read, ..Status::default() }));
    let text = String::from_utf8(server.client().get("/metrics").body).unwrap();
    let labels = |sample: &str| {
        let (_, inner) = sample.split_once('{')?;
        let names = inner.trim_end_matches('}').split(',').filter_map(|label| label.split_once("=\""));
        Some(names.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", "))
    };
    let found: BTreeSet<(String, String)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(sample, _)| {
            let name = sample.split('{').next().unwrap_or_default();
            (format!("`{name}`"), labels(sample).unwrap_or_default())
        })
        .collect();
    assert!(found.len() >= 14, "{found:?}");
    let documented: BTreeSet<(String, String)> = include_str!("../../../docs/operating.md")
        .lines()
        .filter(|line| line.starts_with("| `tidegate_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].to_owned(), cells[2].to_owned())
        })
        .collect();
    assert_eq!(documented, found, "the table of metrics in docs/operating.md");
}

#[test]
fn the_operators_listener_alone_has_the_metrics() {
    let server = spawn_with(|config| config.admin_listen = Some("127.0.0.1:0".parse().unwrap()));
    let mut admin = Client::connect(server.admin_address.unwrap());
    assert_eq!(server.client().get("/metrics").status, 404);
    assert_eq!(admin.get("/metrics").status, 200);
    assert_eq!(admin.get("/readyz").status, 200);
    assert_eq!(admin.get("/v1/channels").status, 404);
    assert_eq!(server.client().get("/healthz").status, 200);
}

#[test]
fn the_public_is_told_only_the_kinds_of_problems_where_the_operator_has_a_listener() {
    let failed = |kind, why: &str| Degraded::Failed { kind, why: why.to_owned() };
    let degraded = vec![
        failed(DegradedKind::CommitFailing, "/srv/catalog/1.8/1.8.4.yaml: Permission denied (os error 13)"),
        failed(DegradedKind::CommitFailing, "/srv/catalog/1.9/1.9.1.yaml: Permission denied (os error 13)"),
        Degraded::PromotionsOverdue { count: 2, version: "1.8.4".parse().unwrap(), since: time(NOW - 60) },
    ];
    let server = spawn_with(|config| config.admin_listen = Some("127.0.0.1:0".parse().unwrap()));
    server.shared.status.store(Arc::new(Status { degraded, ..Status::default() }));
    let mut admin = Client::connect(server.admin_address.unwrap());
    let all = admin.get("/readyz").json();
    assert_eq!(all["degraded"].as_array().unwrap().len(), 3);
    assert!(all.to_string().contains("os error 13"));
    let public = server.client().get("/readyz").json();
    let elsewhere = "for the details, ask `/readyz` at the server's admin address";
    let expected = serde_json::json!([
        {"kind": "commit_failing", "detail": elsewhere},
        {"kind": "promotions_overdue", "detail": elsewhere},
    ]);
    assert_eq!((&public["ready"], &public["degraded"]), (&true.into(), &expected));
}

#[test]
fn every_route_of_the_table_is_served() {
    let server = spawn();
    for route in &ROUTES {
        let path = route.pattern.replace(['{', '}'], "");
        assert_eq!(server.client().ask("POST", &path, &["content-length: 0"]).status, 405, "{path}");
    }
    let api = server.client().get("/openapi.json").json();
    let described = ROUTES.iter().filter(|route| !route.is_page()).count();
    assert_eq!(api["paths"].as_object().unwrap().len(), described);
}

#[test]
fn a_reply_carries_the_id_of_its_request() {
    let server = spawn();
    let mut client = server.client();
    let response = client.ask("GET", "/nowhere", &["x-request-id: ci-17.a_b"]);
    assert_eq!(response.header("x-request-id"), Some("ci-17.a_b"));
    let first = client.ask("GET", "/v1/channels", &["x-request-id: a b"]);
    let second = client.get("/v1/channels");
    assert_eq!(first.header("x-request-id").unwrap().len(), 29);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

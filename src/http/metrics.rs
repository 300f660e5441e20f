//! `/metrics`: what the server counts, as Prometheus text.
//!
//! Counting is a few atomic additions: every label is known beforehand, so nothing is looked up
//! while a request is answered, and no client can make a new one.

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::connection::Cuts;
use super::problem::ProblemKind;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::promoter::status::{DegradedKind, Handle, PUBLICATION};

/// The media type of the text.
pub const MEDIA: &str = "application/openmetrics-text";

/// The label of requests for which there is no route.
const NO_ROUTE: &str = "none";

/// The classes of status codes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// What is counted while requests are answered.
pub struct Metrics {
    registry: Registry,
    /// By route, the last for none, and status class.
    requests: Vec<[Counter; CLASSES.len()]>,
    /// In the order of [`ProblemKind::ALL`].
    problems: Vec<Counter>,
    pub(super) in_flight: Gauge,
}

impl Metrics {
    /// Counters for routes with these patterns, in their order.
    pub(super) fn new(
        patterns: impl Iterator<Item = &'static str>,
        shared: &Handle,
        clock: &SharedClock,
        cuts: &Cuts,
    ) -> Self {
        let mut registry = Registry::with_prefix("tidegate");
        let requests = Family::<Labels<2>, Counter>::default();
        registry.register("requests", "Requests by route and status class", requests.clone());
        let problems = Family::<Labels<1>, Counter>::default();
        registry.register("problems", "Requests that were refused, by the problem's kind", problems.clone());
        let in_flight = Gauge::default();
        registry.register("requests_in_flight", "Requests that are being answered", in_flight.clone());
        let cut = "Connections that were cut because their request arrived too slowly";
        registry.register("connections_cut_slow_request", cut, cuts.slow_request.clone());
        let cut = "Connections that were cut because the client did not take its reply";
        registry.register("connections_cut_stalled_reader", cut, cuts.stalled_reader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the server", build);
        let (shared, clock) = (Arc::clone(shared), Arc::clone(clock));
        registry.register_collector(Box::new(Standing { shared, clock }));

        let by_class =
            |route| CLASSES.map(|class| requests.get_or_create_owned(&[("route", route), ("status", class)]));
        let requests = patterns.chain([NO_ROUTE]).map(by_class).collect();
        let by_kind = |kind: &ProblemKind| problems.get_or_create_owned(&[("kind", kind.as_str())]);
        let problems = ProblemKind::ALL.iter().map(by_kind).collect();
        Self { registry, requests, problems, in_flight }
    }

    /// Counts one reply, by its route's place in the table.
    pub(super) fn count(&self, route: Option<usize>, status: StatusCode, problem: Option<ProblemKind>) {
        let row = route.unwrap_or(self.requests.len() - 1);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.requests.get(row).and_then(|row| row.get(class)) {
            counter.inc();
        }
        if let Some(counter) = problem.and_then(|kind| self.problems.get(kind as usize)) {
            counter.inc();
        }
    }

    /// The text that a scrape gets.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// How things stand with the promoter and the publication, read when somebody asks.
struct Standing {
    shared: Handle,
    clock: SharedClock,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").finish_non_exhaustive()
    }
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.shared.now(&*self.clock);
        let status = self.shared.status.load();
        let publication = self.shared.publication.load();

        let decisions = [
            ([("state", "promote")], count(status.promote)),
            ([("state", "wait")], count(status.wait)),
            ([("state", "blocked")], count(status.blocked)),
        ];
        family(&mut encoder, "decisions", "Decisions by state", None, decisions)?;
        gauge(&mut encoder, "promotions_overdue", "Promotions past their time", None, count(status.overdue))?;
        let oldest = status.oldest_overdue.map_or(0, |since| (now - since).num_seconds());
        let help = "For how long the oldest overdue promotion has been so";
        gauge(&mut encoder, "oldest_overdue", help, Some(&Unit::Seconds), oldest)?;
        gauge(&mut encoder, "promoting", "Whether this server promotes", None, status.promoting.into())?;
        if let Some(read) = status.last_good_read {
            let help = "When the catalog was last read without a fault, since 1970";
            gauge(&mut encoder, "last_good_read_timestamp", help, Some(&Unit::Seconds), read.timestamp())?;
        }
        let degraded = DegradedKind::ALL.iter().map(|&kind| {
            let degraded = status.degraded.iter().any(|degraded| degraded.kind() == kind);
            ([("kind", kind.as_str())], degraded.into())
        });
        family(&mut encoder, "degraded", "What is wrong while the server goes on serving", None, degraded)?;
        if let Some(publication) = publication.as_deref() {
            let help = "The version of what is published";
            gauge(&mut encoder, "publication_version", help, None, clamp(publication.version))?;
            let until = |time: Time| (time - now).num_seconds();
            let first = ([("document", PUBLICATION)], until(publication.expires));
            let roles = status
                .expiries
                .iter()
                .filter(|(role, _)| role != PUBLICATION)
                .map(|(role, time)| ([("document", role.as_str())], until(*time)));
            let help = "How long until a signed document expires";
            let all = std::iter::once(first).chain(roles);
            family(&mut encoder, "expires_in", help, Some(&Unit::Seconds), all)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: i64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

fn family<L: prometheus_client::encoding::EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    values: impl IntoIterator<Item = (L, i64)>,
) -> Result<(), fmt::Error> {
    let kind = ConstGauge::new(0_i64).metric_type();
    let mut metric = encoder.encode_descriptor(name, help, unit, kind)?;
    for (labels, value) in values {
        let gauge = ConstGauge::new(value);
        gauge.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn clamp(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

//! `/metrics`: the server's metrics, as Prometheus text.
//!
//! Counting takes only a few atomic additions: every label is known in advance, so a request needs no
//! lookup, and no client can create a new label.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::access::AccessLog;
use super::connection::Cuts;
use super::latency::Latency;
use super::problem::ProblemKind;
use crate::clock::SharedClock;
use crate::promoter::status::{DegradedKind, Handle, PUBLICATION};

/// The media type of the metrics.
pub const MEDIA: &str = "application/openmetrics-text";

/// The label of requests that match no route, as a route and as a class.
const NO_ROUTE: &str = "none";

/// The classes of status codes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The counters of the server, and the registry that exports them.
pub struct Metrics {
    registry: Registry,
    /// By route and status class. The last row counts requests that match no route.
    requests: Vec<[Counter; CLASSES.len()]>,
    /// The times of each row, which shares them with the other routes of its class.
    latencies: Vec<Arc<Latency>>,
    /// By problem, in the order of [`ProblemKind::ALL`].
    problems: Vec<Counter>,
    pub(super) in_flight: Gauge,
}

impl Metrics {
    /// Registers counters for the routes with these patterns and classes, in this order.
    pub(super) fn new(
        routes: impl Iterator<Item = (&'static str, &'static str)>,
        shared: &Handle,
        clock: &SharedClock,
        cuts: &Cuts,
        log: Option<Arc<dyn AccessLog>>,
    ) -> Self {
        let mut registry = Registry::with_prefix("tidegate");
        let requests = Family::<Labels<2>, Counter>::default();
        registry.register("requests", "Requests by route and status class", requests.clone());
        let problems = Family::<Labels<1>, Counter>::default();
        registry.register("problems", "Refused requests by problem kind", problems.clone());
        let in_flight = Gauge::default();
        registry.register("requests_in_flight", "Requests in flight", in_flight.clone());
        let cut = "Connections cut because their request arrived too slowly";
        registry.register("connections_cut_slow_request", cut, cuts.slow_request.clone());
        let cut = "Connections cut because the client did not read its reply";
        registry.register("connections_cut_stalled_reader", cut, cuts.stalled_reader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the server", build);
        let (shared, clock) = (Arc::clone(shared), Arc::clone(clock));
        registry.register_collector(Box::new(Figures { shared, clock, log }));
        let (mut patterns, mut classes): (Vec<_>, Vec<_>) = routes.unzip();
        patterns.push(NO_ROUTE);
        classes.push(NO_ROUTE);
        let mut by_class = BTreeMap::<&str, Arc<Latency>>::new();
        let latencies = classes.iter().map(|class| Arc::clone(by_class.entry(class).or_default())).collect();
        registry.register_collector(Box::new(Latencies(by_class)));

        let by_status =
            |route| CLASSES.map(|class| requests.get_or_create_owned(&[("route", route), ("status", class)]));
        let requests = patterns.into_iter().map(by_status).collect();
        let by_kind = |kind: &ProblemKind| problems.get_or_create_owned(&[("kind", kind.as_str())]);
        let problems = ProblemKind::ALL.iter().map(by_kind).collect();
        Self { registry, requests, latencies, problems, in_flight }
    }

    /// Counts one reply. `route` is the index of its route in the table.
    pub(super) fn count(
        &self,
        route: Option<usize>,
        status: StatusCode,
        problem: Option<ProblemKind>,
        took: Duration,
    ) {
        let row = route.unwrap_or(self.requests.len() - 1);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.requests.get(row).and_then(|row| row.get(class)) {
            counter.inc();
        }
        if let Some(latency) = self.latencies.get(row) {
            latency.observe(took);
        }
        if let Some(counter) = problem.and_then(|kind| self.problems.get(kind as usize)) {
            counter.inc();
        }
    }

    /// Returns all metrics as text, for one scrape.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Gauges about the promoter and the publication, computed at each scrape.
struct Figures {
    shared: Handle,
    clock: SharedClock,
    log: Option<Arc<dyn AccessLog>>,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.shared.now(&*self.clock);
        let status = self.shared.status.load();
        let publication = self.shared.publication.load();
        let seconds = Some(&Unit::Seconds);

        let oldest = status.oldest_overdue.map_or(0, |since| (now - since).num_seconds());
        let mut gauges = vec![
            ("promotions_overdue", "Promotions that are overdue", None, figure(status.overdue)),
            ("oldest_overdue", "How long the oldest overdue promotion has been overdue", seconds, oldest),
            ("promoting", "Whether this server promotes releases", None, status.promoting.into()),
        ];
        gauges.extend(status.last_good_read.map(|read| {
            let help = "When the catalog was last read without a fault, in seconds since 1970";
            ("last_good_read_timestamp", help, seconds, read.timestamp())
        }));
        gauges.extend(publication.as_deref().map(|publication| {
            ("publication_version", "The version of the publication", None, figure(publication.version))
        }));
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)?;
        }

        let lost = ConstCounter::new(self.log.as_ref().map_or(0, |log| log.lost()));
        let help = "Lines that could not be written to the log";
        lost.encode(encoder.encode_descriptor("log_lines_lost", help, None, lost.metric_type())?)?;

        let decisions = [
            ([("state", "promote")], figure(status.promote)),
            ([("state", "wait")], figure(status.wait)),
            ([("state", "blocked")], figure(status.blocked)),
        ];
        family(&mut encoder, "decisions", "Decisions by state", None, decisions)?;
        let degraded = DegradedKind::ALL.iter().map(|&kind| {
            let degraded = status.degraded.iter().any(|degraded| degraded.kind() == kind);
            ([("kind", kind.as_str())], degraded.into())
        });
        family(&mut encoder, "degraded", "Problems that do not stop the server", None, degraded)?;
        if let Some(publication) = publication.as_deref() {
            let roles = status.expiries.iter().filter(|(role, _)| role != PUBLICATION);
            let roles = roles.map(|(role, expires)| (role.as_str(), *expires));
            let all = std::iter::once((PUBLICATION, publication.expires)).chain(roles);
            let all = all.map(|(role, expires)| ([("document", role)], (expires - now).num_seconds()));
            family(&mut encoder, "expires_in", "Time until a signed document expires", seconds, all)?;
        }
        Ok(())
    }
}

/// The times of requests, by class.
#[derive(Debug)]
struct Latencies(BTreeMap<&'static str, Arc<Latency>>);

impl Collector for Latencies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (help, seconds) =
            ("How long requests took until their reply could be sent", Some(&Unit::Seconds));
        let mut metric =
            encoder.encode_descriptor("http_request_duration", help, seconds, MetricType::Histogram)?;
        for (class, latency) in &self.0 {
            let labels = [("class", *class)];
            latency.encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Encodes one gauge with a value for each set of labels.
fn family<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    values: impl IntoIterator<Item = (L, i64)>,
) -> Result<(), fmt::Error> {
    let kind = ConstGauge::new(0_i64).metric_type();
    let mut metric = encoder.encode_descriptor(name, help, unit, kind)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn figure(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

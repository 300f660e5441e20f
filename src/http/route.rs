//! Every route of the server, in one table.

use actix_web::HttpResponse;

use super::ask::Ask;
use super::problem::{Problem, ProblemKind};
use super::{channels, health, metrics, openapi, payloads, promotions, releases, tuf, update};

/// A route: what is asked for, whichever channel or release it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Update,
    Channel,
    Channels,
    Release,
    Explain,
    Promotions,
    Payload,
    TufMetadata,
    TufTarget,
    Healthz,
    Readyz,
    Metrics,
    Openapi,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 13] = [
        Self::Update,
        Self::Channel,
        Self::Channels,
        Self::Release,
        Self::Explain,
        Self::Promotions,
        Self::Payload,
        Self::TufMetadata,
        Self::TufTarget,
        Self::Healthz,
        Self::Readyz,
        Self::Metrics,
        Self::Openapi,
    ];

    /// The path, with what varies in braces. It is also the route's label in the metrics.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Update => "/v1/channels/{channel}/update",
            Self::Channel => "/v1/channels/{channel}",
            Self::Channels => "/v1/channels",
            Self::Release => "/v1/releases/{version}",
            Self::Explain => "/v1/releases/{version}/explain",
            Self::Promotions => "/v1/promotions",
            Self::Payload => "/v1/payloads/{version}/{file}",
            Self::TufMetadata => "/tuf/metadata/{file}",
            Self::TufTarget => "/tuf/targets/{file}",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::Openapi => "/openapi.json",
        }
    }

    /// The route of a path, with the names that stand for its braces as they were sent. Nothing is
    /// decoded before the path is cut, so that no escape can move a name to another segment.
    ///
    /// actix-web's own router tries the pattern of every route in turn as a regular expression. With
    /// it the server answered a third fewer requests.
    #[must_use]
    pub fn find(path: &str) -> Option<(Self, [&str; 2])> {
        let mut segments = [""; 4];
        let mut count = 0;
        for segment in path.strip_prefix('/')?.split('/') {
            if segment.is_empty() {
                return None;
            }
            *segments.get_mut(count)? = segment;
            count += 1;
        }
        Some(match segments[..count] {
            ["v1", "channels", channel, "update"] => (Self::Update, [channel, ""]),
            ["v1", "channels", channel] => (Self::Channel, [channel, ""]),
            ["v1", "channels"] => (Self::Channels, ["", ""]),
            ["v1", "releases", version] => (Self::Release, [version, ""]),
            ["v1", "releases", version, "explain"] => (Self::Explain, [version, ""]),
            ["v1", "promotions"] => (Self::Promotions, ["", ""]),
            ["v1", "payloads", version, file] => (Self::Payload, [version, file]),
            ["tuf", "metadata", file] => (Self::TufMetadata, ["", file]),
            ["tuf", "targets", file] => (Self::TufTarget, ["", file]),
            ["healthz"] => (Self::Healthz, ["", ""]),
            ["readyz"] => (Self::Readyz, ["", ""]),
            ["metrics"] => (Self::Metrics, ["", ""]),
            ["openapi.json"] => (Self::Openapi, ["", ""]),
            _ => return None,
        })
    }

    /// Answers a request for this route.
    ///
    /// # Errors
    /// Whatever is in [`Route::problems`].
    pub async fn answer(self, ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
        match self {
            Self::Update => update::get(ask),
            Self::Channel => channels::one(ask),
            Self::Channels => channels::list(ask),
            Self::Release => releases::manifest(ask),
            Self::Explain => releases::explain(ask),
            Self::Promotions => promotions::list(ask),
            Self::Payload => payloads::get(ask).await,
            Self::TufMetadata => tuf::metadata(ask),
            Self::TufTarget => tuf::target(ask).await,
            Self::Healthz => Ok(health::alive()),
            Self::Readyz => Ok(health::ready(ask)),
            Self::Metrics => Ok(metrics::get(ask)),
            Self::Openapi => openapi::get(ask),
        }
    }

    /// What may go wrong here, beyond what may go wrong anywhere.
    #[must_use]
    pub const fn problems(self) -> &'static [ProblemKind] {
        use ProblemKind as Kind;
        match self {
            Self::Update => &[
                Kind::BadEncoding,
                Kind::MissingVersion,
                Kind::BadVersion,
                Kind::DuplicateParameter,
                Kind::UnknownChannel,
                Kind::NotAcceptable,
                Kind::NotPublished,
                Kind::Expired,
            ],
            Self::Channel => {
                &[Kind::BadEncoding, Kind::UnknownChannel, Kind::NotAcceptable, Kind::NotPublished]
            }
            Self::Channels | Self::Promotions => &[Kind::NotAcceptable, Kind::NotPublished],
            Self::Release => &[
                Kind::BadEncoding,
                Kind::BadVersion,
                Kind::UnknownRelease,
                Kind::UnsignedRelease,
                Kind::WaitingRelease,
                Kind::NotAcceptable,
                Kind::NotPublished,
            ],
            Self::Explain => &[
                Kind::BadEncoding,
                Kind::BadVersion,
                Kind::UnknownRelease,
                Kind::NotAcceptable,
                Kind::NotPublished,
            ],
            Self::Payload => &[
                Kind::BadEncoding,
                Kind::BadVersion,
                Kind::UnknownRelease,
                Kind::UnknownFile,
                Kind::PayloadWithdrawn,
                Kind::RangeNotSatisfiable,
                Kind::PayloadUnavailable,
                Kind::NotPublished,
            ],
            Self::TufMetadata => {
                &[Kind::BadEncoding, Kind::UnknownFile, Kind::NotAcceptable, Kind::NotPublished]
            }
            Self::TufTarget => &[
                Kind::BadEncoding,
                Kind::UnknownFile,
                Kind::NotAcceptable,
                Kind::RangeNotSatisfiable,
                Kind::PayloadUnavailable,
                Kind::NotPublished,
            ],
            Self::Openapi => &[Kind::NotAcceptable],
            Self::Healthz | Self::Readyz | Self::Metrics => &[],
        }
    }

    /// What may go wrong anywhere.
    pub const COMMON_PROBLEMS: [ProblemKind; 4] = [
        ProblemKind::MethodNotAllowed,
        ProblemKind::BodyRefused,
        ProblemKind::UriTooLong,
        ProblemKind::HeadTooLarge,
    ];
}

/// Which routes a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routes {
    All,
    /// All but the operator's.
    Public,
    /// The operator's, and those of probes.
    Admin,
}

impl Routes {
    /// Whether the listener has the route.
    #[must_use]
    pub const fn has(self, route: Route) -> bool {
        match route {
            Route::Healthz | Route::Readyz => true,
            Route::Metrics => !matches!(self, Self::Public),
            _ => !matches!(self, Self::Admin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_pattern() {
        for (i, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(Route::find(route.pattern()).map(|(found, _)| found), Some(route));
            assert_eq!(route as usize, i, "the order of `ALL` is the order of the counters");
        }
    }

    #[test]
    fn a_path_is_cut_at_its_slashes_and_nowhere_else() {
        let path = "/v1/payloads/a%2Fb/..";
        assert_eq!(Route::find(path), Some((Route::Payload, ["a%2Fb", ".."])));
        for path in [
            "",
            "/",
            "*",
            "v1/channels",
            "//v1/channels",
            "/v1/channels/",
            "/v1//channels",
            "/v1/channels/a/b",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
        assert_eq!(Route::find("/v1/payloads/1/a/b"), None);
    }
}

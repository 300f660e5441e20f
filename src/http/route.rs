//! Every route of the server, in one table.

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, guard, web};

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

/// The routes for everybody. The hottest come first, since the first that fits is taken.
pub fn public(app: &mut web::ServiceConfig) {
    app.service(resource(Route::Update, update::get))
        .service(resource(Route::Channel, channels::one))
        .service(resource(Route::Channels, channels::list))
        .service(resource(Route::TufMetadata, tuf::metadata))
        .service(resource(Route::TufTarget, tuf::target))
        .service(resource(Route::Release, releases::manifest))
        .service(resource(Route::Explain, releases::explain))
        .service(resource(Route::Payload, payloads::get))
        .service(resource(Route::Promotions, promotions::list))
        .service(resource(Route::Openapi, openapi::get));
    health(app);
}

/// The routes of the operator: these alone when they have a listener of their own.
pub fn admin(app: &mut web::ServiceConfig) {
    app.service(resource(Route::Metrics, metrics::get));
}

/// The routes of probes, on either listener.
pub fn health(app: &mut web::ServiceConfig) {
    app.service(resource(Route::Healthz, health::alive)).service(resource(Route::Readyz, health::ready));
}

/// Answers every other path.
///
/// # Errors
/// Always.
pub async fn unknown(request: HttpRequest) -> Result<&'static str, Problem> {
    let detail = format!("there is nothing at `{}`", request.uri().path());
    Err(Problem::new(ProblemKind::UnknownRoute, detail).hint("see `/openapi.json` for what there is"))
}

/// A route's resource. It carries its [`Route`] for whoever counts.
fn resource<F, Args>(route: Route, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reads = guard::fn_guard(|context| matches!(context.head().method, Method::GET | Method::HEAD));
    web::resource(route.pattern())
        .app_data(route)
        .route(web::route().guard(reads).to(handler))
        .default_service(web::to(not_allowed))
}

async fn not_allowed(request: HttpRequest) -> Result<&'static str, Problem> {
    let detail = format!("`{}` is not allowed here", request.method());
    Err(Problem::new(ProblemKind::MethodNotAllowed, detail).hint("use `GET` or `HEAD`"))
}

//! What handlers take from a request, parsed at the edge.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use arc_swap::Guard;

use super::problem::{Problem, ProblemKind};
use super::state::State;
use super::url;
use crate::domain::channel::ChannelName;
use crate::domain::version::{Version, VersionError};
use crate::domain::{Time, rfc3339};
use crate::publish::Publication;

/// The publication that is served now. A request holds on to one, so that all of its reply is from
/// one state of the catalog.
pub struct Current {
    publication: Guard<Option<Arc<Publication>>>,
}

impl Deref for Current {
    type Target = Publication;

    fn deref(&self) -> &Publication {
        self.publication.as_deref().expect("it was there when the request was parsed")
    }
}

impl Current {
    /// Refuses a publication that has expired. Signed documents are served on, since clients see
    /// for themselves that they are expired; advice that nobody can check is not.
    ///
    /// # Errors
    /// When it has expired at `now`.
    pub fn unexpired(&self, now: Time) -> Result<&Publication, Problem> {
        if now < self.expires {
            return Ok(self);
        }
        let detail = format!("what is published expired at `{}`", rfc3339(self.expires));
        Err(Problem::new(ProblemKind::Expired, detail)
            .hint("ask the server's operator why it is not renewed"))
    }
}

impl FromRequest for Current {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<State>>().expect("every app has the state");
        let publication = state.shared.publication.load();
        if publication.is_some() {
            return ready(Ok(Self { publication }));
        }
        let problem = Problem::new(ProblemKind::NotPublished, "the server has not published anything yet");
        ready(Err(problem.hint("ask again; `/readyz` tells what it waits for")))
    }
}

/// The channel in `/v1/channels/{channel}…`; a name that no channel can have is kept as text.
pub struct AskedChannel(pub Result<ChannelName, String>);

impl FromRequest for AskedChannel {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            segment(request, 2)
                .map(|text| Self(ChannelName::parse_any_case(&text).map_err(|_| text.into_owned()))),
        )
    }
}

/// The version in `/v1/releases/{version}…` and `/v1/payloads/{version}/{file}`.
pub struct AskedVersion(pub Version);

impl FromRequest for AskedVersion {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let version = |text: Cow<'_, str>| Version::parse(&text).map_err(|e| bad_version(&e));
        ready(segment(request, 2).and_then(version).map(Self))
    }
}

/// The text is not a version.
pub(super) fn bad_version(error: &VersionError) -> Problem {
    Problem::new(ProblemKind::BadVersion, error.to_string()).hint("a version looks like `1.8.4-tectonic.1`")
}

/// A segment of the path as it was sent, decoded. Taken from the URL itself: the router decodes
/// some escapes on its way and not others.
pub(super) fn segment(request: &HttpRequest, place: usize) -> Result<Cow<'_, str>, Problem> {
    url::segment(request.uri().path().split('/').nth(place + 1).unwrap_or_default())
}

//! A request, and what handlers read from it, parsed at the edge.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::HttpRequest;
use arc_swap::Guard;
use bytes::Bytes;

use super::problem::{Problem, ProblemKind};
use super::state::State;
use super::url;
use crate::domain::channel::ChannelName;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::publish::Publication;

/// One request.
pub struct Ask<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) state: &'a State,
    /// The request's id, for log lines about it.
    pub(super) id: &'a str,
    /// The names in the path, in the order of the route's pattern, as the client sent them.
    pub(super) names: [&'a str; 2],
    /// The request's body; empty where the route takes none.
    #[cfg_attr(not(test), expect(dead_code, reason = "no route takes a body yet"))]
    pub(super) body: Bytes,
}

impl Ask<'_> {
    /// The publication being served.
    ///
    /// # Errors
    /// Before the first publication.
    pub fn current(&self) -> Result<Current, Problem> {
        let publication = self.state.shared.publication.load();
        if publication.is_some() {
            return Ok(Current { publication });
        }
        let problem = Problem::new(ProblemKind::NotPublished, "the server has not published anything yet");
        Err(problem.hint("retry later; `/readyz` says why the server is not ready"))
    }

    /// The channel in `/v1/channels/{channel}…`, or the text if no channel can have such a name.
    ///
    /// # Errors
    /// When it is badly encoded.
    pub fn channel(&self) -> Result<Result<ChannelName, String>, Problem> {
        let text = url::segment(self.names[0])?;
        Ok(ChannelName::parse_any_case(&text).map_err(|_| text.into_owned()))
    }

    /// The version in `/v1/releases/{version}…` and `/v1/payloads/{version}/{file}`.
    ///
    /// # Errors
    /// When it is badly encoded or not a version.
    pub fn version(&self) -> Result<Version, Problem> {
        Ok(Version::parse(&url::segment(self.names[0])?)?)
    }

    /// The file in `/tuf/…/{file}`.
    ///
    /// # Errors
    /// When it is badly encoded.
    pub fn file(&self) -> Result<Cow<'_, str>, Problem> {
        url::segment(self.names[0])
    }

    /// The file in `/v1/payloads/{version}/{file}`.
    ///
    /// # Errors
    /// When it is badly encoded.
    pub fn payload_file(&self) -> Result<Cow<'_, str>, Problem> {
        url::segment(self.names[1])
    }
}

/// The publication that is served now. A request holds one publication until it is answered, so the whole
/// reply is from one state of the catalog.
pub struct Current {
    publication: Guard<Option<Arc<Publication>>>,
}

impl Deref for Current {
    type Target = Publication;

    fn deref(&self) -> &Publication {
        self.publication.as_deref().expect("`Ask::current` has checked that there is one")
    }
}

impl Current {
    /// Refuses advice from a publication that has expired: a client cannot check it. Signed documents are
    /// still served, since clients see for themselves that they have expired.
    ///
    /// # Errors
    /// When it has expired by `now`.
    pub fn unexpired(&self, now: Time) -> Result<&Publication, Problem> {
        if now < self.expires {
            return Ok(self);
        }
        let detail = format!("the publication expired at `{}`", rfc3339(self.expires));
        Err(Problem::new(ProblemKind::Expired, detail)
            .hint("ask the server's operator why it has not been renewed"))
    }
}

//! A request, and accessors that parse its parts for handlers.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::http::uri::PathAndQuery;
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::Guard;
use bytes::Bytes;

use super::listener::Listener;
use super::problem::{Problem, ProblemKind};
use super::recent::Recent;
use super::reply::Answer;
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
    /// What the worker has answered lately.
    pub(super) recent: &'a Recent,
    /// The request's id, for log messages about the request.
    pub(super) id: &'a str,
    /// Which routes the request's listener serves.
    pub(super) listener: Listener,
    /// The path segments that match the placeholders of the route's pattern, in order, still
    /// percent-encoded.
    pub(super) names: [&'a str; 2],
    /// The request's body; empty if the route takes none.
    #[cfg_attr(not(test), expect(dead_code, reason = "no route takes a body yet"))]
    pub(super) body: Bytes,
}

/// Finds the document that answers a request.
pub type Find = for<'p> fn(&Ask<'_>, &'p Publication) -> Result<Answer<'p>, Problem>;

impl Ask<'_> {
    /// Replies with the document that `find` finds for this path and query.
    ///
    /// # Errors
    /// Those of `find`, and when the client accepts none of the document's encodings.
    pub fn reply(&self, current: &Current, find: Find) -> Result<HttpResponse, Problem> {
        let asked = self.request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        self.recent.reply((current, asked), |publication| find(self, publication), self.request)
    }

    /// The publication being served.
    ///
    /// # Errors
    /// When nothing has been published yet.
    pub fn current(&self) -> Result<Current, Problem> {
        let publication = self.state.shared.publication.load();
        if publication.is_some() {
            return Ok(Current { publication });
        }
        let problem = Problem::new(ProblemKind::NotPublished, "the server has not published anything yet");
        Err(problem.hint("retry later; `/readyz` says why the server is not ready"))
    }

    /// The channel in `/v1/channels/{channel}…`, or the decoded segment if it is not a valid channel name.
    ///
    /// # Errors
    /// When the path segment is badly encoded.
    pub fn channel(&self) -> Result<Result<ChannelName, String>, Problem> {
        let text = url::segment(self.names[0])?;
        Ok(ChannelName::parse_any_case(&text).map_err(|_| text.into_owned()))
    }

    /// The version in `/v1/releases/{version}…` and `/v1/payloads/{version}/{file}`.
    ///
    /// # Errors
    /// When the path segment is badly encoded or not a version.
    pub fn version(&self) -> Result<Version, Problem> {
        Ok(Version::parse(&url::segment(self.names[0])?)?)
    }

    /// The file in `/tuf/…/{file}`.
    ///
    /// # Errors
    /// When the path segment is badly encoded.
    pub fn file(&self) -> Result<Cow<'_, str>, Problem> {
        url::segment(self.names[0])
    }

    /// The file in `/v1/payloads/{version}/{file}`.
    ///
    /// # Errors
    /// When the path segment is badly encoded.
    pub fn payload_file(&self) -> Result<Cow<'_, str>, Problem> {
        url::segment(self.names[1])
    }
}

/// The publication that answers a request. The request holds on to it, so that the whole reply comes from
/// one publication even if a new one is swapped in meanwhile.
pub struct Current {
    publication: Guard<Option<Arc<Publication>>>,
}

impl Deref for Current {
    type Target = Arc<Publication>;

    fn deref(&self) -> &Arc<Publication> {
        self.publication.as_ref().expect("`Ask::current` has checked that there is one")
    }
}

impl Current {
    /// Checks that the publication has not expired. Advice is not signed, so a client cannot see that it
    /// is out of date. Signed documents are still served, because clients check their expiry themselves.
    ///
    /// # Errors
    /// When the publication has expired by `now`.
    pub fn check_expiry(&self, now: Time) -> Result<(), Problem> {
        if now < self.expires {
            return Ok(());
        }
        let detail = format!("the publication expired at `{}`", rfc3339(self.expires));
        Err(Problem::new(ProblemKind::Expired, detail)
            .hint("ask the server's operator why it has not been renewed"))
    }
}

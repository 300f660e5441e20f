//! What is asked: a request, and what handlers take from it, parsed at the edge.

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
use crate::domain::version::{Version, VersionError};
use crate::domain::{Time, rfc3339};
use crate::publish::Publication;

/// One request, with the names in its path as they were sent.
pub struct Ask<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) state: &'a State,
    /// The request's id, for whatever is logged about it.
    pub(super) id: &'a str,
    /// What stands for the braces of the route's pattern, in their order.
    pub(super) names: [&'a str; 2],
    /// The request's body; empty where the route takes none.
    #[cfg_attr(not(test), expect(dead_code, reason = "no route takes a body yet"))]
    pub(super) body: Bytes,
}

impl Ask<'_> {
    /// The publication that is served now.
    ///
    /// # Errors
    /// Before the first one.
    pub fn current(&self) -> Result<Current, Problem> {
        let publication = self.state.shared.publication.load();
        if publication.is_some() {
            return Ok(Current { publication });
        }
        let problem = Problem::new(ProblemKind::NotPublished, "the server has not published anything yet");
        Err(problem.hint("ask again; `/readyz` tells what it waits for"))
    }

    /// The channel in `/v1/channels/{channel}…`; a name that no channel can have is given back as
    /// the text that it is.
    ///
    /// # Errors
    /// When it is not well encoded.
    pub fn channel(&self) -> Result<Result<ChannelName, String>, Problem> {
        let text = url::segment(self.names[0])?;
        Ok(ChannelName::parse_any_case(&text).map_err(|_| text.into_owned()))
    }

    /// The version in `/v1/releases/{version}…` and `/v1/payloads/{version}/{file}`.
    ///
    /// # Errors
    /// When it is not well encoded, or not a version.
    pub fn version(&self) -> Result<Version, Problem> {
        Version::parse(&url::segment(self.names[0])?).map_err(|error| bad_version(&error))
    }

    /// The file below `/tuf/`.
    ///
    /// # Errors
    /// When it is not well encoded.
    pub fn file(&self) -> Result<Cow<'_, str>, Problem> {
        url::segment(self.names[0])
    }

    /// The file in `/v1/payloads/{version}/{file}`.
    ///
    /// # Errors
    /// When it is not well encoded.
    pub fn payload_file(&self) -> Result<Cow<'_, str>, Problem> {
        url::segment(self.names[1])
    }
}

/// The publication that is served now. A request holds on to one, so that all of its reply is from
/// one state of the catalog.
pub struct Current {
    publication: Guard<Option<Arc<Publication>>>,
}

impl Deref for Current {
    type Target = Publication;

    fn deref(&self) -> &Publication {
        self.publication.as_deref().expect("it was there when it was taken")
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

/// The text is not a version.
pub(super) fn bad_version(error: &VersionError) -> Problem {
    Problem::new(ProblemKind::BadVersion, error.to_string()).hint("a version looks like `1.8.4-tectonic.1`")
}

//! The answers that a worker has given since the last publication.
//!
//! Most clusters ask the same few questions. What such a question names is parsed and looked up once, and so is the
//! `ETag` of its answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use actix_web::{HttpRequest, HttpResponse};

use super::limits::{MAX_RECENT, RECENT};
use super::problem::Problem;
use super::reply::{Answer, Cache, Prepared};
use crate::publish::Publication;

/// The answers of one publication, by what was asked: the path and the query, as the client spelt them.
#[derive(Debug, Default)]
pub struct Recent(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The publication that the answers are from. To hold on to it would keep it in memory until somebody asks this
    /// worker again.
    of: Weak<Publication>,
    answers: HashMap<Box<str>, Prepared>,
}

impl Recent {
    /// Replies to a request with what `find` finds for it, or with what it has found for the same question before. So
    /// what it finds must not depend on anything but the publication and the question.
    ///
    /// # Errors
    /// Those of `find`, and when the client accepts none of the document's encodings.
    pub fn reply<'p>(
        &self,
        (publication, asked): (&'p Arc<Publication>, &str),
        find: impl FnOnce(&'p Publication) -> Result<Answer<'p>, Problem>,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Problem> {
        let Known { of, answers } = &mut *self.0.borrow_mut();
        if of.as_ptr() != Arc::as_ptr(publication) {
            *of = Arc::downgrade(publication);
            answers.clear();
        }
        if let Some(known) = answers.get(asked) {
            return known.reply(request);
        }
        let answer = find(publication)?;
        // Nobody else asks for what is for one cluster.
        let is_kept = answer.1 != Cache::Private && asked.len() <= MAX_RECENT;
        let prepared = Prepared::new(answer);
        let reply = prepared.reply(request);
        if is_kept {
            if answers.len() >= RECENT {
                answers.clear();
            }
            answers.insert(asked.into(), prepared);
        }
        reply
    }

    /// Forgets the answers of a publication that was replaced. They share its memory, and nobody may ever ask this
    /// worker again.
    pub fn forget_replaced(&self) {
        let mut known = self.0.borrow_mut();
        if known.of.strong_count() == 0 {
            *known = Known::default();
        }
    }
}

//! Routes, and finding the route for a path.

use std::pin::Pin;

use actix_web::HttpResponse;
use actix_web::http::Method;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use super::ask::{Ask, Find};
use super::listener::Listener;
use super::problem::{Problem, ProblemKind};

/// One row of the table of routes.
#[derive(Debug)]
pub struct Route {
    /// The path, with names in braces. It is also the route's label in the metrics.
    pub pattern: &'static str,
    pub methods: &'static [Method],
    /// The largest request body in bytes. 0 means that a request must not have a body.
    pub body: usize,
    pub listener: Listener,
    pub handler: Handler,
    /// The problems that the handler can return. [`Route::all_problems`] adds those that follow from the
    /// other fields.
    pub problems: &'static [ProblemKind],
    /// The operation's id in `/openapi.json`. Generated clients name their methods after it.
    pub id: &'static str,
    pub tag: &'static str,
    pub title: &'static str,
    pub text: &'static str,
    /// The names in the pattern, and the query parameters.
    pub parameters: &'static [Parameter],
    pub answer: Content,
    /// The statuses that return this content, and what they mean.
    pub statuses: &'static [(u16, &'static str)],
}

type Answered = Result<HttpResponse, Problem>;

/// The function that answers a request.
#[derive(Debug, Clone, Copy)]
pub enum Handler {
    /// A handler that finds a document by the path and the query alone.
    Document(Find),
    /// The same for advice. It is not signed, so it is refused once the publication has expired.
    Advice(Find),
    /// A handler that only looks things up in memory.
    Now(fn(&Ask<'_>) -> Answered),
    /// A handler that reads a file.
    Later(for<'a> fn(&'a Ask<'a>) -> Pin<Box<dyn Future<Output = Answered> + 'a>>),
}

/// A name in a pattern, or a query parameter.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub text: &'static str,
    /// The form of the values that exist, if they have one. Any other value is answered with a problem.
    pub form: Option<Form>,
    pub example: Option<&'static str>,
    pub required: bool,
}

/// The form of a text.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// A regular expression for the whole text (ECMA-262).
    pub pattern: &'static str,
    /// The largest length in characters, all of which are ASCII.
    pub most: usize,
}

/// What an answer contains.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// A document made at publication, with a tag for each encoding.
    Document(Described),
    /// A page of the console, or what belongs to it.
    Page,
    /// A file that never changes. Clients can ask for a part of it.
    File,
    /// Content that is made for each request, and not cached.
    Fresh { media: &'static str, schema: Described },
}

/// A schema, and the schemas that it refers to.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    pub schema: fn() -> RefOr<Schema>,
    pub parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Described {
    /// The schema of a type, referred to by the type's name.
    pub const fn of<T: utoipa::ToSchema>() -> Self {
        Self {
            schema: || utoipa::openapi::Ref::from_schema_name(T::name()).into(),
            parts: |parts| {
                parts.push((T::name().into_owned(), T::schema()));
                T::schemas(parts);
            },
        }
    }

    /// The schema of a plain type, inlined where it is used.
    pub const fn plain<T: PartialSchema>() -> Self {
        Self { schema: T::schema, parts: |_| {} }
    }
}

impl Route {
    /// Returns every problem that a request for this route can result in.
    pub fn all_problems(&self) -> impl Iterator<Item = ProblemKind> {
        use ProblemKind as Kind;
        let body = if self.body == 0 { Kind::BodyRefused } else { Kind::BodyTooLarge };
        let always = [Kind::MethodNotAllowed, body, Kind::UriTooLong, Kind::HeadTooLarge];
        let by_row = [
            (self.pattern.contains('{'), Kind::BadEncoding),
            (self.pattern.contains("{version}"), Kind::BadVersion),
            (matches!(self.answer, Content::Document(_)), Kind::NotAcceptable),
        ];
        let by_row = by_row.into_iter().filter_map(|(applies, kind)| applies.then_some(kind));
        always.into_iter().chain(by_row).chain(self.problems.iter().copied())
    }

    /// Whether the answer is a page of the console.
    pub const fn is_page(&self) -> bool {
        matches!(self.answer, Content::Page)
    }

    /// Answers a request for this route.
    ///
    /// # Errors
    /// One of [`Route::all_problems`].
    pub async fn answer(&self, ask: &Ask<'_>) -> Answered {
        match self.handler {
            Handler::Document(find) => ask.reply(&ask.current()?, find),
            Handler::Advice(find) => {
                let current = ask.current()?;
                current.check_expiry(ask.state.now())?;
                ask.reply(&current, find)
            }
            Handler::Now(handler) => handler(ask),
            Handler::Later(handler) => handler(ask).await,
        }
    }
}

/// The largest number of names in a pattern.
const NAMES: usize = 2;

/// The route for a path, with the segments that fill the names in its pattern, still percent-encoded.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub route: &'static Route,
    /// The route's index in the table.
    pub place: usize,
    pub names: [&'a str; NAMES],
}

/// Finds the route for a path.
///
/// actix-web's own router tries every route's pattern in turn as a regular expression, which made the
/// server a third slower.
pub fn find<'a>(routes: &'static [Route], path: &'a str) -> Option<Found<'a>> {
    routes.iter().enumerate().find_map(|(place, route)| {
        let names = names(route.pattern, path)?;
        Some(Found { route, place, names })
    })
}

/// Returns the segments that fill the names in a pattern, if the path matches it. The path is split before
/// anything is decoded, so an escaped slash cannot move a name to another segment.
fn names<'a>(pattern: &str, path: &'a str) -> Option<[&'a str; NAMES]> {
    let mut names = [""; NAMES];
    let (mut pattern, mut path) = (pattern, path);
    for name in &mut names {
        // Most patterns differ from a path in their first bytes, so they are compared before anything is searched for.
        let same =
            pattern.bytes().zip(path.bytes()).take_while(|(own, asked)| own == asked && *own != b'{').count();
        let Some(after) = pattern[same..].strip_prefix('{') else { break };
        let end = |text: &str, byte| text.bytes().position(|other| other == byte);
        let rest = &path[same..];
        (*name, path) = rest.split_at(end(rest, b'/').unwrap_or(rest.len()));
        pattern = &after[end(after, b'}')? + 1..];
        if name.is_empty() {
            return None;
        }
    }
    (pattern == path).then_some(names)
}

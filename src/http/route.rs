//! What a route is, and how the one for a path is found.

use std::pin::Pin;

use actix_web::HttpResponse;
use actix_web::http::Method;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use super::ask::Ask;
use super::problem::{Problem, ProblemKind};

/// One row of the table of routes.
#[derive(Debug)]
pub struct Route {
    /// The path, with what varies in braces. It is also the route's label in the metrics.
    pub pattern: &'static str,
    pub methods: &'static [Method],
    /// The largest body that a request may have, in bytes. With 0 it must have none.
    pub body: usize,
    pub listener: Listener,
    pub handler: Handler,
    /// What may go wrong here, beyond what may go wrong [anywhere](Route::any_problems).
    pub problems: &'static [ProblemKind],
    /// The operation's id in `/openapi.json`, which is also the name of a generated client's method.
    pub id: &'static str,
    pub tag: &'static str,
    pub title: &'static str,
    pub text: &'static str,
    /// The names in the pattern and the parameters of the query.
    pub parameters: &'static [Parameter],
    pub answer: Content,
    /// The statuses with this content, and what they mean.
    pub statuses: &'static [(u16, &'static str)],
}

/// Which listener has a route, where the operator has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    Public,
    Admin,
    Both,
}

type Answered = Result<HttpResponse, Problem>;

/// What answers a request.
#[derive(Debug, Clone, Copy)]
pub enum Handler {
    /// A lookup and a write.
    Now(fn(&Ask<'_>) -> Answered),
    /// One that reads a file.
    Later(for<'a> fn(&'a Ask<'a>) -> Pin<Box<dyn Future<Output = Answered> + 'a>>),
}

/// A name in a pattern, or a parameter of the query.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub text: &'static str,
    pub example: Option<&'static str>,
    pub required: bool,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// A document that was made at publication: it has a tag for each of its encodings.
    Document(Described),
    /// A file that never changes, in parts where that is asked for.
    File,
    /// Made for each request, and kept by nobody.
    Fresh { media: &'static str, schema: Described },
}

/// A schema, and those that it refers to.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    pub schema: fn() -> RefOr<Schema>,
    pub parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Described {
    /// As a type describes itself, under its own name.
    #[must_use]
    pub const fn of<T: utoipa::ToSchema>() -> Self {
        Self {
            schema: || utoipa::openapi::Ref::from_schema_name(T::name()).into(),
            parts: |parts| {
                parts.push((T::name().into_owned(), T::schema()));
                T::schemas(parts);
            },
        }
    }

    /// As a plain type describes itself where it is used.
    #[must_use]
    pub const fn plain<T: PartialSchema>() -> Self {
        Self { schema: T::schema, parts: |_| {} }
    }
}

impl Route {
    /// What may go wrong anywhere, with requests as this route takes them.
    pub fn any_problems(&self) -> impl Iterator<Item = ProblemKind> {
        use ProblemKind as Kind;
        let body = if self.body == 0 { Kind::BodyRefused } else { Kind::BodyTooLarge };
        [Kind::MethodNotAllowed, body, Kind::UriTooLong, Kind::HeadTooLarge].into_iter()
    }

    /// Answers a request for this route.
    ///
    /// # Errors
    /// Whatever is in its `problems`.
    pub async fn answer(&self, ask: &Ask<'_>) -> Answered {
        match self.handler {
            Handler::Now(handler) => handler(ask),
            Handler::Later(handler) => handler(ask).await,
        }
    }
}

/// The most segments that a pattern has, and the most names.
const SEGMENTS: usize = 6;
const NAMES: usize = 2;

/// The routes of a server, ready to be searched.
///
/// actix-web's own router tries the pattern of every route in turn as a regular expression. With it the
/// server answered a third fewer requests.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    route: &'static Route,
    /// The pattern's segments: a word, or nothing where a name stands.
    segments: Vec<Option<&'static str>>,
}

/// A route that was found, with the names that stand for its braces as they were sent.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub route: &'static Route,
    /// The route's place in the table.
    pub place: usize,
    pub names: [&'a str; NAMES],
}

impl Table {
    /// Prepares a table.
    #[must_use]
    pub fn new(routes: &'static [Route]) -> Self {
        let row = |route: &'static Route| {
            let segments = route.pattern.split('/').skip(1);
            let word = |segment: &'static str| (!segment.starts_with('{')).then_some(segment);
            Row { route, segments: segments.map(word).collect() }
        };
        Self { rows: routes.iter().map(row).collect() }
    }

    /// The routes in the order of the table.
    pub fn routes(&self) -> impl Iterator<Item = &'static Route> {
        self.rows.iter().map(|row| row.route)
    }

    /// The route of a path. Nothing is decoded before the path is cut, so that no escape can move a name
    /// to another segment.
    #[must_use]
    pub fn find<'a>(&self, path: &'a str) -> Option<Found<'a>> {
        let mut segments = [""; SEGMENTS];
        let mut count = 0;
        for segment in path.strip_prefix('/')?.split('/') {
            if segment.is_empty() {
                return None;
            }
            *segments.get_mut(count)? = segment;
            count += 1;
        }
        let segments = &segments[..count];
        let fits = |row: &Row| {
            row.segments.len() == count
                && row
                    .segments
                    .iter()
                    .zip(segments)
                    .all(|(word, segment)| word.is_none_or(|word| word == *segment))
        };
        let place = self.rows.iter().position(fits)?;
        let row = &self.rows[place];
        let mut names = [""; NAMES];
        let given = row.segments.iter().zip(segments).filter(|(word, _)| word.is_none());
        for (name, (_, segment)) in names.iter_mut().zip(given) {
            *name = segment;
        }
        Some(Found { route: row.route, place, names })
    }
}

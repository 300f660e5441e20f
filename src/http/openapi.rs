//! `/openapi.json`: the interface, described from the table of routes that serves it.

use std::collections::BTreeMap;

use actix_web::http::Method;
use bytes::Bytes;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{
    Components, Content as Body, Info, Object, OpenApi, Paths, Ref, RefOr, Required, Response, Schema, Type,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::problem::{self, ProblemKind};
use super::route::{Content, Described, Route};
use crate::publish::Document;
use crate::publish::document::Media;

/// Where an operation lists the kinds of problem that a status stands for.
const KINDS: &str = "x-problem-kinds";

const DESCRIPTION: &str = "An update channel server. Errors are problem details (RFC 9457) with a stable `kind`. Documents have a strong `ETag` for each encoding.";

/// The document for these routes, as it is served.
pub fn document(routes: impl Iterator<Item = &'static Route>) -> Document {
    let text = describe(routes).to_json().unwrap_or_default();
    Document::new(Media::Json, Bytes::from(text))
}

fn describe(routes: impl Iterator<Item = &'static Route>) -> OpenApi {
    let mut api = OpenApi::new(Info::new("Tidegate", env!("CARGO_PKG_VERSION")), Paths::new());
    api.info.description = Some(DESCRIPTION.to_owned());
    let mut schemas = vec![(problem::Body::name().into_owned(), problem::Body::schema())];
    for route in routes {
        if let Content::Document(described) | Content::Fresh { schema: described, .. } = route.answer {
            (described.parts)(&mut schemas);
        }
        let mut item = PathItem::default();
        for method in route.methods {
            let mut operation = operation(route);
            let place = match *method {
                Method::GET => &mut item.get,
                Method::HEAD => {
                    operation.operation_id = Some(format!("head_{}", route.id));
                    &mut item.head
                }
                Method::POST => &mut item.post,
                Method::PUT => &mut item.put,
                Method::DELETE => &mut item.delete,
                _ => continue,
            };
            *place = Some(operation);
        }
        api.paths.paths.insert(route.pattern.to_owned(), item);
    }
    let mut components = Components::new();
    components.schemas.extend(schemas);
    api.components = Some(components);
    api
}

fn operation(route: &Route) -> Operation {
    let mut operation =
        OperationBuilder::new().operation_id(Some(route.id)).tag(route.tag).summary(Some(route.title));
    if !route.text.is_empty() {
        operation = operation.description(Some(route.text));
    }
    for parameter in route.parameters {
        let in_path = route.pattern.contains(&format!("{{{}}}", parameter.name));
        let place = if in_path { ParameterIn::Path } else { ParameterIn::Query };
        let required = if parameter.required { Required::True } else { Required::False };
        let field = ParameterBuilder::new()
            .name(parameter.name)
            .parameter_in(place)
            .description(Some(parameter.text))
            .required(required)
            .schema(Some(Object::with_type(Type::String)))
            .example(parameter.example.map(Into::into));
        operation = operation.parameter(field);
    }
    for (name, text) in fields(route.answer) {
        let field = ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Header)
            .description(Some(*text))
            .schema(Some(Object::with_type(Type::String)));
        operation = operation.parameter(field);
    }
    for (status, text) in route.statuses {
        operation = operation.response(status.to_string(), response(route.answer, text));
    }
    if !matches!(route.answer, Content::Fresh { .. }) {
        operation = operation.response("304", Response::new("It is what the client has already"));
    }
    for (status, response) in problems(route) {
        operation = operation.response(status.to_string(), response);
    }
    operation.build()
}

/// The fields of a request's head that have a meaning here.
fn fields(answer: Content) -> &'static [(&'static str, &'static str)] {
    const DOCUMENT: [(&str, &str); 2] = [
        ("If-None-Match", "The `ETag` of what the client has already: then the answer is 304"),
        ("Accept-Encoding", "Documents are compressed with gzip or brotli for clients that accept it"),
    ];
    const FILE: [(&str, &str); 4] = [
        DOCUMENT[0],
        DOCUMENT[1],
        ("Range", "The part that is wanted, `bytes=0-1023`"),
        ("If-Range", "The `ETag` of what the client has already: if it is another, the whole file is sent"),
    ];
    match answer {
        Content::Document(_) => &DOCUMENT,
        Content::File => &FILE,
        Content::Fresh { .. } => &[],
    }
}

fn response(answer: Content, text: &str) -> Response {
    let mut response = Response::new(text);
    let schema = |described: Described| Body::new(Some((described.schema)()));
    match answer {
        Content::Document(described) => {
            response.content.insert("application/json".to_owned(), schema(described).into());
        }
        Content::Fresh { media, schema: described } => {
            response.content.insert(media.to_owned(), schema(described).into());
        }
        // By the file's name; a manifest among the targets is JSON as well.
        Content::File => {
            for media in ["application/octet-stream", "application/json"] {
                response.content.insert(media.to_owned(), Body::new(None::<RefOr<Schema>>).into());
            }
        }
    }
    response
}

/// What may go wrong, by status.
fn problems(route: &Route) -> BTreeMap<u16, Response> {
    let mut by_status = BTreeMap::<u16, Vec<&str>>::new();
    for kind in route.any_problems().chain(route.problems.iter().copied()) {
        by_status.entry(kind.status().as_u16()).or_default().push(ProblemKind::as_str(kind));
    }
    let response = |kinds: Vec<&str>| {
        let mut response = Response::new(kinds.join(", "));
        let schema = RefOr::<Schema>::from(Ref::from_schema_name(problem::Body::name()));
        response.content.insert(problem::MEDIA.to_owned(), Body::new(Some(schema)).into());
        response.extensions = Some(Extensions::builder().add(KINDS, kinds).build());
        response
    };
    by_status.into_iter().map(|(status, kinds)| (status, response(kinds))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::routes::ROUTES;
    use super::*;

    #[test]
    fn every_route_says_what_may_go_wrong_on_it() {
        let api = serde_json::to_value(describe(ROUTES.iter())).unwrap();
        assert_eq!(api["paths"].as_object().unwrap().len(), ROUTES.len());
        for route in &ROUTES {
            let path = &api["paths"][route.pattern];
            for method in ["get", "head"] {
                for kind in route.any_problems().chain(route.problems.iter().copied()) {
                    let kinds = &path[method]["responses"][kind.status().as_str()][KINDS];
                    let listed = kinds.as_array().unwrap().iter().any(|listed| listed == kind.as_str());
                    assert!(listed, "{} {method} {}", route.pattern, kind.as_str());
                }
            }
        }
        assert_eq!(api["openapi"], "3.1.0");
    }

    #[test]
    fn no_name_stands_for_two_schemas() {
        let mut schemas = Vec::new();
        for route in &ROUTES {
            if let Content::Document(described) | Content::Fresh { schema: described, .. } = route.answer {
                (described.parts)(&mut schemas);
            }
        }
        let mut by_name = BTreeMap::new();
        for (name, schema) in schemas {
            let schema = serde_json::to_value(schema).unwrap();
            let before = by_name.insert(name.clone(), schema.clone());
            assert!(before.is_none_or(|before| before == schema), "{name}");
        }
    }

    #[test]
    fn what_has_a_tag_is_described_as_conditional() {
        let api = serde_json::to_value(describe(ROUTES.iter())).unwrap();
        for route in &ROUTES {
            let operation = &api["paths"][route.pattern]["get"];
            let conditional = !matches!(route.id, "healthz" | "readyz" | "metrics");
            assert_eq!(operation["responses"].get("304").is_some(), conditional, "{}", route.pattern);
            let fields = operation["parameters"].as_array().into_iter().flatten();
            let fields: Vec<_> =
                fields.filter(|one| one["in"] == "header").filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(fields.contains(&"If-None-Match"), conditional, "{}", route.pattern);
            assert_eq!(fields.contains(&"Range"), operation["responses"].get("206").is_some());
        }
    }
}

//! `/openapi.json`: the interface, described from the code that serves it.

pub mod signed;

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Content, Object, Ref, RefOr, Response, Type};

use super::ask::Ask;
use super::problem::{self, Problem, ProblemKind};
use super::reply::{self, Cache};
use super::route::Route;
use super::{channels, health, metrics, payloads, promotions, releases, tuf, update};
use crate::publish::Document;
use crate::publish::document::Media;

/// Where an operation lists the kinds of problem that a status stands for.
const KINDS: &str = "x-problem-kinds";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegate",
        description = "An update channel server. `GET` and `HEAD` only. Errors are problem details (RFC 9457) with a stable `kind`. Documents have a strong `ETag` for each encoding."
    ),
    paths(
        channels::list,
        channels::one,
        update::get,
        releases::manifest,
        releases::explain,
        promotions::list,
        payloads::get,
        tuf::metadata,
        tuf::target,
        health::alive,
        health::ready,
        metrics::get,
        get
    ),
    components(schemas(problem::Body, health::Readiness))
)]
struct Api;

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    operation_id = "openapi",
    responses((status = 200, description = "The interface as OpenAPI 3.1", body = serde_json::Value))
)]
pub fn get(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, &ask.state.openapi, Cache::Minute)
}

/// The document, as it is served.
pub(super) fn document() -> Document {
    let text = describe().to_json().unwrap_or_default();
    Document::new(Media::Json, Bytes::from(text))
}

/// What the handlers say of themselves, with what may go wrong on each route.
fn describe() -> utoipa::openapi::OpenApi {
    let mut api = Api::openapi();
    for route in Route::ALL {
        let Some(item) = api.paths.paths.get_mut(route.pattern()) else { continue };
        if let Some(operation) = &mut item.get {
            add_problems(operation, route);
            add_conditions(operation, route);
            let mut head = operation.clone();
            head.operation_id = head.operation_id.map(|id| format!("head_{id}"));
            item.head = Some(head);
        }
    }
    api
}

/// What is answered by the entity's tag, in parts, and in several encodings.
fn add_conditions(operation: &mut Operation, route: Route) {
    let in_parts = matches!(route, Route::Payload | Route::TufTarget);
    let mut fields = Vec::new();
    if !matches!(route, Route::Healthz | Route::Readyz | Route::Metrics) {
        fields.push(("If-None-Match", "The `ETag` of what is there already: then the answer is 304"));
        fields.push(("Accept-Encoding", "Documents come as gzip or brotli to who accepts it"));
        let response = Response::new("It is what is there already");
        operation.responses.responses.insert("304".to_owned(), response.into());
    }
    if in_parts {
        fields.push(("Range", "The part that is wanted, `bytes=0-1023`"));
        fields.push(("If-Range", "The `ETag` of what is there already: of anything else all comes"));
        // By the file's name; a manifest among the targets is JSON as well.
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
            response.content.insert("application/json".to_owned(), Content::new(None::<Ref>).into());
        }
    }
    let fields = fields.into_iter().map(|(name, what)| {
        let text = Object::with_type(Type::String);
        let field = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
        RefOr::T(field.description(Some(what)).schema(Some(text)).build())
    });
    operation.parameters.get_or_insert_default().extend(fields);
}

fn add_problems(operation: &mut Operation, route: Route) {
    let mut by_status = BTreeMap::<_, Vec<ProblemKind>>::new();
    for &kind in Route::COMMON_PROBLEMS.iter().chain(route.problems()) {
        by_status.entry(kind.status()).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        let kinds: Vec<_> = kinds.into_iter().map(ProblemKind::as_str).collect();
        let mut response = Response::new(kinds.join(", "));
        let schema = Ref::from_schema_name("Problem");
        response.content.insert(problem::MEDIA.to_owned(), Content::new(Some(schema)).into());
        response.extensions = Some(Extensions::builder().add(KINDS, kinds).build());
        operation.responses.responses.insert(status.as_str().to_owned(), response.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_routes_of_the_document_are_the_routes_that_are_served() {
        let api = describe();
        let described: BTreeSet<_> = api.paths.paths.keys().map(String::as_str).collect();
        let served: BTreeSet<_> = Route::ALL.iter().map(|route| route.pattern()).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_route_says_what_may_go_wrong_on_it() {
        let api = serde_json::to_value(describe()).unwrap();
        for route in Route::ALL {
            let path = &api["paths"][route.pattern()];
            for method in ["get", "head"] {
                for kind in Route::COMMON_PROBLEMS.iter().chain(route.problems()) {
                    let kinds = &path[method]["responses"][kind.status().as_str()][KINDS];
                    let listed = kinds.as_array().unwrap().iter().any(|listed| listed == kind.as_str());
                    assert!(listed, "{} {method} {}", route.pattern(), kind.as_str());
                }
            }
        }
        assert_eq!(api["openapi"], "3.1.0");
    }

    #[test]
    fn what_has_a_tag_is_described_as_conditional() {
        let api = serde_json::to_value(describe()).unwrap();
        for route in Route::ALL {
            let operation = &api["paths"][route.pattern()]["get"];
            let conditional = !matches!(route, Route::Healthz | Route::Readyz | Route::Metrics);
            assert_eq!(operation["responses"].get("304").is_some(), conditional, "{}", route.pattern());
            let fields = operation["parameters"].as_array().into_iter().flatten();
            let fields: Vec<_> =
                fields.filter(|one| one["in"] == "header").filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(fields.contains(&"If-None-Match"), conditional, "{}", route.pattern());
            assert_eq!(fields.contains(&"Range"), operation["responses"].get("206").is_some());
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let api = serde_json::to_value(describe()).unwrap();
        let paths = api["paths"].as_object().unwrap().values();
        let ids: Vec<_> =
            paths.flat_map(|path| path.as_object().unwrap().values()).map(|op| &op["operationId"]).collect();
        let unique: BTreeSet<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(unique.len(), ids.len());
    }
}

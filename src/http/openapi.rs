//! `/openapi.json`: a description of the API, generated from the same table of routes that serves it.

use std::collections::BTreeMap;

use actix_web::http::Method;
use serde_json::{Map, Value, json};
use utoipa::ToSchema as _;
use utoipa::{PartialSchema as _, openapi::Ref};

use super::problem::{self, ProblemKind};
use super::route::{Content, Form, Route};
use crate::publish::Document;
use crate::publish::document::Media;

/// The extension field that lists which kinds of problem a status can mean.
const KINDS: &str = "x-problem-kinds";

const DESCRIPTION: &str = "An update channel server. Errors are problem details (RFC 9457) with a stable `kind`. Documents have a strong `ETag` for each encoding.";

/// Generates the document for these routes.
pub fn document(routes: &[Route]) -> Document {
    Document::new(Media::Json, describe(routes).to_string().into())
}

fn describe(routes: &[Route]) -> Value {
    let mut schemas = vec![(problem::Body::name().into_owned(), problem::Body::schema())];
    let mut paths = Map::new();
    // Pages are for people.
    for route in routes.iter().filter(|route| !route.is_page()) {
        if let Content::Document(described) | Content::Fresh { schema: described, .. } = route.answer {
            (described.parts)(&mut schemas);
        }
        let operations = route.methods.iter().map(|method| {
            let id = if *method == Method::HEAD { format!("head_{}", route.id) } else { route.id.to_owned() };
            (method.as_str().to_ascii_lowercase(), operation(route, &id))
        });
        paths.insert(route.pattern.to_owned(), operations.collect());
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Tidegate", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION },
        "paths": paths,
        "components": { "schemas": schemas.into_iter().collect::<BTreeMap<_, _>>() },
    })
}

fn operation(route: &Route, id: &str) -> Value {
    let text = json!({ "type": "string" });
    let in_url = route.parameters.iter().map(|parameter| {
        let in_path = route.pattern.contains(&format!("{{{}}}", parameter.name));
        let mut described = json!({
            "name": parameter.name,
            "in": if in_path { "path" } else { "query" },
            "description": parameter.text,
            "required": parameter.required,
            "schema": text,
        });
        if let Some(Form { pattern, most }) = parameter.form {
            described["schema"]["pattern"] = pattern.into();
            described["schema"]["maxLength"] = most.into();
        }
        if let Some(example) = parameter.example {
            described["example"] = example.into();
        }
        described
    });
    let in_head = headers(route.answer).iter().map(|(name, meaning)| {
        json!({ "name": name, "in": "header", "description": meaning, "required": false, "schema": text })
    });
    let mut operation = json!({
        "operationId": id,
        "tags": [route.tag],
        "summary": route.title,
        "parameters": in_url.chain(in_head).collect::<Value>(),
        "responses": responses(route),
    });
    if !route.text.is_empty() {
        operation["description"] = route.text.into();
    }
    operation
}

/// The request headers that a route with this content supports.
fn headers(answer: Content) -> &'static [(&'static str, &'static str)] {
    const FILE: [(&str, &str); 4] = [
        ("If-None-Match", "The `ETag` of the client's copy. If it is current, the answer is 304"),
        ("Accept-Encoding", "Documents are compressed with gzip or brotli for clients that accept either"),
        ("Range", "The range that the client wants, such as `bytes=0-1023`"),
        ("If-Range", "The `ETag` of the client's copy. If it is outdated, the whole file is sent"),
    ];
    match answer {
        Content::Document(_) => &FILE[..2],
        Content::File => &FILE,
        Content::Fresh { .. } | Content::Page => &[],
    }
}

/// Every response by its status, problems included.
fn responses(route: &Route) -> Map<String, Value> {
    let content = match route.answer {
        Content::Document(described) => json!({ "application/json": { "schema": (described.schema)() } }),
        Content::Fresh { media, schema } => json!({ media: { "schema": (schema.schema)() } }),
        // The media type depends on the file's name. Manifests among the targets are JSON.
        Content::Page => json!({}),
        Content::File => json!({ "application/octet-stream": {}, "application/json": {} }),
    };
    let described = |(status, text): &(u16, &str)| {
        (status.to_string(), json!({ "description": text, "content": content }))
    };
    let mut responses: Map<_, _> = route.statuses.iter().map(described).collect();
    if !matches!(route.answer, Content::Fresh { .. }) {
        responses.insert("304".to_owned(), json!({ "description": "The client's copy is current" }));
    }
    let mut problems = BTreeMap::<u16, Vec<&str>>::new();
    for kind in route.all_problems() {
        problems.entry(kind.status().as_u16()).or_default().push(ProblemKind::as_str(kind));
    }
    let schema = Ref::from_schema_name(problem::Body::name());
    responses.extend(problems.into_iter().map(|(status, kinds)| {
        let content = json!({ problem::MEDIA: { "schema": schema } });
        let response = json!({ "description": kinds.join(", "), "content": content, KINDS: kinds });
        (status.to_string(), response)
    }));
    responses
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::routes::ROUTES;
    use super::*;
    use crate::domain::channel::ChannelName;
    use crate::domain::payload::is_file_name;
    use crate::domain::version::Version;
    use crate::formats::tuf::names;

    #[test]
    fn every_route_says_what_may_go_wrong_on_it() {
        let api = describe(&ROUTES);
        let routes: Vec<_> = ROUTES.iter().filter(|route| !route.is_page()).collect();
        assert_eq!(api["paths"].as_object().unwrap().len(), routes.len());
        for route in routes {
            let path = &api["paths"][route.pattern];
            for method in ["get", "head"] {
                for kind in route.all_problems() {
                    let kinds = &path[method]["responses"][kind.status().as_str()][KINDS];
                    let listed = kinds.as_array().unwrap().iter().any(|listed| listed == kind.as_str());
                    assert!(listed, "{} {method} {}", route.pattern, kind.as_str());
                }
            }
        }
        assert_eq!(api["openapi"], "3.1.0");
    }

    #[test]
    fn every_kind_of_remedy_is_listed() {
        let api = describe(&ROUTES);
        let remedy = &api["components"]["schemas"]["RemedyBody"]["properties"]["remedy"]["description"];
        for kind in crate::words::RemedyKind::ALL {
            assert!(remedy.as_str().unwrap().contains(&format!("`{}`", kind.as_str())), "{kind:?}");
        }
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

    /// Whether a value of a parameter is understood, whether or not there is anything of that name.
    fn is_understood(route: &Route, name: &str, text: &str) -> bool {
        match name {
            "channel" => ChannelName::parse_any_case(text).is_ok(),
            "version" => Version::parse(text).is_ok(),
            "file" if route.id == "payload" => is_file_name(text) || text == "release.json",
            "file" if route.id == "tuf_metadata" => {
                names::role_at(&format!("metadata/{text}")).is_some() || text == "timestamp.json"
            }
            "file" => names::target_at(&format!("targets/{text}")).is_some(),
            _ => false,
        }
    }

    #[test]
    fn every_value_of_the_form_that_a_parameter_has_is_understood() {
        let mut runner = proptest::test_runner::TestRunner::default();
        for route in &ROUTES {
            for parameter in route.parameters {
                let Some(Form { pattern, most }) = parameter.form else { continue };
                let inner = pattern.trim_start_matches('^').trim_end_matches('$');
                let texts = proptest::string::string_regex(inner).unwrap();
                let short = texts.prop_filter("short enough", |text| text.len() <= most);
                let is_good = |text: String| {
                    prop_assert!(is_understood(route, parameter.name, &text), "{} {text}", route.pattern);
                    Ok(())
                };
                runner.run(&short, is_good).unwrap();
                if let Some(example) = parameter.example {
                    assert!(is_understood(route, parameter.name, example), "{} {example}", route.pattern);
                }
            }
        }
    }

    #[test]
    fn what_has_a_tag_is_described_as_conditional() {
        let api = describe(&ROUTES);
        for route in ROUTES.iter().filter(|route| !route.is_page()) {
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

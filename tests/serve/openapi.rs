//! What the server says of its documents, held against the documents.

use serde_json::{Map, Value, json};

use crate::place::Place;

/// The first thing about a value that its schema does not allow. Of JSON Schema it knows what the
/// interface uses, and fails on anything else: a check that looks away proves nothing.
fn check(api: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = schema.as_object().ok_or_else(|| format!("{at}: no schema"))?;
    let wrong = |why: String| Err(format!("{at}: {why}"));
    for (word, wanted) in schema {
        match word.as_str() {
            "$ref" => {
                let path = wanted.as_str().unwrap().trim_start_matches('#');
                check(api, api.pointer(path).unwrap(), value, at)?;
            }
            "allOf" => {
                for one in wanted.as_array().unwrap() {
                    check(api, one, value, at)?;
                }
            }
            "oneOf" => {
                let all = wanted.as_array().unwrap();
                let found: Vec<_> = all.iter().map(|one| check(api, one, value, at)).collect();
                if found.iter().filter(|one| one.is_ok()).count() != 1 {
                    return wrong(format!("not exactly one of {found:?}"));
                }
            }
            "type" => {
                let one = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64(),
                    "null" => value.is_null(),
                    other => panic!("{at}: the type `{other}` is not known here"),
                };
                if !wanted.as_array().map_or_else(|| one(wanted), |all| all.iter().any(one)) {
                    return wrong(format!("{value} is no {wanted}"));
                }
            }
            "description" | "format" | "propertyNames" => {}
            "enum" => {
                if !wanted.as_array().unwrap().contains(value) {
                    return wrong(format!("{value} is none of {wanted}"));
                }
            }
            "minimum" => {
                if value.as_u64().unwrap_or(u64::MAX) < wanted.as_u64().unwrap() {
                    return wrong(format!("{value} is less than {wanted}"));
                }
            }
            // All of them are for hexadecimal digits, so many.
            "pattern" => {
                let text = wanted.as_str().unwrap();
                let length = text.strip_prefix("^[0-9a-f]{").and_then(|rest| rest.strip_suffix("}$"));
                let length: usize = length.unwrap_or_else(|| panic!("{at}: `{text}`")).parse().unwrap();
                let value = value.as_str().unwrap_or_default();
                if value.len() != length || !value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return wrong(format!("`{value}` does not match `{text}`"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(api, wanted, item, &format!("{at}/{index}"))?;
                }
            }
            "required" => {
                let missing = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|name| value.get(name.as_str().unwrap()).is_none());
                if let Some(name) = missing {
                    return wrong(format!("{name} is missing"));
                }
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(api, schema, value, &format!("{at}/{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let named =
                    |name: &String| schema.get("properties").is_some_and(|all| all.get(name).is_some());
                for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| !named(name))
                {
                    if *wanted == false {
                        return wrong(format!("`{name}` is not described"));
                    }
                    check(api, wanted, value, &format!("{at}/{name}"))?;
                }
            }
            other => panic!("{at}: the keyword `{other}` is not known here"),
        }
    }
    Ok(())
}

fn schema<'a>(api: &'a Value, route: &str) -> &'a Value {
    &api["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
}

#[test]
fn every_kind_of_document_is_as_the_interface_describes_it() {
    let place = Place::with(&["1.7.1", "1.8.1", "1.8.2"]);
    place.run(&["release", "yank", "1.8.2", "--reason", "breaks DNS", "--to", "1.8.1"]);
    place.run(&["channel", "pause", "1.8-production", "--reason", "datacentre move"]);
    place.add("1.8.3");
    place.sign();
    place.add("1.8.4");
    let forward = ["--not-before", "production=2018-01-01T00:00:00Z", "--reason", "an outage"];
    place.run(&[&["release", "sign", "1.8.4", "--key", "keys/release.pem"][..], &forward].concat());
    let server = place.serve();
    server.until_latest("1.8-preproduction", "1.8.4");
    let api = server.json("/openapi.json");
    let metadata = |name: &str| format!("/tuf/metadata/{name}");
    let snapshot =
        server.json(&metadata("timestamp.json"))["signed"]["meta"]["snapshot.json"]["version"].clone();
    let snapshot = metadata(&format!("{snapshot}.snapshot.json"));
    let roles = server.json(&snapshot)["signed"]["meta"].clone();
    let mut documents: Vec<(String, &str)> = vec![
        ("/v1/channels".to_owned(), "/v1/channels"),
        ("/v1/channels/1.8-production".to_owned(), "/v1/channels/{channel}"),
        ("/v1/channels/1.8-preproduction".to_owned(), "/v1/channels/{channel}"),
        ("/v1/channels/1.8-production/update?version=1.7.1".to_owned(), "/v1/channels/{channel}/update"),
        ("/v1/releases/1.8.1".to_owned(), "/v1/releases/{version}"),
        ("/v1/releases/1.8.4".to_owned(), "/v1/releases/{version}"),
        ("/v1/releases/1.8.3/explain".to_owned(), "/v1/releases/{version}/explain"),
        ("/v1/promotions".to_owned(), "/v1/promotions"),
        ("/readyz".to_owned(), "/readyz"),
        (metadata("timestamp.json"), "/tuf/metadata/{file}"),
        (metadata("1.root.json"), "/tuf/metadata/{file}"),
        (snapshot, "/tuf/metadata/{file}"),
    ];
    for (name, meta) in roles.as_object().unwrap() {
        documents.push((metadata(&format!("{}.{name}", meta["version"])), "/tuf/metadata/{file}"));
    }
    assert_eq!(documents.len(), 16, "with the four roles that a snapshot of two lines has");
    for (path, route) in documents {
        let (schema, document) = (schema(&api, route), server.json(&path));
        assert_eq!(check(&api, schema, &document, &path), Ok(()));
        let Some(signed) = document["signed"].as_object() else { continue };
        // What is signed has no field beyond those that are described, and none of these is free.
        for broken in broken(signed) {
            let broken = json!({ "signatures": document["signatures"], "signed": broken });
            check(&api, schema, &broken, &path).unwrap_err();
        }
    }
}

/// Documents that are not quite as they should be: another field, and each field with another type.
fn broken(signed: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let with = |name: &str, value: Value| {
        let mut broken = signed.clone();
        broken.insert(name.to_owned(), value);
        broken
    };
    let others = signed
        .iter()
        .map(|(name, value)| with(name, if value.is_string() { json!(7) } else { json!("seven") }));
    others.chain([with("another", json!(1))]).collect()
}

//! JSON Schema (2020-12) for the catalog's files, so that editors can complete and check them. It is
//! generated from the reader's own table of keys, so it is never out of date.

use serde_json::{Map, Value, json};

use super::yaml::keys::{self, Form, Shape};
use super::yaml::{FORMAT, LINE, POLICY};
use crate::domain::named::named;
use crate::domain::rules::text as rules;

named! {
    /// A kind of file in the catalog.
    pub enum FileKind {
        /// `policy.yaml`
        Policy = "policy",
        /// `LINE/line.yaml`
        Line = "line",
        /// `LINE/VERSION.yaml`
        Release = "release",
    }
}

impl FileKind {
    fn shape(self) -> &'static Shape {
        match self {
            Self::Policy => &POLICY,
            Self::Line => &LINE,
            Self::Release => &keys::RELEASE,
        }
    }
}

/// Returns the JSON Schema of a kind of file.
///
/// It describes each file on its own; `catalog check` checks that the files fit together.
pub fn schema(kind: FileKind) -> Value {
    let shape = kind.shape();
    let mut schema = object(shape);
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), shape.about.into());
    Value::Object(schema)
}

fn object(shape: &Shape) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in shape.keys {
        let mut value = form(&key.form);
        value.insert("description".to_owned(), key.about.into());
        properties.insert(key.name.to_owned(), Value::Object(value));
    }
    let required: Vec<&str> = shape.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    map(json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    }))
}

fn form(form: &Form) -> Map<String, Value> {
    const NAME: &str = "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$";
    const DAYS: &str = "^(mon|tue|wed|thu|fri|sat|sun)([-,](mon|tue|wed|thu|fri|sat|sun))*$";
    let text = |max: usize, pattern: &str| {
        map(json!({"type": "string", "minLength": 1, "maxLength": max, "pattern": pattern}))
    };
    match form {
        Form::Format => map(json!({"const": FORMAT})),
        Form::Line(max) => text(*max, r"^[^\n]*\n*$"),
        Form::Lines(max) => map(json!({"type": "string", "minLength": 1, "maxLength": max})),
        Form::Version => text(128, r"^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"),
        Form::What => text(256, r"^(hold|yank|barrier|pause|soak|window|freeze|retired)/[^ \n]+$"),
        Form::Prefix => text(64, r"^v?[0-9]+(\.[0-9]+){0,2}$"),
        Form::Name => text(64, NAME),
        Form::Time => map(json!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$",
            "minLength": 1,
        })),
        Form::Duration => text(20, "^[0-9]+[hdw]$"),
        Form::Flag => map(json!({"type": "boolean"})),
        Form::Size => map(json!({"type": "integer", "minimum": 1, "maximum": rules::SIZE})),
        Form::Digest => text(64, "^[0-9a-fA-F]{64}$"),
        Form::FileName => text(128, "^[A-Za-z0-9_+][A-Za-z0-9._+-]*$"),
        Form::Arch => text(32, "^[a-z0-9_-]+$"),
        Form::Link => text(rules::LINK, r"^https?://[^ \n]+\n*$"),
        Form::Urgency => map(json!({"enum": ["normal", "security"]})),
        Form::Days => {
            let days = text(200, DAYS);
            map(json!({"anyOf": [days, {"type": "array", "items": days, "minItems": 1}]}))
        }
        Form::Hours => text(11, "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"),
        Form::Zone => text(64, "^[A-Za-z0-9_/+-]+$"),
        Form::List(item) => map(json!({"type": "array", "items": self::form(item)})),
        Form::Map(value) => map(json!({
            "type": "object",
            "additionalProperties": self::form(value),
            "propertyNames": {"minLength": 1, "maxLength": rules::LINE, "pattern": r"^[#-\[\]-~]+$"},
        })),
        Form::Shape(shape) => object(shape),
    }
}

/// Returns the map inside a JSON object.
fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;

//! Schema and reader agree on every key, each way of getting it wrong included.

use super::*;
use crate::formats::yaml::{Source, parse};

/// A value of a form, with all keys that it may have. Names, times and files differ from each
/// other by a count.
fn sample(form: &Form, count: &mut u32) -> Value {
    *count += 1;
    let n = *count;
    match form {
        Form::Format => json!(FORMAT),
        Form::Line(_) | Form::Lines(_) => json!(format!("some words, {n}")),
        Form::Version => json!(format!("1.8.{n}")),
        Form::What => json!(format!("hold/1.8.{n}")),
        Form::Prefix => json!("1.8"),
        // A name that is a version's prefix too: a line needs no other then.
        Form::Name => json!(format!("1.{n}")),
        Form::Arch => json!(format!("arch{n}")),
        Form::Time => json!(format!("2018-01-02T17:{:02}:{:02}Z", n / 60, n % 60)),
        Form::Duration => json!("14d"),
        Form::Flag => json!(true),
        Form::Size => json!(n),
        Form::Digest => json!("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        Form::FileName => json!(format!("payload-{n}.json")),
        Form::Link => json!("https://example.com/"),
        Form::Urgency => json!("security"),
        Form::Days => json!(["mon-thu"]),
        Form::Hours => json!("09:00-16:00"),
        Form::Zone => json!("Europe/Berlin"),
        Form::List(item) => {
            let (mut first, second) = (sample(item, count), sample(item, count));
            // A first stage has no soak.
            if let Some(stage) = first.as_object_mut() {
                stage.remove("soak");
            }
            json!([first, second])
        }
        Form::Map(value) => {
            json!({"preproduction": sample(value, count), "production": sample(value, count)})
        }
        Form::Shape(shape) => all_keys(shape, count),
    }
}

fn all_keys(shape: &Shape, count: &mut u32) -> Value {
    shape.keys.iter().map(|key| (key.name.to_owned(), sample(&key.form, count))).collect()
}

/// Whether the reader takes a file. JSON is YAML.
fn read(kind: FileKind, file: &Value) -> Result<(), String> {
    let path = match kind {
        FileKind::Policy => "policy.yaml".to_owned(),
        FileKind::Line => format!("{}/line.yaml", file["line"].as_str().unwrap_or("1.8")),
        FileKind::Release => {
            format!("1.8/{}.yaml", file["version"].as_str().filter(|v| !v.is_empty()).unwrap_or("1.8.4"))
        }
    };
    let parsed = parse(Source { path: &path, bytes: file.to_string().as_bytes() });
    parsed.faults().first().map_or(Ok(()), |fault| Err(fault.message.clone()))
}

/// Whether a schema takes a value: as much of JSON Schema as is used here, but for patterns.
fn takes(schema: &Value, value: &Value) -> bool {
    let each = |name: &str, check: &dyn Fn(&Value) -> bool| schema.get(name).is_none_or(check);
    let typed = |wanted: &Value| match wanted.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        other => panic!("{other}"),
    };
    let length = value.as_str().map_or(1, |text| text.chars().count());
    each("type", &typed)
        && each("const", &|wanted| wanted == value)
        && each("enum", &|words| words.as_array().unwrap().contains(value))
        && each("anyOf", &|schemas| schemas.as_array().unwrap().iter().any(|schema| takes(schema, value)))
        && each("minLength", &|least| length as u64 >= least.as_u64().unwrap())
        && each("minimum", &|least| value.as_u64() >= least.as_u64())
        && each("maximum", &|most| value.as_u64() <= most.as_u64())
        && each("minItems", &|least| {
            value.as_array().is_none_or(|items| items.len() as u64 >= least.as_u64().unwrap())
        })
        && each("items", &|item| value.as_array().is_none_or(|items| items.iter().all(|v| takes(item, v))))
        && each("required", &|keys| {
            keys.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
        })
        && value.as_object().is_none_or(|entries| {
            entries.iter().all(|(key, value)| match schema["properties"].get(key) {
                Some(schema) => takes(schema, value),
                None => match &schema["additionalProperties"] {
                    Value::Bool(allowed) => *allowed,
                    other => takes(other, value),
                },
            })
        })
}

/// The place of every value within a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        let place = format!("{at}/{key}");
        places(child, &place, found);
        found.push(place);
    }
}

#[test]
fn a_file_with_every_key_is_taken_by_schema_and_reader() {
    for &kind in FileKind::ALL {
        let file = all_keys(kind.shape(), &mut 0);
        assert_eq!(read(kind, &file), Ok(()), "{kind:?}");
        assert!(takes(&schema(kind), &file), "{kind:?}");
    }
}

#[test]
fn schema_and_reader_refuse_the_same() {
    for &kind in FileKind::ALL {
        let (schema, good) = (schema(kind), all_keys(kind.shape(), &mut 0));
        let mut found = Vec::new();
        places(&good, "", &mut found);
        for place in found {
            let other = [
                json!([[]]),
                json!({}),
                json!({"unknown": "https://example.com/"}),
                json!(null),
                json!(1.5),
                json!(-1),
                json!(""),
                json!(false),
            ];
            for value in other {
                let mut file = good.clone();
                *file.pointer_mut(&place).unwrap() = value;
                let taken = takes(&schema, &file);
                assert_eq!(taken, read(kind, &file).is_ok(), "{kind:?} {place} {:?}", read(kind, &file));
            }
            let (parent, key) = place.rsplit_once('/').unwrap();
            let mut file = good.clone();
            if let Some(entries) = file.pointer_mut(parent).unwrap().as_object_mut() {
                entries.remove(key);
                let taken = takes(&schema, &file);
                assert_eq!(
                    taken,
                    read(kind, &file).is_ok(),
                    "{kind:?} without {place} {:?}",
                    read(kind, &file)
                );
            }
        }
    }
}

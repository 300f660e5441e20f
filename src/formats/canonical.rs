//! Canonical JSON: writes the bytes that are signed, and reads them strictly.
//!
//! This is OLPC canonical JSON, restricted to the subset for which all readers that we know (python-tuf,
//! tough, and `jq -cjS .signed`) agree on the bytes: printable ASCII, whole numbers that a double can
//! represent exactly, and keys that sort the same with and without their quotes.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::domain::rules::text::is_key;

/// The largest whole number that JavaScript and older versions of `jq` represent exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Why a value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    #[error("it cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    #[error("`{0}` is not a whole number below 2^53, the only kind of number that signed documents allow")]
    Number(serde_json::Number),
    #[error("the text {0:?} has a character outside printable ASCII")]
    Text(String),
    #[error(
        "the name {0:?} has a character that is not allowed in signed documents: a space, `!`, `\"`, `\\`, or one outside printable ASCII"
    )]
    Name(String),
}

/// Returns the canonical form of a value.
///
/// # Errors
/// When the value contains something that not all readers write the same way.
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let value = serde_json::to_value(value).map_err(CanonicalError::Json)?;
    canonical_value(&value)
}

fn canonical_value(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    check(value)?;
    // For values that pass the check, serde_json's compact form is the canonical one: its maps are sorted,
    // and it escapes printable ASCII the same way. A test compares the two.
    serde_json::to_vec(value).map_err(CanonicalError::Json)
}

fn check(value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            match size {
                Some(size) if size <= MAX_NUMBER => Ok(()),
                _ => Err(CanonicalError::Number(number.clone())),
            }
        }
        Value::String(text) => {
            let plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
            if plain { Ok(()) } else { Err(CanonicalError::Text(text.clone())) }
        }
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            if is_key(name) { check(value) } else { Err(CanonicalError::Name(name.clone())) }
        }),
    }
}

/// Why bytes are not a strict JSON document.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    #[error("it is not the expected JSON")]
    Json(#[from] serde_json::Error),
    #[error("it has no canonical form")]
    Canonical(#[from] CanonicalError),
}

/// Reads JSON strictly, and returns it with its canonical form: duplicate keys are rejected, and so is
/// anything that [`canonical`] rejects.
///
/// # Errors
/// When the bytes are not such JSON, or cannot be read as a `T`.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Vec<u8>), StrictError> {
    let Strict(value) = serde_json::from_slice(bytes)?;
    let canonical = canonical_value(&value)?;
    Ok((serde_json::from_value(value)?, canonical))
}

/// A JSON value without duplicate keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

/// Defines visitor methods that keep scalars as they are.
macro_rules! visit {
    ($($visit:ident: $of:ty),*) => {
        $(fn $visit<E>(self, value: $of) -> Result<Value, E> {
            Ok(value.into())
        })*
    };
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without floating point numbers and without duplicate keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    visit! { visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_str: &str }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if fields.contains_key(&name) {
                return Err(serde::de::Error::custom(format!("duplicate key `{name}`")));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_nothing_is_spaced() {
        let value = json!({"b": [1, {"y": null, "x": true}], "a": "q\"\\/"});
        let bytes = canonical(&value).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), r#"{"a":"q\"\\/","b":[1,{"x":true,"y":null}]}"#);
    }

    #[test]
    fn what_readers_write_differently_is_refused() {
        for value in [
            json!("ä"),
            json!("a\nb"),
            json!("\u{7f}"),
            json!(0.5),
            json!(1e3),
            json!(MAX_NUMBER + 1),
            json!({"a b": 1}),
            json!({"a!": 1, "a": 2}),
            json!({"a\\": 1}),
            json!([[{"x": ["ä"]}]]),
        ] {
            assert!(canonical(&value).is_err(), "{value}");
        }
        assert!(canonical(&json!([MAX_NUMBER, -5, 0])).is_ok());
    }

    #[test]
    fn reading_refuses_keys_that_stand_twice_floats_and_trailing_bytes() {
        let read = |text: &str| read::<Value>(text.as_bytes());
        assert!(read(r#" {"b": 1, "a": [ ]} "#).is_ok_and(|(_, bytes)| bytes == br#"{"a":[],"b":1}"#));
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"[{"x":{"a":1,"\u0061":2}}]"#,
            "1.0",
            "-0",
            "1e2",
            "{} {}",
            "",
            "[1,]",
            "NaN",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..=MAX_NUMBER).prop_map(Value::from),
            (-1000_i64..0).prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(r"[#-\[\]-~]{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The form that an implementation of OLPC's canonical JSON writes.
    fn olpc(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        let formatter = olpc_cjson::CanonicalFormatter::new();
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn reading_gives_the_form_that_is_signed(value in any_value()) {
            let signed = canonical(&value).unwrap();
            prop_assert_eq!(&signed, &olpc(&value));
            let spaced = serde_json::to_string_pretty(&value).unwrap();
            let (_, form) = read::<Value>(spaced.as_bytes()).unwrap();
            prop_assert_eq!(String::from_utf8(form).unwrap(), String::from_utf8(signed).unwrap());
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = "[".repeat(100_000);
        assert!(read::<Value>(deep.as_bytes()).is_err());
    }
}

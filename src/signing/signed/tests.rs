use std::collections::BTreeMap;

use super::*;
use crate::formats::tuf::Key;
use crate::signing::PrivateKey;
use serde_json::{Value, json};

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn keys(seeds: &[u8]) -> BTreeMap<KeyId, Key> {
    seeds.iter().map(|seed| key(*seed).public().key()).map(|key| (key.id(), key)).collect()
}

fn ids(seeds: &[u8]) -> Vec<KeyId> {
    seeds.iter().map(|seed| key(*seed).id()).collect()
}

fn signed(seeds: &[u8]) -> Signed<Value> {
    let keys: Vec<_> = seeds.iter().map(|seed| key(*seed)).collect();
    Signed::sign(json!({"b": [1, 2], "a": "x"}), &keys).unwrap()
}

#[test]
fn a_document_survives_its_bytes() {
    let document = signed(&[1, 2]);
    let again = Signed::<Value>::parse(document.raw().clone()).unwrap();
    assert_eq!(again.message(), br#"{"a":"x","b":[1,2]}"#);
    assert_eq!(again.signatures(), document.signatures());
    assert_eq!(again.raw(), document.raw());
    let (keys, ids) = (keys(&[1, 2]), ids(&[1, 2]));
    let authority = Authority { keys: &keys, keyids: &ids, threshold: 2 };
    assert_eq!(again.verify(authority), Ok(document.signed()));
}

#[test]
fn a_threshold_counts_distinct_trusted_keys() {
    let known = keys(&[1, 2, 3]);
    for (signers, trusted, threshold, valid) in [
        (&[1][..], &[1][..], 1, true),
        (&[1, 2], &[1, 2, 3], 2, true),
        (&[1], &[1, 2], 2, false),
        (&[1, 1], &[1, 2], 2, false),
        // Known, but not trusted for this role.
        (&[3], &[1, 2], 1, false),
        // Trusted, but its key is not known.
        (&[4], &[4], 1, false),
        (&[], &[1], 1, false),
        // A threshold of nothing still wants one.
        (&[], &[1], 0, false),
        // The same key listed twice.
        (&[1], &[1, 1], 2, false),
    ] {
        let ids = ids(trusted);
        let authority = Authority { keys: &known, keyids: &ids, threshold };
        assert_eq!(signed(signers).verify(authority).is_ok(), valid, "{signers:?} {trusted:?} {threshold}");
    }
}

#[test]
fn a_document_that_a_key_signs_twice_is_not_read_whether_or_not_it_was_before() {
    let once = String::from_utf8(signed(&[1]).raw().to_vec()).unwrap();
    let start = once.find('[').unwrap() + 1;
    let end = once.find(']').unwrap();
    let twice = Bytes::from(format!("{}{},{}", &once[..start], &once[start..end], &once[start..]));
    assert!(matches!(Signed::<Value>::parse(twice.clone()), Err(ParseError::SignsTwice(_))));
    assert!(Signed::<Value>::parse_again(&twice).is_none());
    assert!(Signed::<Value>::parse_again(&once.into()).is_some());
}

#[test]
fn a_signature_holds_for_its_bytes_only() {
    let (known, ids) = (keys(&[1]), ids(&[1]));
    let authority = Authority { keys: &known, keyids: &ids, threshold: 1 };
    let text = String::from_utf8(signed(&[1]).raw().to_vec()).unwrap();
    let parse = |text: String| Signed::<Value>::parse(text.into()).unwrap();

    // Spaces and the order of keys are not part of what is signed.
    let spaced = text.replace(r#""a":"x","b":[1,2]"#, "\"b\" : [1, 2],\n \"a\" : \"\\u0078\"");
    assert_ne!(spaced, text);
    assert!(parse(spaced).verify(authority).is_ok());
    // Everything else is.
    let wrong = SignatureError::Wrong(key(1).id());
    assert_eq!(parse(text.replace("[1,2]", "[1,3]")).verify(authority), Err(wrong));
}

#[test]
fn sloppy_documents_are_refused() {
    let text = String::from_utf8(signed(&[1]).raw().to_vec()).unwrap();
    let signature = text[text.find('[').unwrap() + 1..text.find(']').unwrap()].to_owned();
    for bad in [
        text.replace(r#""a":"x""#, r#""a":"x","a":"x""#),
        text.replace("[1,2]", "[1.0,2]"),
        text.replace(r#""x""#, r#""ä""#),
        text.replace(r#""x""#, r#""\n""#),
        text.replace(r#""signed""#, r#""extra":1,"signed""#),
        text.replace(&signature, &format!("{signature},{signature}")),
        format!("{text}{text}"),
        text.replace(r#""signed""#, r#""sined""#),
        String::new(),
    ] {
        assert_ne!(bad, text);
        assert!(Signed::<Value>::parse(bad.clone().into()).is_err(), "{bad}");
    }
}

#[test]
fn what_has_no_canonical_form_is_not_signed() {
    let error = Signed::sign(json!({"reason": "größer"}), [&key(1)]).unwrap_err();
    assert_eq!(error.to_string(), "the document cannot be signed");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("größer"), "{source}");
}

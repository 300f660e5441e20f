//! Whether bodies only grew: no field is gone, and none that has a value and is not a sentence says something
//! else.

use serde_json::Value;

/// The fields that hold sentences, which may be said better.
const SENTENCES: [&str; 6] = ["message", "why", "remedies", "title", "detail", "hint"];

/// Compares bodies, one in each line behind the words that name it.
pub fn grown(before: &str, after: &str) -> Result<(), String> {
    for old in before.lines() {
        let (name, old) = split(old);
        let new = after.lines().map(split).find(|(other, _)| *other == name);
        let (_, new) = new.ok_or_else(|| format!("`{name}` is gone"))?;
        let [old, new] = [old, new].map(|body| serde_json::from_str(body).unwrap());
        compare(name, &old, &new)?;
    }
    Ok(())
}

fn split(line: &str) -> (&str, &str) {
    let body = line.find('{').expect("a body is an object");
    (line[..body].trim_end(), &line[body..])
}

fn compare(place: &str, old: &Value, new: &Value) -> Result<(), String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().try_for_each(|(key, old)| {
            let place = format!("{place} .{key}");
            let new = new.get(key).ok_or_else(|| format!("`{place}` is gone"))?;
            if SENTENCES.contains(&key.as_str()) { Ok(()) } else { compare(&place, old, new) }
        }),
        // More can be advised than before.
        (Value::Array(old), Value::Array(new)) if place.ends_with(" .commands") => {
            match old.iter().find(|one| !new.contains(one)) {
                Some(one) => Err(format!("`{place}` no longer has {one}")),
                None => Ok(()),
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .try_for_each(|(index, (old, new))| compare(&format!("{place}[{index}]"), old, new)),
        (Value::Null, _) => Ok(()),
        _ if old == new => Ok(()),
        _ => Err(format!("`{place}` was {old} and is {new}")),
    }
}

#[test]
fn fields_may_come_and_sentences_may_change_and_nothing_else() {
    let old = r#"first /v1/x {"a":1,"message":"x","list":[{"b":null}]}"#;
    for (new, good) in [
        (r#"first /v1/x {"a":1,"message":"y","list":[{"b":null,"c":2}],"d":{}}"#, true),
        (r#"first /v1/x {"a":1,"message":"x","list":[{"b":3}]}"#, true),
        (r#"first /v1/x {"a":null,"message":"x","list":[{"b":null}]}"#, false),
        (r#"first /v1/x {"a":2,"message":"x","list":[{"b":null}]}"#, false),
        (r#"first /v1/x {"message":"x","list":[{"b":null}]}"#, false),
        (r#"first /v1/x {"a":1,"list":[{"b":null}]}"#, false),
        (r#"first /v1/x {"a":1,"message":"x","list":[]}"#, false),
        (r#"first /v1/y {"a":1,"message":"x","list":[{"b":null}]}"#, false),
    ] {
        assert_eq!(grown(old, new).is_ok(), good, "{new}");
    }
}

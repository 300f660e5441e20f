//! Finds the container images that a payload names.

use std::collections::BTreeSet;

use serde_json::Value;

/// Returns every string under a key `image` in a JSON document, at any depth: this is how Kubernetes
/// manifests name container images. Returns `None` if the bytes are not JSON.
pub fn images(payload: &[u8]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    collect(&serde_json::from_slice(payload).ok()?, &mut found);
    Some(found)
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "image" => drop(found.insert(text.clone())),
                    other => collect(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_in_the_containers_of_deployments() {
        let payload = br#"{"version": "1.8.4", "deployments": [{"spec": {"template": {"spec": {
            "initContainers": [{"name": "a", "image": "quay.io/x/init:1"}],
            "containers": [{"name": "b", "image": "quay.io/x/op:2", "imagePullPolicy": "Always"},
                           {"name": "c", "image": "quay.io/x/op:2"}]}}}}], "image": {"image": 7}}"#;
        let found: Vec<String> = images(payload).unwrap().into_iter().collect();
        assert_eq!(found, ["quay.io/x/init:1", "quay.io/x/op:2"]);
        assert_eq!(images(b"[]").unwrap().len(), 0);
        assert_eq!(images(b"\x7fELF"), None);
    }
}

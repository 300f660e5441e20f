//! Labels: small maps from names to strings, such as a release's links and components.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A name and its value.
type Named = (Box<str>, Box<str>);

/// An immutable map from names to strings, ordered by name.
///
/// A release's parsed file and every copy of the catalog hold its links and components. With 100,000
/// releases, separate maps would take more memory than everything else, so all copies share one slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<[Named]>>);

impl Labels {
    /// Whether there are no labels.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.0.as_deref()?;
        let place = all.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        Some(&all[place].1)
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|all| all.iter()).map(|(name, text)| (&**name, &**text))
    }
}

/// If a name occurs twice, the last value wins.
impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        let sorted: BTreeMap<String, String> = labels.into_iter().collect();
        if sorted.is_empty() {
            return Self(None);
        }
        Self(Some(sorted.into_iter().map(|(name, text)| (name.into(), text.into())).collect()))
    }
}

impl<const N: usize> From<[(String, String); N]> for Labels {
    fn from(labels: [(String, String); N]) -> Self {
        labels.into_iter().collect()
    }
}

impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_in_the_order_of_names_and_are_found_by_name() {
        let labels =
            Labels::from([("b", "2"), ("a", "1"), ("b", "3")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!((labels.get("b"), labels.get("c")), (Some("3"), None));
        assert!(Labels::default().is_empty() && Labels::from([]).is_empty() && !labels.is_empty());
    }

    #[test]
    fn labels_are_a_map_in_json() {
        let json = r#"{"a":"1","b":"2"}"#;
        let labels: Labels = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&labels).unwrap(), json);
        assert_eq!(serde_json::to_string(&Labels::default()).unwrap(), "{}");
    }
}

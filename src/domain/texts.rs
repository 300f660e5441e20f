//! Small tables of texts, as releases have them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A name and its text.
type Named = (Box<str>, Box<str>);

/// Texts by name, in the order of names; never changed after they were made.
///
/// A release's links and components are in the file as it was read and in every copy of the
/// catalog. Of 100,000 releases each map would take more room than all else of the release
/// together: here all share one slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(Option<Arc<[Named]>>);

impl Texts {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The text with a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.0.as_deref()?;
        let place = all.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        Some(&all[place].1)
    }

    /// Names and texts, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|all| all.iter()).map(|(name, text)| (&**name, &**text))
    }
}

/// Of texts with the same name the last one counts.
impl FromIterator<(String, String)> for Texts {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        let sorted: BTreeMap<String, String> = texts.into_iter().collect();
        if sorted.is_empty() {
            return Self(None);
        }
        Self(Some(sorted.into_iter().map(|(name, text)| (name.into(), text.into())).collect()))
    }
}

impl<const N: usize> From<[(String, String); N]> for Texts {
    fn from(texts: [(String, String); N]) -> Self {
        texts.into_iter().collect()
    }
}

impl serde::Serialize for Texts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_in_the_order_of_names_and_are_found_by_name() {
        let texts =
            Texts::from([("b", "2"), ("a", "1"), ("b", "3")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(texts.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!((texts.get("b"), texts.get("c")), (Some("3"), None));
        assert!(Texts::default().is_empty() && Texts::from([]).is_empty() && !texts.is_empty());
    }

    #[test]
    fn texts_are_a_map_in_json() {
        let json = r#"{"a":"1","b":"2"}"#;
        let texts: Texts = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&texts).unwrap(), json);
        assert_eq!(serde_json::to_string(&Texts::default()).unwrap(), "{}");
    }
}

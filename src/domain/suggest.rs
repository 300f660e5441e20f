//! Suggests known names for a misspelt one.

/// The maximum number of suggestions. More would not help.
const SUGGESTED: usize = 3;

/// Longer input gets no suggestions. No known name is that long, so comparing would only waste time.
const LONGEST: usize = 100;

/// Shorter input is the beginning of too many names.
const BEGINNING: usize = 3;

/// Returns the known names most similar to an unknown one, the most similar first. Names that differ in
/// more than a quarter of their characters are left out, unless they begin with it.
pub fn suggest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if wanted.len() > LONGEST {
        return Vec::new();
    }
    let far = 1 + wanted.chars().count() / 4;
    let beginning = wanted.to_lowercase();
    let begins = |name: &str| wanted.len() >= BEGINNING && name.to_lowercase().starts_with(&beginning);
    let mut names: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, name)| *distance <= far || begins(name))
        .collect();
    names.sort_unstable();
    names.into_iter().take(SUGGESTED).map(|(_, name)| name).collect()
}

/// Counts the characters that are missing, superfluous, wrong or swapped with their neighbour, ignoring
/// case.
pub fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_most_alike_are_suggested_and_others_are_not() {
        let versions = ["1.8.4-tectonic.1", "1.8.4-tectonic.2", "1.9.6-tectonic.1", "something"];
        assert_eq!(suggest("1.8.4-tectonic.3", versions)[..2], ["1.8.4-tectonic.1", "1.8.4-tectonic.2"]);
        assert_eq!(suggest("1.8.4-tektonic.1", versions)[0], "1.8.4-tectonic.1");
        assert_eq!(suggest("1.8-Prod", ["1.8-production", "1.8-preproduction"]), ["1.8-production"]);
        assert!(suggest("x", versions).is_empty());
        assert!(suggest("so", versions).is_empty());
        assert!(suggest(&"x".repeat(1000), versions).is_empty());

        let keys = ["stages", "freezes", "title", "line"];
        for (text, key) in [
            ("stage", Some("stages")),
            ("Stages", Some("stages")),
            ("freeze", Some("freezes")),
            ("titel", Some("title")),
            ("lnie", Some("line")),
            ("owner", None),
            ("", None),
        ] {
            assert_eq!(suggest(text, keys).first().copied(), key, "{text}");
        }
    }
}

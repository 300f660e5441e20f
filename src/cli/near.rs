//! Names that are near a misspelt one.

/// How many near names are told: more help nobody.
const TOLD: usize = 3;

/// The known names nearest to one that is not known, the nearest first; none that is far off.
pub fn near<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let far = 1 + wanted.chars().count() / 4;
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= far)
        .collect();
    near.sort_unstable();
    near.into_iter().take(TOLD).map(|(_, name)| name).collect()
}

/// A hint that tells near names, or else what to do to see all.
pub fn hint<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>, all: &str) -> String {
    let near: Vec<String> = near(wanted, known).into_iter().map(|name| format!("`{name}`")).collect();
    if near.is_empty() { all.to_owned() } else { format!("there is {}; {all}", near.join(", ")) }
}

/// How many characters must be put in, taken out or exchanged (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_told_and_far_ones_are_not() {
        let known = ["1.8.4-tectonic.1", "1.8.4-tectonic.2", "1.9.6-tectonic.1", "something"];
        assert_eq!(near("1.8.4-tectonic.3", known)[..2], ["1.8.4-tectonic.1", "1.8.4-tectonic.2"]);
        assert_eq!(near("1.8.4-tektonic.1", known)[0], "1.8.4-tectonic.1");
        assert!(near("x", known).is_empty());
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}

//! What a cluster is advised to do.

use maud::{Markup, html};

use super::super::text::sentence;

/// How an address begins at which the server says more than it has signed.
const ADDRESS: &str = "`curl '";

/// What a cluster is advised to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub text: String,
    /// What only the server can tell, without proof, and where.
    unsigned: Vec<String>,
    /// The channel to follow first, if it is another one than the advice is about.
    pub first: Option<String>,
}

impl Advice {
    /// Takes a message apart. `word` is what it begins with where the page has said that already.
    pub fn new(message: &str, word: &str, first: Option<String>) -> Self {
        let told = message.strip_prefix(word).map_or(message, |told| told.trim_start_matches([':', ' ']));
        let (unsigned, told): (Vec<_>, Vec<_>) = told.split("; ").partition(|part| part.contains(ADDRESS));
        let unsigned = unsigned.into_iter().map(str::to_owned).collect();
        Self { text: told.join("; "), unsigned, first }
    }

    /// What only the server can tell, in small print.
    pub(super) fn unsigned(&self) -> Markup {
        html! { @for part in &self.unsigned { p.soft.small { (sentence(part)) } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_loses_what_the_page_says_already_and_what_nobody_has_signed() {
        let curl = "the server may know of one: `curl 'http://s/v1/channels/1.8/update?version=1.8.9'`";
        for (message, word, text, unsigned) in [
            (
                "blocked: line `1.8` is closed: follow `1.7`",
                "blocked",
                "line `1.8` is closed: follow `1.7`",
                "",
            ),
            ("blocked: line `1.8` is closed", "wait", "blocked: line `1.8` is closed", ""),
            ("wait: nothing yet; ask again", "wait", "nothing yet; ask again", ""),
            (&format!("up to date: nothing newer; {curl}"), "up to date", "nothing newer", curl),
        ] {
            let Advice { text: found, unsigned: parts, .. } = Advice::new(message, word, None);
            assert_eq!((found.as_str(), parts.concat().as_str()), (text, unsigned), "{message}");
        }
    }
}

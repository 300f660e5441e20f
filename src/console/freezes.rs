//! Freezes, with the lines that they are for.

use crate::domain::Time;
use crate::domain::line::Line;
use crate::domain::policy::Freeze;
use crate::words::and_more;

/// A freeze, and the lines that it is for.
#[derive(Debug, Clone)]
pub struct Frozen<'a> {
    pub freeze: &'a Freeze,
    pub lines: Vec<&'a Line>,
}

/// The freezes of these lines that have not ended by `now`, each once.
pub fn freezes<'a>(lines: impl IntoIterator<Item = &'a Line>, now: Time) -> Vec<Frozen<'a>> {
    let mut all: Vec<Frozen<'a>> = Vec::new();
    for line in lines {
        for freeze in line.freezes.iter().filter(|freeze| now < freeze.until) {
            match all.iter_mut().find(|frozen| frozen.freeze == freeze) {
                Some(frozen) => frozen.lines.push(line),
                None => all.push(Frozen { freeze, lines: vec![line] }),
            }
        }
    }
    all.sort_by_key(|frozen| frozen.freeze.from);
    all
}

impl Frozen<'_> {
    /// The lines that it is for, of so many in the catalog.
    pub(super) fn for_lines(&self, of: usize) -> String {
        if self.lines.len() == of {
            return "For every line".to_owned();
        }
        let names: Vec<&str> = self.lines.iter().take(8).map(|line| line.name.as_str()).collect();
        format!("For line {}{}", names.join(", "), and_more(self.lines.len() - names.len()))
    }
}

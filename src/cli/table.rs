//! Tables for people.

use std::fmt::{self, Write};

pub use crate::words::counted;

/// Rows under a header. Each column is as wide as its widest cell.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: impl IntoIterator<Item = &'static str>) -> Self {
        Self { head: head.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row. An empty cell is shown as `-`, and a line break as `\n`, so that a row is one line.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell.replace('\n', "\\n") };
        let cells = cells.into_iter().map(shown);
        self.rows.push(cells.collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Formats names and their values, one pair on each line. Further lines of a value stay in its column.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let below = format!("\n{:width$}  ", "");
    let mut words = String::new();
    for (name, value) in pairs {
        // Writing to a `String` cannot fail.
        let _ = writeln!(words, "{name:<width$}  {}", value.replace('\n', &below));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(["VERSION", "WHY"]);
        table.row(["1.8.4-tectonic.1".to_owned(), "held: etcd".to_owned()]);
        table.row(["1.9".to_owned(), String::new()]);
        table.row(["2.0".to_owned(), "a\nb".to_owned()]);
        assert_eq!(
            table.to_string(),
            "VERSION           WHY\n1.8.4-tectonic.1  held: etcd\n1.9               -\n2.0               a\\nb\n"
        );
        assert_eq!(
            pairs(&[("state", "a\nb".to_owned()), ("by", String::new())]),
            "state  a\n       b\nby     \n"
        );
    }
}

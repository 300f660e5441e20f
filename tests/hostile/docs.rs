//! The documentation says what these tests show, all of it and no more.

use std::fmt::Write as _;

use super::attacks::attacks;
use super::judged::taken_by;
use super::narrowing::NARROWINGS;
use super::payload::SWAPS;
use super::wire::FAULTS;

/// The tables of the section, one row for each attack.
fn tables() -> [String; 3] {
    let refused = attacks().map(|attack| vec![attack.name.to_owned(), code(attack.kind), taken_by(attack)]);
    let on_the_way = FAULTS.iter().map(|fault| (fault.name, fault.kind));
    let payloads = SWAPS.iter().map(|swap| (swap.name, swap.kind));
    let narrowed = NARROWINGS.iter().map(|narrowing| (narrowing.name, narrowing.answer));
    let two = |(name, what): (&str, &str)| vec![name.to_owned(), code(what)];
    [
        table(&["what is served", "is refused as", "is accepted by"], refused.collect()),
        table(
            &["what comes instead of a file", "is refused as"],
            on_the_way.chain(payloads).map(two).collect(),
        ),
        table(&["what the online key does", "the cluster's answer"], narrowed.map(two).collect()),
    ]
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).unwrap();
    }
    text
}

#[test]
fn the_documentation_lists_every_attack_and_what_comes_of_it() {
    let docs = include_str!("../../docs/cluster.md");
    let section = docs.split("\n## What a hostile server can do\n").nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    for table in tables() {
        assert!(section.contains(&table), "docs/cluster.md lacks this table:\n{table}");
    }
    let rows = |text: &str| text.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(rows(section), tables().iter().map(|table| rows(table)).sum::<usize>());
}

#[test]
fn every_kind_of_refusal_is_documented() {
    let docs = include_str!("../../docs/cluster.md");
    let source =
        [include_str!("../../src/cluster/refusal.rs"), include_str!("../../src/signing/violation.rs")];
    let kinds = source
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\","));
    let kinds: Vec<_> = kinds.filter(|kind| kind.chars().all(char::is_alphanumeric)).collect();
    assert!(kinds.len() > 25, "{kinds:?}");
    for kind in kinds {
        assert!(docs.contains(&format!("`{kind}`")), "{kind}");
    }
}

//! The documentation says what these tests show, all of it and no more.

use std::fmt::Write as _;

use super::attacks::ATTACKS;
use super::narrowing::NARROWINGS;
use super::payload::SWAPS;
use super::wire::FAULTS;

/// The tables of the section, one row for each attack.
fn tables() -> [String; 3] {
    let refused = ATTACKS.iter().map(|attack| (attack.name, attack.kind));
    let on_the_way = FAULTS.iter().map(|fault| (fault.name, fault.kind));
    let payloads = SWAPS.iter().map(|swap| (swap.name, swap.kind));
    let narrowed = NARROWINGS.iter().map(|narrowing| (narrowing.name, narrowing.answer));
    let table = |left: &str, right: &str, rows: Vec<(&str, &str)>| {
        let mut text = format!("| {left} | {right} |\n|---|---|\n");
        for (name, what) in rows {
            writeln!(text, "| {name} | `{what}` |").unwrap();
        }
        text
    };
    [
        table("what is served", "is refused as", refused.collect()),
        table("what comes instead of a file", "is refused as", on_the_way.chain(payloads).collect()),
        table("what the online key does", "the cluster's answer", narrowed.collect()),
    ]
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
    let source = include_str!("../../src/cluster/refusal.rs");
    let kinds = source.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\","));
    let kinds: Vec<_> = kinds.filter(|kind| kind.chars().all(char::is_alphanumeric)).collect();
    assert!(kinds.len() > 25, "{kinds:?}");
    for kind in kinds {
        assert!(docs.contains(&format!("`{kind}`")), "{kind}");
    }
}

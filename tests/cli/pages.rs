//! The pages in `docs/` name what the tree of commands has, all of it and no more.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Command, CommandFactory};
use tidegate::cli::Cli;

const COMMANDS: &str = include_str!("../../docs/cli.md");
const OPERATING: &str = include_str!("../../docs/operating.md");

/// Every command that does something, by its name, `release add`.
fn leaves() -> BTreeMap<String, Command> {
    fn walk(command: &Command, name: &str, leaves: &mut BTreeMap<String, Command>) {
        if !command.has_subcommands() {
            leaves.insert(name.to_owned(), command.clone());
        }
        let shown = |command: &&Command| command.get_name() != "help" && !command.is_hide_set();
        for inner in command.get_subcommands().filter(shown) {
            walk(inner, format!("{name} {}", inner.get_name()).trim_start(), leaves);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut leaves = BTreeMap::new();
    walk(&root, "", &mut leaves);
    leaves
}

/// The flags of a command that are its own: not `--help`, and not those that all have.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let own = |arg: &&Arg| !arg.is_global_set() && arg.get_id() != "help";
    command.get_arguments().filter(own).filter(|arg| arg.get_long().is_some())
}

/// The rows of the page whose first cell begins with a command, by the command.
fn rows<'p>(page: &'p str, commands: &BTreeMap<String, Command>) -> BTreeMap<String, Vec<&'p str>> {
    let mut rows: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `--")) {
        let asked = row.trim_start_matches("| `");
        if !cfg!(feature = "client") && asked.starts_with("cluster ") {
            continue;
        }
        let begins = |name: &&String| {
            asked.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with([' ', '`']))
        };
        let name = commands.keys().find(begins).unwrap_or_else(|| panic!("no command is called so: {row}"));
        rows.entry(name.clone()).or_default().push(row);
    }
    rows
}

#[test]
fn every_command_and_every_flag_has_its_place() {
    let commands = leaves();
    assert!(commands.len() > 30, "{:?}", commands.keys());
    let rows = rows(COMMANDS, &commands);
    assert_eq!(rows.keys().collect::<Vec<_>>(), commands.keys().collect::<Vec<_>>());
    let shared: Vec<&str> = COMMANDS.lines().filter(|line| line.starts_with("| `--")).collect();
    for (name, command) in &commands {
        for flag in flags(command).filter_map(Arg::get_long) {
            let written = format!("--{flag}");
            let named = |line: &&str| line.split(&written).skip(1).any(|rest| rest.starts_with([' ', '`']));
            let told = rows[name].iter().chain(&shared).any(named);
            assert!(told, "docs/cli.md does not tell `--{flag}` of `{name}`");
        }
    }
}

#[test]
fn no_flag_is_told_of_that_a_command_has_not() {
    let commands = leaves();
    for (name, rows) in rows(COMMANDS, &commands) {
        let has: BTreeSet<&str> = flags(&commands[&name]).filter_map(Arg::get_long).collect();
        for row in rows {
            for told in row.split('`').skip(1).step_by(2).flat_map(str::split_whitespace) {
                let Some(flag) = told.strip_prefix("--") else { continue };
                // Another command's, as in `serve --mirror`.
                let elsewhere = row.contains(&format!("`serve {told}`"));
                assert!(has.contains(flag) || elsewhere, "docs/cli.md tells `{told}` of `{name}`");
            }
        }
    }
}

#[test]
fn every_variable_has_its_row() {
    let mut expected: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for (name, command) in leaves() {
        for arg in command.get_arguments() {
            let Some(variable) = arg.get_env() else { continue };
            let entry = expected.entry(format!("`{}`", variable.to_string_lossy())).or_default();
            entry.0.extend(arg.get_long().map(|flag| format!("`--{flag}`")));
            let of = if arg.is_global_set() { "every command".to_owned() } else { format!("`{name}`") };
            entry.1.insert(of);
        }
    }
    assert!(expected.len() > 15, "{expected:?}");
    // What is logged is said before there are arguments.
    expected.insert("`TIDEGATE_LOG`".to_owned(), (BTreeSet::new(), BTreeSet::new()));
    let told: BTreeMap<_, _> = OPERATING
        .lines()
        .filter(|line| line.starts_with("| `TIDEGATE_"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let flags = cells[2].split(", ").filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
            let of = cells[3].rsplit(": ").next().unwrap().split(", ");
            let of = of.filter(|_| cells[1] != "`TIDEGATE_LOG`").map(str::to_owned).collect();
            (cells[1].to_owned(), (flags, of))
        })
        .collect();
    assert_eq!(told, expected, "the table of variables in docs/operating.md");
}

//! Every command that a hint, an example or a page shows is one that the command line accepts.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;
use tidegate::cli::Cli;

use super::files;

/// A command as it is shown, and whether it is only mentioned: on a page or in help, and not to be copied.
type Shown = (String, bool);

/// The commands of a text: what begins with `tidegate` in backticks, in a line of an example, or in a string of
/// `words` or of a page of the console that is a command alone.
fn commands(text: &str, path: &Path) -> Vec<Shown> {
    let is_page = path.extension().is_some_and(|end| end == "md");
    // The repository may be in a folder of any name.
    let room = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path);
    let is_for_people = ["src/words", "src/console"].iter().any(|own| room.starts_with(own));
    // An example or a string that goes on in the next line, and a quote in a string.
    let lines = text.replace("\\\\\n", "\\\n").replace("\\\"", "\"");
    let mut parts = lines.split("\\\n");
    let first = parts.next().unwrap().to_owned();
    let text = parts.fold(first, |text, part| text + part.trim_start());
    let command = |(place, _): (usize, &str)| {
        let (before, rest) = text.split_at(place);
        let margin = before.rsplit('\n').next().unwrap();
        let end: &[char] = match before.chars().next_back() {
            Some('`') => &['`'],
            Some('"') if is_for_people => &['"', '`'],
            _ if margin.trim_start_matches(['$', '(', ' ']).is_empty() => &['\n', '`'],
            _ => return None,
        };
        let shown = rest.split(end).next().unwrap();
        // What follows many spaces says what an example is for.
        let ends = ["   ", " #", " | ", " || ", " && ", " > ", " 3<", "\")]", "\").", ";", ")\""];
        let end = ends.iter().filter_map(|end| shown.find(end)).min().unwrap_or(shown.len());
        let is_command = !shown.starts_with("tidegate {") && !shown.contains("[OPTIONS]");
        is_command.then(|| (shown[..end].to_owned(), is_page || margin.trim_start().starts_with("//")))
    };
    text.match_indices("tidegate ").filter_map(command).collect()
}

/// The words of a command with each placeholder filled in: words in capitals, and with `value` what a format
/// string fills in.
fn words(command: &str, value: &str) -> Vec<String> {
    let mut filled = String::new();
    for (place, part) in command.split('{').enumerate() {
        let rest = if place == 0 { part } else { part.split_once('}').map_or(part, |(_, rest)| rest) };
        // What follows a word at once is a further flag, or nothing.
        let is_suffix = filled.ends_with(|last: char| last.is_alphanumeric());
        filled += if place == 0 || is_suffix { "" } else { value };
        filled += rest;
    }
    for (placeholder, value) in [
        ("URL|DIR", "DIR"),
        ("URL", "http://127.0.0.1:1"),
        ("VERSION", "1.8.4"),
        ("TIME", "2018-01-01T00:00:00Z"),
        (":LINE=", ":1.8="),
        ("LINE", "1.8"),
        ("NUMBERS", "2"),
        ("WHAT", "hold/1.8.4"),
        ("ROLE", "root"),
        ("CHANNEL", "1.8-production"),
        ("COMMAND", "promote"),
        ("NAME", "prod"),
        ("…", ""),
    ] {
        filled = filled.replace(placeholder, value);
    }
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in filled.trim().chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(mark)) if c == mark => quote = None,
            (' ' | '\n', None) => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Why the command line does not accept a command. One that is only mentioned, or named without any flag, may
/// lack arguments.
fn refusal((command, is_mention): &Shown) -> Option<String> {
    let refusal = |value: &str| {
        let words = words(command, value);
        let is_named = !words.iter().any(|word| word.starts_with('-'));
        let error = Cli::try_parse_from(&words).err()?;
        let is_accepted = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => is_named || *is_mention,
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => *is_mention,
            _ => false,
        };
        (!is_accepted).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
    };
    // What a format string fills in is a name or a version, something to loosen, or a role.
    ["hold/1.8.4", "root"].into_iter().try_fold(refusal("1.8.4")?, |why, value| refusal(value).map(|_| why))
}

#[test]
fn every_command_that_is_shown_is_one_that_the_command_line_accepts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut wrong, mut count) = (Vec::new(), 0);
    // What tests say is not shown to anybody.
    let is_test = |path: &PathBuf| {
        path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
    };
    let sources = files("src").into_iter().filter(|path| !is_test(path));
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    // A test runs what the example for CI has.
    let pages = pages.filter(|path| path.extension().is_some_and(|end| end == "md"));
    for path in sources.chain(pages).chain([root.join("README.md")]) {
        for shown in commands(&fs::read_to_string(&path).unwrap(), &path) {
            count += 1;
            wrong.extend(refusal(&shown).map(|why| format!("{}: {}\n  {why}", path.display(), shown.0)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 300, "only {count} commands were found");
}

#[test]
fn a_command_with_a_flag_that_does_not_exist_is_found() {
    for (source, expected) in [
        (r#"f("run `tidegate release hold {version} --why TEXT`")"#, 1),
        (r#"format!("tidegate channel stop {channel}")"#, 1),
        (r#""see `tidegate root change --renew ROLE --reson TEXT`""#, 1),
        ("Examples:\n  tidegate promote --dryrun   what comes", 1),
        (r#"f("run `tidegate release hold {version} --reason TEXT`, or `tidegate status`")"#, 0),
        (r#"format!("tidegate release sign {version} --key FILE{targets}")"#, 0),
        ("Examples:\n  tidegate promote --dry-run   what comes", 0),
        ("/// What `tidegate root change --renew` takes", 0),
        ("// tidegate does that", 0),
    ] {
        let shown = commands(source, Path::new("src/words/hints.rs"));
        let found: Vec<String> = shown.iter().filter_map(refusal).collect();
        assert_eq!(found.len(), expected, "{source}: {found:?}");
    }
}

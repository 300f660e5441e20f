//! Which log lines are written.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// actix logs every malformed request as an error, but only the client that sent it needs to know.
const STRANGERS: &str = "actix_http";

/// The parts of this program that log: this crate, and the libraries that it is built with.
const PARTS: [&str; 12] = [
    "tidegate",
    "actix_codec",
    "actix_http",
    "actix_router",
    "actix_server",
    "actix_tls",
    "actix_web",
    "hyper",
    "hyper_util",
    "mio",
    "reqwest",
    "rustls",
];

/// The levels, from the fewest lines to the most.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// Why a filter cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misspelt {
    #[error("`{0}` is neither a log level nor a part of this program")]
    Name(String),
    #[error("`{0}` is not a log level")]
    Level(String),
    #[error("`{0}` is not a part of this program")]
    Part(String),
}

/// Returns the filter of this process: `wanted`, or else `default` for everything. What `wanted` does not
/// mention is logged from warnings on, so that a filter for one part hides no warning of another. Malformed
/// requests are logged only if the filter names `STRANGERS`.
///
/// # Errors
/// If `wanted` has a word that this program does not know.
pub fn filter(wanted: Option<&str>, default: LevelFilter) -> Result<Targets, Misspelt> {
    let directives = wanted.map(parse).transpose()?.unwrap_or_default();
    let mut filter =
        Targets::new().with_default(if directives.is_empty() { default } else { LevelFilter::WARN });
    if !directives.iter().any(|(part, _)| part.is_some_and(|part| root(part) == STRANGERS)) {
        filter = filter.with_target(STRANGERS, LevelFilter::OFF);
    }
    for (part, level) in directives {
        filter = match part {
            Some(part) => filter.with_target(part, level),
            None => filter.with_default(level),
        };
    }
    Ok(filter)
}

/// Reads a list of `LEVEL`, `PART=LEVEL` and `PART`, which stands for every line of that part.
fn parse(wanted: &str) -> Result<Vec<(Option<&str>, LevelFilter)>, Misspelt> {
    let words = wanted.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match word.split_once('=') {
            Some((part, _)) if !is_part(part) => Err(Misspelt::Part(part.to_owned())),
            Some((part, name)) => {
                let level = level(name).ok_or_else(|| Misspelt::Level(name.to_owned()))?;
                Ok((Some(part), level))
            }
            None => match level(word) {
                Some(level) => Ok((None, level)),
                None if is_part(word) => Ok((Some(word), LevelFilter::TRACE)),
                None => Err(Misspelt::Name(word.to_owned())),
            },
        })
        .collect()
}

fn level(name: &str) -> Option<LevelFilter> {
    LEVELS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
}

fn is_part(part: &str) -> bool {
    PARTS.contains(&root(part))
}

/// Returns the crate of a part such as `tidegate::promoter`.
fn root(part: &str) -> &str {
    part.split("::").next().unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_heard_unless_they_are_asked_for_by_name() {
        for (wanted, expected) in [
            (None, "actix_http=off,info"),
            (Some("warn"), "actix_http=off,warn"),
            (Some("warn,actix_http=error"), "actix_http=error,warn"),
            (Some("actix_http::h1=debug"), "actix_http::h1=debug,warn"),
        ] {
            assert_eq!(filter(wanted, LevelFilter::INFO).unwrap().to_string(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_filter_that_names_parts_loses_no_warning_of_the_others() {
        for (wanted, expected) in [
            ("tidegate=debug", "actix_http=off,tidegate=debug,warn"),
            ("tidegate::promoter", "tidegate::promoter=trace,actix_http=off,warn"),
            (" WARN , rustls=Trace,", "actix_http=off,rustls=trace,warn"),
            ("error,tidegate=info", "actix_http=off,tidegate=info,error"),
            (",", "actix_http=off,info"),
        ] {
            assert_eq!(filter(Some(wanted), LevelFilter::INFO).unwrap().to_string(), expected, "{wanted}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_and_no_part_is_refused() {
        for (wanted, expected) in [
            ("warning", Misspelt::Name("warning".to_owned())),
            ("info,tide", Misspelt::Name("tide".to_owned())),
            ("tidegate=verbose", Misspelt::Level("verbose".to_owned())),
            ("tidegate=", Misspelt::Level(String::new())),
            ("tidegates=info", Misspelt::Part("tidegates".to_owned())),
            ("=info", Misspelt::Part(String::new())),
        ] {
            assert_eq!(filter(Some(wanted), LevelFilter::INFO).unwrap_err(), expected, "{wanted}");
        }
    }
}

//! A line of the access log, in the same forms as all other lines of the log.
//!
//! `tracing` could write it too, but that took a third of the time that the request took.

use std::io::Write as _;

use chrono::{Datelike as _, Timelike as _};

use crate::cli::LogFormat;
use crate::cli::clean::Clean;
use crate::domain::Time;
use crate::http::{ACCESS, AccessLine, Logged};

/// Appends a line. Allocates nothing if all texts are plain.
pub fn render(line: &AccessLine<'_>, format: LogFormat, out: &mut Vec<u8>) {
    match format {
        LogFormat::Text => text(line, out),
        LogFormat::Json => json(line, out),
    }
    out.push(b'\n');
}

fn text(line: &AccessLine<'_>, out: &mut Vec<u8>) {
    let AccessLine { at, id, client, method, path, status, bytes, took, query, problem } = *line;
    time(at, out);
    for part in ["  INFO ", ACCESS, ": id="] {
        out.extend_from_slice(part.as_bytes());
    }
    quoted(id, LogFormat::Text, out);
    if let Some(client) = client {
        // Writing to a `Vec` cannot fail.
        let _ = write!(out, " client={client}");
    }
    out.extend_from_slice(b" method=");
    quoted(method, LogFormat::Text, out);
    out.extend_from_slice(b" path=");
    quoted(path, LogFormat::Text, out);
    out.extend_from_slice(b" status=");
    number(status.into(), out);
    out.extend_from_slice(b" bytes=");
    number(bytes, out);
    out.extend_from_slice(b" micros=");
    number(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), out);
    for (name, value) in fields(query, problem) {
        for part in [" ", name, "="] {
            out.extend_from_slice(part.as_bytes());
        }
        quoted(value, LogFormat::Text, out);
    }
}

fn json(line: &AccessLine<'_>, out: &mut Vec<u8>) {
    let AccessLine { at, id, client, method, path, status, bytes, took, query, problem } = *line;
    out.extend_from_slice(b"{\"timestamp\":\"");
    time(at, out);
    out.extend_from_slice(b"\",\"level\":\"INFO\",\"fields\":{\"id\":");
    quoted(id, LogFormat::Json, out);
    if let Some(client) = client {
        let _ = write!(out, ",\"client\":\"{client}\"");
    }
    out.extend_from_slice(b",\"method\":");
    quoted(method, LogFormat::Json, out);
    out.extend_from_slice(b",\"path\":");
    quoted(path, LogFormat::Json, out);
    out.extend_from_slice(b",\"status\":");
    number(status.into(), out);
    out.extend_from_slice(b",\"bytes\":");
    number(bytes, out);
    out.extend_from_slice(b",\"micros\":");
    number(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), out);
    for (name, value) in fields(query, problem) {
        for part in [",\"", name, "\":"] {
            out.extend_from_slice(part.as_bytes());
        }
        quoted(value, LogFormat::Json, out);
    }
    for part in ["},\"target\":\"", ACCESS, "\"}"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The fields that only some lines have.
fn fields<'a>(
    query: &'a Logged<'_>,
    problem: Option<&'a str>,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    query.fields().chain(problem.map(|problem| ("problem", problem)))
}

/// Appends a text in quotes. What a client sent can contain anything, so whatever is not plain is escaped.
fn quoted(text: &str, format: LogFormat, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let escaped = match format {
        LogFormat::Text => format!("{text:?}"),
        LogFormat::Json => serde_json::Value::from(text).to_string(),
    };
    // Writing to a `Vec` cannot fail.
    let _ = Clean(out).write_all(escaped.as_bytes());
}

/// Appends a time as `2018-01-01T00:00:00.000000Z`.
fn time(at: Time, out: &mut Vec<u8>) {
    let year = at.year().unsigned_abs();
    padded(year, 4, out);
    for (separator, part) in
        [(b'-', at.month()), (b'-', at.day()), (b'T', at.hour()), (b':', at.minute()), (b':', at.second())]
    {
        out.push(separator);
        padded(part, 2, out);
    }
    out.push(b'.');
    padded(at.timestamp_subsec_micros(), 6, out);
    out.push(b'Z');
}

/// Appends a number with leading zeros.
fn padded(mut number: u32, digits: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing_subscriber::fmt::format::Writer;
    use tracing_subscriber::fmt::time::FormatTime;

    use super::*;

    const AT: &str = "2018-01-02T03:04:05.000678Z";

    /// What `tracing` writes for the same request.
    fn traced(line: &AccessLine<'_>, format: LogFormat) -> String {
        struct At;
        impl FormatTime for At {
            fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
                writer.write_str(AT)
            }
        }
        struct Out(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Out {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                Clean(&mut *self.0.lock().unwrap()).write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&written);
        let builder = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_timer(At)
            .with_writer(move || Out(Arc::clone(&out)));
        let log = || {
            tracing::info!(
                target: ACCESS,
                id = line.id,
                client = line.client.map(tracing::field::display),
                method = line.method,
                path = line.path,
                status = line.status,
                bytes = line.bytes,
                micros = u64::try_from(line.took.as_micros()).unwrap(),
                channel = line.query.channel.as_deref(),
                version = line.query.version.as_deref(),
                arch = line.query.arch.as_deref(),
                problem = line.problem,
            );
        };
        match format {
            LogFormat::Text => tracing::subscriber::with_default(builder.finish(), log),
            LogFormat::Json => tracing::subscriber::with_default(builder.json().finish(), log),
        }
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_is_the_one_that_tracing_would_write() {
        let plain = AccessLine {
            at: AT.parse().unwrap(),
            id: "9f86-1",
            client: Some("2001:db8::1".parse().unwrap()),
            method: "GET",
            path: "/v1/channels/1.8-production",
            status: 200,
            bytes: 1_048_576,
            took: Duration::from_nanos(1_234_567),
            query: &Logged { version: Some("1.8.4".into()), ..Logged::default() },
            problem: None,
        };
        let odd = AccessLine {
            id: "",
            client: None,
            query: &Logged { channel: Some("a\n\u{1b}b".into()), arch: Some("".into()), ..Logged::default() },
            path: "/\"a\\b\u{1b}[31m\u{202e}ä\n",
            status: 404,
            bytes: 0,
            took: Duration::ZERO,
            problem: Some("unknown_route"),
            ..plain
        };
        for line in [plain, odd] {
            for format in [LogFormat::Text, LogFormat::Json] {
                let mut out = Vec::new();
                render(&line, format, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), traced(&line, format));
            }
        }
    }
}

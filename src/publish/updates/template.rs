//! Answers with holes for what belongs to the channel that a cluster follows.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::json;
use crate::domain::catalog::ChannelRef;
use crate::domain::degraded::LineRefusal;
use crate::domain::steps;
use crate::domain::upgrade::{Advice, Step};
use crate::formats::api::UpdateBody;
use crate::publish::document::{Document, Media};
use crate::words::Goal;

/// The character before the letter of each [hole](Hole). No text of a catalog may have a control character, and
/// JSON does not escape this one.
const MARK: char = '\u{7f}';

/// An answer as JSON, with marked holes. It says everything except what belongs to the channel that the
/// cluster follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Template(Box<str>);

/// What the holes of templates are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// The channel.
    Channel,
    /// Its line.
    Line,
    /// The line that this one follows.
    Before,
    /// The release from which the line can be entered.
    Take,
    /// The channel that offers that release.
    TakeFrom,
    /// The end of the sentence if the line was refused.
    Refused,
    /// The field that says so.
    LineRefused,
}

impl Hole {
    const ALL: [Self; 7] = [
        Self::Channel,
        Self::Line,
        Self::Before,
        Self::Take,
        Self::TakeFrom,
        Self::Refused,
        Self::LineRefused,
    ];

    /// The hole in a text.
    fn mark(self) -> String {
        [MARK, char::from(b'a' + self as u8)].iter().collect()
    }

    /// The hole whose letter a text begins with, and the rest of the text.
    fn begins(text: &str) -> Option<(Self, &str)> {
        let (letter, rest) = text.split_at_checked(1)?;
        let place = letter.as_bytes()[0].checked_sub(b'a')?;
        Some((*Self::ALL.get(usize::from(place))?, rest))
    }
}

/// What one channel puts into the holes of templates, as JSON. What it has not is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filling([Box<str>; Hole::ALL.len()]);

impl Filling {
    /// What a channel says. `take` is the release from which its line can be entered, and `refused` why the
    /// line was refused.
    pub fn of(channel: ChannelRef<'_>, take: Option<Step<'_>>, refused: Option<&LineRefusal>) -> Self {
        let line = channel.line.name.as_str();
        let before = channel.line.follows.as_ref().map(|follows| follows.line.to_string());
        let (kind, end) = refused.map(|refusal| UpdateBody::refusal(line, refusal)).unzip();
        let text = |hole| match hole {
            Hole::Channel => channel.name().to_string(),
            Hole::Line => line.to_owned(),
            Hole::Before => before.clone().unwrap_or_default(),
            Hole::Take => take.map(|step| step.release.version.to_string()).unwrap_or_default(),
            Hole::TakeFrom => take.map(|step| step.channel.name().to_string()).unwrap_or_default(),
            Hole::Refused => end.as_deref().map(escaped).unwrap_or_default(),
            Hole::LineRefused => kind.as_deref().map(line_refused).unwrap_or_default(),
        };
        Self(Hole::ALL.map(|hole| text(hole).into()))
    }

    /// Whether the channel's line follows another one.
    pub(super) fn is_entered(&self) -> bool {
        !self.of_hole(Hole::Before).is_empty()
    }

    fn of_hole(&self, hole: Hole) -> &str {
        &self.0[hole as usize]
    }
}

/// A text as it is inside a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The field of a body that says that a line was refused.
fn line_refused(kind: &str) -> String {
    format!(",\"line_refused\":\"{kind}\"")
}

impl Template {
    /// Renders an advice for all channels: those whose line can be entered from a release above the
    /// cluster's (`take`) or not, and those whose line follows another one (`before`) or not.
    pub(super) fn new(advice: &Advice<'_>, take: bool, before: bool) -> Self {
        steps::count();
        let goal = Goal {
            channel: Hole::Channel.mark(),
            line: Hole::Line.mark(),
            before: before.then(|| Hole::Before.mark()),
            take: take.then(|| (Hole::Take.mark(), Hole::TakeFrom.mark())),
        };
        let mut body = UpdateBody::towards(&goal, advice);
        body.refuse(Hole::LineRefused.mark(), &Hole::Refused.mark());
        let text = String::from_utf8(json(&body).into()).expect("JSON is UTF-8");
        // A field without a value is not there at all.
        let field = line_refused(&Hole::LineRefused.mark());
        Self(text.replace(&field, &Hole::LineRefused.mark()).into())
    }

    /// The answer of a channel.
    pub fn filled(&self, filling: &Filling) -> Document {
        // Compressing takes a hundred times as long as sending the few bytes that it would save.
        Document::with_encodings(Media::Json, self.text(filling), None, None)
    }

    fn text(&self, filling: &Filling) -> Bytes {
        let mut text = Vec::with_capacity(self.chunks(filling).map(str::len).sum());
        self.chunks(filling).for_each(|chunk| text.extend_from_slice(chunk.as_bytes()));
        text.into()
    }

    fn chunks<'a>(&'a self, filling: &'a Filling) -> impl Iterator<Item = &'a str> {
        let mut chunks = self.0.split(MARK);
        let first = chunks.next().unwrap_or_default();
        let rest = chunks.flat_map(|chunk| match Hole::begins(chunk) {
            Some((hole, rest)) => [filling.of_hole(hole), rest],
            None => ["\u{7f}", chunk],
        });
        std::iter::once(first).chain(rest)
    }
}

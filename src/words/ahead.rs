//! Sentences about entries that are dated ahead of the clock.

use crate::domain::Time;
use crate::domain::ahead::Ahead;
use crate::domain::channel::ChannelName;
use crate::domain::rfc3339;
use crate::domain::version::Version;

/// Says that an entry is dated ahead, and what to do about it.
pub fn dated_ahead(Ahead { version, stage, since, .. }: &Ahead<'_>) -> String {
    format!("{}; {}", entry_ahead(version, &stage.channel, *since), redate(version))
}

/// Says that an entry is dated ahead.
pub(super) fn entry_ahead(version: &Version, channel: &ChannelName, since: Time) -> String {
    format!(
        "the promotion of `{version}` to `{channel}` is recorded with the date {}, ahead of this machine's clock, so it takes effect only then",
        rfc3339(since)
    )
}

/// Says how to date an entry anew.
pub(super) fn redate(version: &Version) -> String {
    format!(
        "if this clock is right, run `{}`, which removes the entry (the soak counts as before); otherwise correct the clock",
        command(version)
    )
}

/// The command that dates an entry anew.
pub(super) fn command(version: &Version) -> String {
    format!("tidegate promote {version} --redate")
}

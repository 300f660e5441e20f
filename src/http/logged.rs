//! What the access log says about the path and the query of a request.
//!
//! A query can identify a cluster or hold a secret, so it is never logged as it came: parameters that say what was asked for
//! are logged by name, ids as a hash, and all others not at all.

use std::borrow::Cow;
use std::str;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use sha2::{Digest as _, Sha256};

use super::limits::MAX_LOGGED;
use super::url;
use crate::domain::Time;

/// A parameter that the log knows.
#[derive(Debug, Clone, Copy)]
enum Known {
    Channel,
    Version,
    Arch,
    Cluster,
}

/// The names of the parameters, here and in the protocols of other update clients (Cincinnati, zincati).
const KNOWN: [(&str, Known); 10] = [
    ("version", Known::Version),
    ("cluster", Known::Cluster),
    ("channel", Known::Channel),
    ("arch", Known::Arch),
    ("id", Known::Cluster),
    ("current_version", Known::Version),
    ("stream", Known::Channel),
    ("basearch", Known::Arch),
    ("node_uuid", Known::Cluster),
    ("machine_id", Known::Cluster),
];

/// What the log says about a query. Each text is decoded and can contain anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged<'a> {
    pub channel: Option<Cow<'a, str>>,
    pub version: Option<Cow<'a, str>>,
    pub arch: Option<Cow<'a, str>>,
    /// What stands for the cluster's id on this day.
    pub cluster: Option<Pseudonym>,
}

impl<'a> Logged<'a> {
    /// Reads a query. What cannot be decoded is left out, and of several values the first one counts.
    pub fn of(query: &'a str, salt: &Salt, now: Time) -> Self {
        let mut logged = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Ok(name) = url::form(name) else { continue };
            let Some((_, known)) = KNOWN.iter().find(|(known, _)| *known == name) else { continue };
            let Ok(value) = url::form(value) else { continue };
            let field = match known {
                Known::Channel => &mut logged.channel,
                Known::Version => &mut logged.version,
                Known::Arch => &mut logged.arch,
                Known::Cluster => {
                    logged.cluster = logged.cluster.or_else(|| salt.pseudonym(&value, now));
                    continue;
                }
            };
            field.get_or_insert(value);
        }
        logged
    }

    /// The fields of the log line, with the beginning of each value.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { channel, version, arch, cluster } = self;
        let asked = [("channel", channel), ("version", version), ("arch", arch)];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, beginning(value.as_deref()?))));
        asked.chain(cluster.as_ref().map(|cluster| ("cluster", cluster.as_str())))
    }
}

/// Truncates a string that a client sent, for a log line.
pub fn beginning(text: &str) -> &str {
    (0..=MAX_LOGGED.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// The beginning of a path, up to what may be a query: somebody escaped its question mark, even twice, or left it out.
/// No path of ours has any of these characters.
pub fn path(text: &str) -> &str {
    let stops = |byte: u8| b"?&;=#%".contains(&byte);
    let escaped = |rest: &[u8]| {
        let mut byte = [0];
        rest.get(1..3).is_some_and(|digits| hex::decode_to_slice(digits, &mut byte).is_ok() && stops(byte[0]))
    };
    let bytes = text.as_bytes();
    let end = (0..bytes.len()).find(|&at| match bytes[at] {
        b'%' => escaped(&bytes[at..]),
        byte => stops(byte),
    });
    beginning(&text[..end.unwrap_or(text.len())])
}

/// What the log has in place of an id: the beginning of a salted hash, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym([u8; 16]);

impl Pseudonym {
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The salt of the current day (UTC). It is nowhere but in memory, and the next day has another one: so the log shows how
/// many clusters asked on a day and what one of them asked, and nobody can tell which one, nor find it on the next day.
#[derive(Debug, Default)]
pub struct Salt(ArcSwapOption<OfDay>);

#[derive(Debug)]
struct OfDay {
    /// Days since 1970.
    day: i64,
    salt: [u8; 32],
}

impl Salt {
    /// Returns what stands for an id. `None` if the system has no randomness to make a salt of.
    fn pseudonym(&self, id: &str, now: Time) -> Option<Pseudonym> {
        let day = now.timestamp().div_euclid(24 * 60 * 60);
        let is_today = |held: &&Arc<OfDay>| held.day == day;
        let held = self.0.load();
        let salt = match held.as_ref().filter(is_today) {
            Some(held) => held.salt,
            None => self.renew(day)?,
        };
        let digest = Sha256::new().chain_update(salt).chain_update(id).finalize();
        let mut text = [0; 16];
        hex::encode_to_slice(&digest[..8], &mut text).ok()?;
        Some(Pseudonym(text))
    }

    /// Makes a new salt, unless another worker has made one.
    fn renew(&self, day: i64) -> Option<[u8; 32]> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).ok()?;
        let fresh = Arc::new(OfDay { day, salt });
        self.0.rcu(|held| Some(Arc::clone(held.as_ref().filter(|held| held.day == day).unwrap_or(&fresh))));
        self.0.load().as_ref().map(|held| held.salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Time {
        time.parse().unwrap()
    }

    #[test]
    fn known_parameters_are_logged_and_no_others() {
        let salt = Salt::default();
        let logged =
            Logged::of("token=s3cret&version=1.8.4%2Bx&arch=amd64&x&channel=a+b&version=2", &salt, at(NOON));
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        let expected =
            Logged { channel: text("a b"), version: text("1.8.4+x"), arch: text("amd64"), cluster: None };
        assert_eq!(logged, expected);
        assert_eq!(Logged::of("version=%zz&%zz=1&Channel=a", &salt, at(NOON)), Logged::default());
    }

    #[test]
    fn a_query_in_a_path_is_not_logged() {
        for (asked, logged) in [
            ("/v1/channels/1.8-production", "/v1/channels/1.8-production"),
            ("/tuf/targets/1.8.4%2Bx/a.json", "/tuf/targets/1.8.4%2Bx/a.json"),
            ("/v1/channels/a%2f%zz%", "/v1/channels/a%2f%zz%"),
            ("/v1/channels/c/update%3Fcluster=X", "/v1/channels/c/update"),
            ("/v1/channels/c/update%3fcluster%3DX", "/v1/channels/c/update"),
            ("/v1/channels/c/update%253Fcluster=X", "/v1/channels/c/update"),
            ("/v1/channels/c/update&cluster=X", "/v1/channels/c/update"),
            ("/v1/channels/c/update/cluster%3DX", "/v1/channels/c/update/cluster"),
            ("/v1/channels/c/update;cluster=X", "/v1/channels/c/update"),
        ] {
            assert_eq!(path(asked), logged);
        }
        assert_eq!(path(&"/".repeat(2 * MAX_LOGGED)).len(), MAX_LOGGED);
    }

    const NOON: &str = "2018-01-01T12:00:00Z";

    #[test]
    fn an_id_has_one_pseudonym_for_a_day_and_another_one_on_the_next() {
        let (salt, other) = (Salt::default(), Salt::default());
        let of = |salt: &Salt, query, time| Logged::of(query, salt, at(time)).cluster.unwrap();
        let noon = of(&salt, "cluster=berlin", NOON);
        assert_eq!(noon, of(&salt, "id=b%65rlin&cluster=x", "2018-01-01T23:59:59Z"));
        assert!(noon.as_str().len() == 16 && noon.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(noon, of(&salt, "cluster=paris", NOON));
        assert_ne!(noon, of(&other, "cluster=berlin", NOON));
        assert_ne!(noon, of(&salt, "cluster=berlin", "2018-01-02T00:00:00Z"));
    }
}

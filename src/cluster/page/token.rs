//! The token that opens a session. It works once, and only for a minute.
//!
//! It is a random nonce, the time, and their MAC. The key is new at each start of the agent, so that no token outlives
//! the memory of those that were used. Whoever can read the key, which is in the cluster's folder, can give every order
//! there without the page.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::listen::{Listen, Way, machine};
use crate::cluster::Refusal;
use crate::cluster::folder::{self, Folder};
use crate::domain::Time;
use crate::store::durable::present;
use crate::store::plain;

/// How long a token is valid.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(1);

/// Where the agent keeps where it listens, and the key of its tokens.
const FILE: &str = "page.json";

const NONCE: usize = 16;
const TIME: usize = 8;
const MAC: usize = 32;

/// The key of tokens.
pub struct Key([u8; 32]);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// What a browser's address begins with.
    url: String,
    way: Way,
    /// In hexadecimal.
    key: String,
}

/// Why no link can be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no agent serves a page")]
    Unserved,
    /// It keeps its key in another form.
    #[error("the agent that is running is of another version of tidegate: {0}")]
    OtherVersion(String),
    #[error("the system provides no random numbers: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Makes a link that opens the page once, within a minute. Also returns how a browser gets there.
///
/// # Errors
/// When no agent serves the page, one of another version does, or its key cannot be read.
pub fn open(folder: &Folder, now: Time) -> Result<(String, Way), OpenError> {
    if !folder.is_run()? {
        return Err(OpenError::Unserved);
    }
    let path = folder.path().join(FILE);
    let stored = present(plain::whole(&path)).map_err(Refusal::state(&path))?.ok_or(OpenError::Unserved)?;
    let other =
        |why: &dyn Display| OpenError::OtherVersion(format!("`{}` cannot be read: {why}", path.display()));
    let Stored { url, way, key } = serde_json::from_slice(&stored).map_err(|error| other(&error))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(key, &mut bytes).map_err(|error| other(&error))?;
    let token = Key(bytes).token(now).map_err(OpenError::Random)?;
    Ok((format!("{url}/?token={token}"), way))
}

/// Removes what an agent has left that served a page.
///
/// # Errors
/// When the file cannot be removed.
pub fn clear(folder: &Folder) -> Result<(), Refusal> {
    let path = folder.path().join(FILE);
    present(fs::remove_file(&path)).map(drop).map_err(Refusal::state(path))
}

impl Key {
    /// Makes a key, and keeps it for [`open`].
    ///
    /// # Errors
    /// When there is no randomness, or the file cannot be written.
    pub fn create(folder: &Folder, listen: &Listen) -> Result<Self, OpenError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(OpenError::Random)?;
        let (url, way) = listen.way(machine().as_deref());
        let stored = Stored { url, way, key: hex::encode(key) };
        folder::write(&folder.path().join(FILE), &stored)?;
        Ok(Self(key))
    }

    /// Makes a token.
    fn token(&self, now: Time) -> Result<String, getrandom::Error> {
        let mut token = [0; NONCE + TIME + MAC];
        getrandom::fill(&mut token[..NONCE])?;
        token[NONCE..NONCE + TIME].copy_from_slice(&now.timestamp().to_be_bytes());
        let mac = self.mac(&token[..NONCE + TIME]).finalize().into_bytes();
        token[NONCE + TIME..].copy_from_slice(&mac);
        Ok(Base64UrlUnpadded::encode_string(&token))
    }

    fn mac(&self, text: &[u8]) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length").chain_update(text)
    }
}

/// The key, and the tokens that were used.
pub struct Tokens {
    key: Key,
    used: BTreeSet<[u8; NONCE]>,
}

impl Tokens {
    pub const fn new(key: Key) -> Self {
        Self { key, used: BTreeSet::new() }
    }

    /// Uses a token up. Returns whether it was valid.
    pub fn redeem(&mut self, token: &str, now: Time) -> bool {
        let mut bytes = [0; NONCE + TIME + MAC];
        if !Base64UrlUnpadded::decode(token, &mut bytes)
            .is_ok_and(|decoded| decoded.len() == NONCE + TIME + MAC)
        {
            return false;
        }
        let (text, mac) = bytes.split_at(NONCE + TIME);
        if self.key.mac(text).verify_slice(mac).is_err() {
            return false;
        }
        let (nonce, made) = text.split_at(NONCE);
        let (Ok(nonce), Ok(made)) = (nonce.try_into(), made.try_into().map(i64::from_be_bytes)) else {
            return false;
        };
        // One from the future was made while the clock was fast, and would be good for too long.
        let age = now.timestamp().checked_sub(made);
        // Those that were used are never forgotten: they are as few as the links that somebody has opened.
        age.is_some_and(|age| (0..=LIFETIME.num_seconds()).contains(&age)) && self.used.insert(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_timestamp(1_600_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_token_is_good_once_and_for_a_minute() {
        let mut tokens = Tokens::new(Key([7; 32]));
        for (second, is_good) in [(0, true), (60, true), (61, false), (-1, false), (3600, false)] {
            let token = Key([7; 32]).token(at(0)).unwrap();
            assert_eq!(tokens.redeem(&token, at(second)), is_good, "{second}");
            assert!(!tokens.redeem(&token, at(second)), "{second}: again");
        }
    }

    #[test]
    fn a_forged_token_is_not_good() {
        let mut tokens = Tokens::new(Key([7; 32]));
        let token = Key([7; 32]).token(at(0)).unwrap();
        let good = Base64UrlUnpadded::decode_vec(&token).unwrap();
        // Any bit of the nonce, the time or the MAC.
        for bit in 0..good.len() * 8 {
            let mut forged = good.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!tokens.redeem(&Base64UrlUnpadded::encode_string(&forged), at(0)), "bit {bit}");
        }
        let other = Key([8; 32]).token(at(0)).unwrap();
        let (short, long) = (&token[..token.len() - 4], format!("{token}AAAA"));
        for forged in ["", "x", "%00", &other, short, &long, &"A".repeat(100_000)] {
            assert!(!tokens.redeem(forged, at(0)), "{forged:.80}");
        }
        assert!(tokens.redeem(&token, at(0)), "what failed has not used it up");
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let key = Key([7; 32]);
        let all: BTreeSet<String> = (0..100).map(|_| key.token(at(0)).unwrap()).collect();
        assert_eq!(all.len(), 100);
    }
}

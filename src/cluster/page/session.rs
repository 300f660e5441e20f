//! Sessions: who has opened the page with a token, for as long as they use it.

use std::time::Duration;

use super::message::Message;

/// A session ends when nobody has used it for this long. A page that only follows what happens does not use it.
pub const IDLE: Duration = Duration::from_secs(3600);

/// How many sessions there can be. A new one replaces the least recently used.
const MOST: usize = 16;

/// The name of the cookie.
const COOKIE: &str = "tidegate";

/// One session.
pub struct Session {
    /// The random part of its path.
    pub path: String,
    /// The value of its cookie, which only a browser has.
    cookie: String,
    /// What its forms carry, which only its pages have.
    pub csrf: String,
    used: Duration,
    /// What it has done last.
    pub message: Option<Message>,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions(Vec<Session>);

impl Sessions {
    /// Opens a session. Returns its path and the cookie to set, which with TLS never goes out without it.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn open(&mut self, now: Duration, is_tls: bool) -> Result<(String, String), getrandom::Error> {
        let (path, cookie, csrf) = (random()?, random()?, random()?);
        let secure = if is_tls { "Secure; " } else { "" };
        let set = format!("{COOKIE}={cookie}; HttpOnly; {secure}SameSite=Strict; Path=/{path}/");
        if self.0.len() >= MOST
            && let Some(idle) = (0..self.0.len()).min_by_key(|&at| self.0[at].used)
        {
            self.0.swap_remove(idle);
        }
        self.0.push(Session { path: path.clone(), cookie, csrf, used: now, message: None });
        Ok((path, set))
    }

    /// Finds the session with this path, whose cookie a request has.
    pub fn find(&mut self, path: &str, cookies: &str, now: Duration, is_used: bool) -> Option<&mut Session> {
        self.0.retain(|session| now.saturating_sub(session.used) < IDLE);
        let session = self.0.iter_mut().find(|session| is_same(&session.path, path))?;
        let mut own = cookies.split(';').filter_map(|one| one.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        if !own.any(|cookie| is_same(cookie, &session.cookie)) {
            return None;
        }
        if is_used {
            session.used = now;
        }
        Some(session)
    }

    /// Ends a session.
    pub fn close(&mut self, path: &str) {
        self.0.retain(|session| session.path != path);
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(set: &str) -> &str {
        set.split(';').next().unwrap()
    }

    #[test]
    fn a_session_is_found_by_its_path_and_its_cookie_alone() {
        let mut sessions = Sessions::default();
        let (path, set) = sessions.open(Duration::ZERO, false).unwrap();
        let (other, other_set) = sessions.open(Duration::ZERO, false).unwrap();
        assert!(set.ends_with(&format!("; HttpOnly; SameSite=Strict; Path=/{path}/")), "{set}");
        let mut found =
            |path: &str, cookies: &str| sessions.find(path, cookies, Duration::ZERO, true).is_some();
        let own = value(&set);
        for cookies in [own.to_owned(), format!("a=b; {own}; c=d"), format!("tidegate=x; {own}")] {
            assert!(found(&path, &cookies), "{cookies}");
        }
        for (path, cookies) in [
            (path.as_str(), ""),
            (&path, "tidegate="),
            (&path, value(&other_set)),
            (&path, own.trim_start_matches("tidegate=")),
            (&path, &format!("x{own}")),
            (&path[1..], own),
            (&other, own),
            ("", own),
        ] {
            assert!(!found(path, cookies), "{path} {cookies}");
        }
    }

    #[test]
    fn a_session_ends_after_an_hour_without_use() {
        let mut sessions = Sessions::default();
        let (path, set) = sessions.open(Duration::ZERO, false).unwrap();
        let mut found = |second, is_used| {
            sessions.find(&path, value(&set), Duration::from_secs(second), is_used).is_some()
        };
        assert!(found(3599, true), "a second before the hour");
        assert!(found(3599 + 3599, false), "a second before the hour after its last use");
        assert!(!found(3599 + 3600, true), "following is no use");
        assert!(!found(0, true), "what has ended does not come back");
    }

    #[test]
    fn another_session_replaces_the_least_recently_used() {
        let mut sessions = Sessions::default();
        let all: Vec<_> = (0..=MOST as u64)
            .map(|second| sessions.open(Duration::from_secs(second), false).unwrap())
            .collect();
        let now = Duration::from_secs(60);
        let found: Vec<bool> =
            all.iter().map(|(path, set)| sessions.find(path, value(set), now, true).is_some()).collect();
        assert_eq!(found, [vec![false], vec![true; MOST]].concat());
    }
}

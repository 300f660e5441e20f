//! Addresses of servers, which may have a password that nobody is shown.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of a server or of a mirror: `http://HOST[:PORT][/PATH]` or `https://HOST[:PORT][/PATH]`, without a
/// slash at its end.
///
/// It may have a user and a password (`https://USER:PASSWORD@HOST`), which are sent as basic authentication (RFC 7617).
/// They are kept in files that need them, and shown nowhere: [`Display`](fmt::Display) and [`Debug`] leave them out.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    whole: String,
    shown: String,
}

/// The address at which this machine reaches a listener: `0.0.0.0` and `[::]` stand for every address, and not every
/// system opens them.
pub fn openable(address: SocketAddr) -> SocketAddr {
    let loopback = match address {
        _ if !address.ip().is_unspecified() => return address,
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(loopback, address.port())
}

/// A text that is not the address of a server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a server; write `http://HOST:PORT` or `https://HOST`")]
pub struct NotAnAddress(String);

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let bad = || NotAnAddress(without_user(text));
        let mut url: Url = text.parse().map_err(|_| bad())?;
        let is_web = matches!(url.scheme(), "http" | "https");
        if !is_web || url.host_str().is_none_or(str::is_empty) || text.contains(['?', '#']) {
            return Err(bad());
        }
        let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let whole = plain(&url);
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| bad())?;
        Ok(Self { whole, shown: plain(&url) })
    }
}

impl Address {
    /// The address that is connected to. It must not be shown.
    pub(super) fn whole(&self) -> &str {
        &self.whole
    }

    /// Checks that it can be connected to, which may be no longer so for a stored one.
    pub(super) fn check(&self) -> Result<(), NotAnAddress> {
        self.whole.parse::<Self>().map(drop)
    }

    /// The same address without user and password.
    #[must_use]
    pub fn public(&self) -> Self {
        Self { whole: self.shown.clone(), shown: self.shown.clone() }
    }

    /// Whether connections are encrypted.
    pub fn is_https(&self) -> bool {
        self.whole.starts_with("https:")
    }

    /// The name or the IP address of its host.
    pub(super) fn host(&self) -> String {
        let url: Option<Url> = self.whole.parse().ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host.trim_matches(['[', ']']).trim_end_matches('.').to_owned()
    }

    /// The address without this path at its end, if it ends so.
    #[must_use]
    pub fn without(&self, path: &str) -> Self {
        // A host can be called like the path.
        let cut = |text: &str| {
            let short = text.strip_suffix(path).filter(|short| !short.ends_with('/'));
            short.unwrap_or(text).to_owned()
        };
        Self { whole: cut(&self.whole), shown: cut(&self.shown) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.whole)
    }
}

impl<'de> Deserialize<'de> for Address {
    /// Whoever stored it checked it, perhaps with an earlier version that allowed more. What is no address any more
    /// is [refused](super::SetupError::Address) when it is used, and does not make all that is stored with it
    /// unreadable.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = String::deserialize(deserializer)?;
        Ok(whole.parse().unwrap_or_else(|_| Self { shown: without_user(&whole), whole }))
    }
}

/// The target of a redirect without its user and password, which are in the authority and nowhere else (RFC 3986,
/// section 3.2). As for browsers, a backslash is a slash, and any number of them comes before the authority.
pub(super) fn shown_target(location: &str) -> String {
    let is_scheme =
        |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let scheme = location.find(':').filter(|end| is_scheme(&location[..*end])).map_or(0, |end| end + 1);
    let rest = location[scheme..].trim_start_matches(['/', '\\']);
    let begin = location.len() - rest.len();
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    match authority.rfind('@') {
        // A path begins with one slash, or with none.
        Some(at) if scheme > 0 || begin > 1 => format!("{}{}", &location[..begin], &rest[at + 1..]),
        _ => location.to_owned(),
    }
}

/// What is left of an address without its user and password, whatever the text is. What somebody typed wrong may
/// have a password with a slash, so everything before the last `@` is left out.
pub fn without_user(text: &str) -> String {
    let Some((_, rest)) = text.rsplit_once('@') else { return text.to_owned() };
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme.is_empty() || scheme.contains('@') { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_listener_is_one_that_opens() {
        for (listens, opens) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(openable(listens.parse().unwrap()).to_string(), opens);
        }
    }

    #[test]
    fn an_address_is_kept_whole_and_shown_without_user_and_password() {
        for (text, whole, shown) in [
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://a.example/tuf//", "https://a.example/tuf", "https://a.example/tuf"),
            ("https://ada:s3cret@a.example/x", "https://ada:s3cret@a.example/x", "https://a.example/x"),
            ("https://t0ken@a.example", "https://t0ken@a.example", "https://a.example"),
            ("https://ada:p%40ss@[::1]:8443", "https://ada:p%40ss@[::1]:8443", "https://[::1]:8443"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.whole(), address.to_string().as_str()), (whole, shown));
            assert_eq!(format!("{address:?}"), format!("{shown:?}"));
            assert_eq!(serde_json::to_value(&address).unwrap(), whole);
            assert_eq!(serde_json::from_value::<Address>(whole.into()).unwrap(), address);
        }
    }

    #[test]
    fn what_was_stored_and_is_no_address_any_more_is_read_and_refused_when_it_is_used() {
        let stored: Address = serde_json::from_value("http://ada:s3cret@tidegate.1".into()).unwrap();
        assert_eq!(stored.to_string(), "http://tidegate.1");
        assert_eq!(serde_json::to_value(&stored).unwrap(), "http://ada:s3cret@tidegate.1");
        let refused = stored.check().unwrap_err().to_string();
        assert!(refused.starts_with("`http://tidegate.1` is not the address"), "{refused}");
    }

    #[test]
    fn a_redirect_is_named_by_its_host_without_user_and_password() {
        for (location, shown) in [
            (
                "https://real.example/login?hint=ada@evil.example",
                "https://real.example/login?hint=ada@evil.example",
            ),
            ("https://real.example?ada@evil.example", "https://real.example?ada@evil.example"),
            ("https://real.example#ada@evil.example", "https://real.example#ada@evil.example"),
            ("https://real.example\\@evil.example", "https://real.example\\@evil.example"),
            ("https://ada:s3@cret@a.example/x@y", "https://a.example/x@y"),
            ("//ada:s3cret@a.example/x", "//a.example/x"),
            ("https:\\\\ada:s3cret@a.example", "https:\\\\a.example"),
            ("https:ada:s3cret@a.example", "https:a.example"),
            ("/ada@a.example", "/ada@a.example"),
            ("login?next=https://ada@a.example", "login?next=https://ada@a.example"),
            ("", ""),
        ] {
            assert_eq!(shown_target(location), shown);
        }
    }

    #[test]
    fn only_a_path_is_taken_from_the_end() {
        let cut = |text: &str| text.parse::<Address>().unwrap().without("/tuf").to_string();
        assert_eq!(cut("https://a.example/x/tuf"), "https://a.example/x");
        assert_eq!(cut("https://ada:s3cret@a.example/tuf"), "https://a.example");
        assert_eq!(cut("http://tuf"), "http://tuf");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for bad in ["", "a.example", "ftp://a.example", "http://", "http://a.example?x", "http://a b", "/tmp"]
        {
            assert_eq!(bad.parse::<Address>(), Err(NotAnAddress(bad.to_owned())), "{bad}");
        }
        for bad in ["ftp://ada:s3cret@a.example", "ada:s3cret@a.example", "http://ada:s3@cret@a.example?x"] {
            let refused = bad.parse::<Address>().unwrap_err().to_string();
            assert!(refused.contains("a.example") && !refused.contains("cret"), "{refused}");
        }
    }
}

//! Which proxy a server is asked through.

use hyper_util::client::proxy::matcher::Matcher;

use super::address::{Address, without_user};

/// A proxy, as an environment variable names it.
pub struct Proxy {
    /// With user and password, if it has them.
    pub address: String,
    /// Without.
    pub shown: String,
    pub variable: &'static str,
}

/// The schemes of proxies that can be asked.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

impl Proxy {
    /// The scheme of its address, if it is one that can be asked. Others would be left out silently.
    pub fn scheme(&self) -> Option<&'static str> {
        let (scheme, _) = self.address.split_once("://")?;
        SCHEMES.into_iter().find(|known| known.eq_ignore_ascii_case(scheme))
    }
}

/// Returns the proxy for an address, if there is one. The variables mean what they mean to curl: `https_proxy` and
/// `http_proxy` for the addresses of their scheme, `all_proxy` for those that have none of their own, and `no_proxy`
/// for hosts that are asked directly (names with all names below them, addresses, networks, or `*`). In capitals they
/// mean the same. One that is empty counts as not set.
pub fn proxy(server: &Address, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    let first = |names: [&'static str; 2]| {
        names
            .into_iter()
            .find_map(|name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?)))
    };
    let own = if server.is_https() { ["https_proxy", "HTTPS_PROXY"] } else { ["http_proxy", "HTTP_PROXY"] };
    let (variable, value) = first(own).or_else(|| first(["all_proxy", "ALL_PROXY"]))?;
    let none = first(["no_proxy", "NO_PROXY"]).map(|(_, value)| value).unwrap_or_default();
    // The matcher takes this for a name, which an IP address is not.
    if none.trim() == "*" {
        return None;
    }
    let none = none.split_whitespace().collect::<Vec<_>>().join(",");
    let matcher = Matcher::builder().all("http://proxy").no(none).build();
    let server = server.whole().parse().ok()?;
    matcher.intercept(&server)?;
    let value = value.trim();
    let address = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    Some(Proxy { shown: without_user(&address), address, variable })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let found = proxy(&server.parse().unwrap(), value)?;
        Some(format!("{} {}", found.variable, found.shown))
    }

    #[test]
    fn a_variable_counts_for_its_scheme_and_an_empty_one_is_not_set() {
        let web = [("HTTPS_PROXY", "http://p:3128")];
        assert_eq!(asked("http://a", &web), None);
        assert_eq!(asked("https://a", &web).unwrap(), "HTTPS_PROXY http://p:3128");
        assert_eq!(
            asked("http://a", &[("http_proxy", ""), ("HTTP_PROXY", "p:1")]).unwrap(),
            "HTTP_PROXY http://p:1"
        );
        assert_eq!(
            asked("http://a", &[("http_proxy", "p:2"), ("HTTP_PROXY", "p:1")]).unwrap(),
            "http_proxy http://p:2"
        );
        let all = [("ALL_PROXY", "http://ada:s3cret@p"), ("http_proxy", " ")];
        assert_eq!(asked("http://a", &all).unwrap(), "ALL_PROXY http://p");
    }

    #[test]
    fn hosts_are_excepted_as_for_curl() {
        let direct =
            |server: &str, none: &str| asked(server, &[("all_proxy", "p"), ("NO_PROXY", none)]).is_none();
        for (server, none) in [
            ("http://127.0.0.1:8080", "localhost, 127.0.0.1, .example.com"),
            ("http://127.0.0.1:8080", "10.0.0.0/8,127.0.0.0/8"),
            ("http://127.0.0.1:8080", "localhost 127.0.0.1"),
            ("http://127.0.0.1:8080", " * "),
            ("https://a.example.com", "example.com"),
            ("https://a.example.com", ".EXAMPLE.com"),
            ("https://[fd00::1]:8443", "fd00::/8"),
        ] {
            assert!(direct(server, none), "{server}, {none}");
        }
        for (server, none) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", "localhost"),
            ("https://notexample.com", "example.com"),
            ("https://a.example", ""),
        ] {
            assert!(!direct(server, none), "{server}, {none}");
        }
    }
}

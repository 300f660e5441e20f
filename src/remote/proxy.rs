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
    /// The variable for servers that are asked directly.
    pub none: &'static str,
}

/// The schemes of proxies that can be asked.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What curl takes for one of them.
const SOCKS: (&str, &str) = ("socks", "socks4");

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
    let (exception, none) = first(["no_proxy", "NO_PROXY"]).unwrap_or(("no_proxy", String::new()));
    // The matcher takes this for a name, which an IP address is not.
    if none.trim() == "*" {
        return None;
    }
    // A name may end in the root's dot, which the matcher would compare.
    let names = none.split([',', ' ', '\t']).map(|name| name.trim().trim_end_matches('.'));
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    let matcher = Matcher::builder().all("http://proxy").no(names.join(",")).build();
    let host = server.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    matcher.intercept(&format!("http://{host}").parse().ok()?)?;
    let value = value.trim();
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let scheme = if scheme.eq_ignore_ascii_case(SOCKS.0) { SOCKS.1 } else { scheme };
    // URLs take a backslash for a slash, but the one in `DOMAIN\user` belongs to the user.
    let address = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{}@{host}", user.replace('\\', "%5C")),
        None => format!("{scheme}://{rest}"),
    };
    Some(Proxy { shown: without_user(&address), address, variable, none: exception })
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
    fn an_address_is_understood_as_by_curl() {
        let address = |value: &str| {
            let value = value.to_owned();
            proxy(&"http://a".parse().unwrap(), |name| (name == "http_proxy").then(|| value.clone())).unwrap()
        };
        for (value, expected, scheme) in [
            ("p:3128", "http://p:3128", Some("http")),
            ("socks://p:1080", "socks4://p:1080", Some("socks4")),
            ("SOCKS5h://p", "SOCKS5h://p", Some("socks5h")),
            ("ftp://p", "ftp://p", None),
            (r"http://DOM\ada:s3\cret@p:1", "http://DOM%5Cada:s3%5Ccret@p:1", Some("http")),
            (r"DOM\ada:s3cret@p:1", "http://DOM%5Cada:s3cret@p:1", Some("http")),
        ] {
            let found = address(value);
            assert_eq!((found.address.as_str(), found.scheme()), (expected, scheme));
            assert!(!found.shown.contains("cret"), "{}", found.shown);
        }
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
            ("https://a.example.com", "b.example, example.com."),
            ("https://a.example.com.:8443", "example.com"),
            ("https://a.example.com.", ".example.com."),
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

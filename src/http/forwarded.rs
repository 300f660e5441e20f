//! The address of the client, if proxies stand between it and the server.
//!
//! `X-Forwarded-For` and `Forwarded` (RFC 7239) say whatever their sender wants. Each proxy appends the address that it was
//! asked from, so their last entry is as trustworthy as the proxy that the request came from, the one before as
//! trustworthy as the proxy that is named last, and so on.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::{IpNet, Ipv4Net};

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// These networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the address that a request came from: `peer`, or if that is a trusted proxy the last address in the
    /// head that is not one. If an entry cannot be read, the proxy that wrote it is all that is known.
    pub fn client(&self, peer: IpAddr, head: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.has(peer) {
            return peer;
        }
        if head.contains_key(X_FORWARDED_FOR) {
            self.last(peer, head, &X_FORWARDED_FOR, address)
        } else {
            self.last(peer, head, &FORWARDED, forwarded_for)
        }
    }

    fn last(
        &self,
        peer: IpAddr,
        head: &HeaderMap,
        name: &HeaderName,
        read: fn(&str) -> Option<IpAddr>,
    ) -> IpAddr {
        let mut client = peer;
        let fields: Vec<&str> = head.get_all(name).map(|field| field.to_str().unwrap_or_default()).collect();
        for entry in fields.into_iter().rev().flat_map(|field| field.rsplit(',')) {
            let Some(address) = read(entry.trim()) else { break };
            client = address;
            if !self.has(client) {
                break;
            }
        }
        client
    }
}

/// A network of IPv4 addresses that are written as IPv6 ones, as what it is.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let prefix = mapped.prefix_len().checked_sub(96);
    let v4 = mapped.addr().to_ipv4_mapped().zip(prefix);
    v4.and_then(|(v4, prefix)| Ipv4Net::new(v4, prefix).ok()).map_or(network, IpNet::V4)
}

/// Reads an entry of `X-Forwarded-For`: an address, perhaps with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = entry.parse().ok().or_else(with_port).or_else(bare);
    address.map(|address: IpAddr| address.to_canonical())
}

/// Reads the address in an element of `Forwarded`: `for=192.0.2.60;proto=http`, `for="[2001:db8::1]:4711"`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let quoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn check(peer: &str, fields: &[(&str, &str)], expected: &str) {
        let networks = ["10.0.0.0/8", "::ffff:192.168.0.0/112", "fd00::/8"];
        let proxies = Proxies::new(networks.map(|network| network.parse().unwrap()));
        let mut head = HeaderMap::new();
        for (name, value) in fields {
            head.append(name.parse().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let client = proxies.client(peer.parse().unwrap(), &head);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {fields:?}");
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_was_asked_by() {
        let says = |text: &'static str| [("x-forwarded-for", text)];
        check("203.0.113.9", &says("198.51.100.1"), "203.0.113.9");
        check("::ffff:203.0.113.9", &says("198.51.100.1"), "203.0.113.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &says("198.51.100.1"), "198.51.100.1");
        check("192.168.0.7", &says("::ffff:198.51.100.1"), "198.51.100.1");
        check("fd00::1", &says("2001:db8::1"), "2001:db8::1");
    }

    #[test]
    fn the_last_address_that_is_no_proxys_is_the_clients() {
        let says = |text: &'static str| [("x-forwarded-for", text)];
        check("10.0.0.1", &says("1.1.1.1, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        check("10.0.0.1", &says("1.1.1.1,198.51.100.1:4711"), "198.51.100.1");
        check("10.0.0.1", &says("[2001:db8::1]:80,10.1.1.1"), "2001:db8::1");
        check("10.0.0.1", &says("[2001:db8::1]"), "2001:db8::1");
        check("10.0.0.1", &says("10.0.0.3, 10.0.0.2"), "10.0.0.3");
        let several = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1")];
        check("10.0.0.1", &several, "198.51.100.1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_way_at_the_proxy_that_wrote_it() {
        for text in ["", "unknown", "198.51.100.1, x", "1.1.1.1,", "198.51.100.1 10.0.0.2"] {
            check("10.0.0.1", &[("x-forwarded-for", text)], "10.0.0.1");
        }
        check("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, nobody, 10.0.0.2")], "10.0.0.2");
    }

    #[test]
    fn the_standard_field_counts_where_the_usual_one_is_missing() {
        let says = |text: &'static str| [("forwarded", text)];
        check("10.0.0.1", &says("for=1.1.1.1, For=198.51.100.1;proto=https"), "198.51.100.1");
        check("10.0.0.1", &says("by=10.0.0.1; for=\"[2001:db8::1]:4711\""), "2001:db8::1");
        for hidden in ["for=_hidden", "for=unknown", "proto=http", "for=\""] {
            check("10.0.0.1", &says(hidden), "10.0.0.1");
        }
        let both = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "198.51.100.1")];
        check("10.0.0.1", &both, "198.51.100.1");
    }
}

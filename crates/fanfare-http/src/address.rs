//! Where a request comes from, and whom to believe when somebody else says it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// What proxies add the address to from which they were asked, at the end.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word about their clients counts. Anybody can send the header, so that only
/// what a trusted proxy added to it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Trusts the proxies at these addresses and in these networks, such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// Names the first text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, ProxyError> {
        let network = |text: &str| {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| text.parse::<IpNet>());
            network.map_err(|_no_network| ProxyError(text.to_owned()))
        };
        Ok(Self(
            texts.into_iter().map(network).collect::<Result<_, _>>()?,
        ))
    }

    /// Whether what connects from here speaks for others.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The client of a request that came from `peer`: the last address in `X-Forwarded-For` that
    /// is no trusted proxy's. What stands before it anybody may have written.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        while self.trusts(client) {
            match hops.next().and_then(parse) {
                Some(hop) => client = hop,
                // What cannot be read tells nothing, nor does what stands before it.
                None => break,
            }
        }
        client
    }
}

/// A text that names no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network: write 192.0.2.7, 10.0.0.0/8 or fd00::/8")]
pub struct ProxyError(String);

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|it| it.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// What an address is counted under: itself, or of IPv6 its /64, which is the least that one
/// customer gets (RFC 6177 2). The machine's own addresses are not counted.
pub(crate) fn counted(address: IpAddr) -> Option<u64> {
    match address.to_canonical() {
        own if own.is_loopback() => None,
        IpAddr::V4(address) => Some(u32::from(address).into()),
        IpAddr::V6(address) => Some(network(address)),
    }
}

/// The first half of an address. Those below 2000::/3 are the net's own (RFC 4291 2.4), so that
/// none is taken for an IPv4 address.
fn network(address: Ipv6Addr) -> u64 {
    u64::try_from(u128::from(address) >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(lines: &[&str]) -> HeaderMap {
        let lines = lines.iter();
        lines
            .map(|line| (FORWARDED_FOR, line.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_what_a_trusted_proxy_added_is_believed() {
        let proxies = Proxies::parse(["10.0.0.0/8", "fd00::/8"]).unwrap();
        for (peer, lines, client) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["6.6.6.6", "198.51.100.1, fd00::5"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let found = proxies.client(peer.parse().unwrap(), &forwarded(lines));
            assert_eq!(found.to_string(), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        assert!(Proxies::parse(["192.0.2.7", "::1", "fd00::/8"]).is_ok());
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0"] {
            assert!(Proxies::parse([text]).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_counted_by_what_one_customer_has() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("127.0.0.1"), None);
        assert_eq!(of("::1"), None);
        assert_eq!(of("::ffff:127.0.0.1"), None);
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}

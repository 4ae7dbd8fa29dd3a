//! Which addresses an origin may be at. A name is checked where it is resolved for the connection itself, so that a
//! name cannot point elsewhere between check and use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The address, or every address of the name, is one that must not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the origin's address is not a public one")
    }
}

impl std::error::Error for Refused {}

/// Resolves names to addresses that may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Whether private and loopback addresses may be asked. Link-local ones never may: instance metadata lives there.
    pub allow_private: bool,
}

impl Guard {
    /// Whether this address may be asked.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let refused = embedded(address).into_iter().any(|address| match address {
            IpAddr::V4(v4) => never_v4(v4) || !self.allow_private && private_v4(v4),
            IpAddr::V6(v6) => never_v6(v6) || !self.allow_private && private_v6(v6),
        });
        if refused { Err(Refused) } else { Ok(()) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = found.iter().copied().filter(|found| guard.check(found.ip()).is_ok()).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// The address and the IPv4 address that is written inside of it, if any: mapped, compatible, NAT64 and 6to4 forms.
fn embedded(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = address else { return vec![address] };
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match (s0, s1, s2, s3, s4, s5) {
        (0, 0, 0, 0, 0, 0xffff) => vec![v4(s6, s7)],
        (0, 0, 0, 0, 0, 0) if s6 != 0 => vec![address, v4(s6, s7)],
        (0x64, 0xff9b, ..) => vec![address, v4(s6, s7)],
        (0x2002, high, low, ..) => vec![address, v4(high, low)],
        _ => vec![address],
    }
}

/// Link-local, where clouds serve credentials, the metadata services that are elsewhere, and what is no single host.
fn never_v4(v4: Ipv4Addr) -> bool {
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
    v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] == 0 || METADATA.contains(&v4)
}

fn private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let carrier = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let protocol = (a, b, c) == (192, 0, 0);
    v4.is_private() || v4.is_loopback() || v4.is_documentation() || carrier || benchmark || protocol || a >= 240
}

fn never_v6(v6: Ipv6Addr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified() || v6 == METADATA
}

fn private_v6(v6: Ipv6Addr) -> bool {
    let site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
    let documentation = v6.segments()[..2] == [0x2001, 0xdb8];
    v6.is_loopback() || v6.is_unique_local() || site_local || documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str, allow_private: bool) -> bool {
        Guard { allow_private }.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn public_addresses_may_be_asked() {
        for address in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(allowed(address, false) && allowed(address, true), "{address}");
        }
    }

    #[test]
    fn private_addresses_only_where_allowed() {
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:a00:1::",
            "::127.0.0.1",
            "240.0.0.1",
            "198.18.0.1",
        ];
        for address in private {
            assert!(!allowed(address, false), "{address}");
            assert!(allowed(address, true), "{address}");
        }
    }

    #[test]
    fn metadata_and_no_hosts_never() {
        let never = [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "::ffff:0.0.0.0",
        ];
        for address in never {
            assert!(!allowed(address, false) && !allowed(address, true), "{address}");
        }
    }
}

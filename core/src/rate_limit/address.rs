//! Client addresses: Envoy's `source.address` in, what is counted out. IPv6 counts by its /64, which is what
//! one client gets.

use crate::config::policy::AddressRange;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Reads `source.address`: an address with a port, as Envoy prints it.
pub fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<SocketAddr>().map(|s| s.ip()).or_else(|_| text.parse::<IpAddr>()).ok()?;
    Some(canonical(address))
}

/// The same of the property as a host gives it.
pub fn of_source(property: Option<Vec<u8>>) -> Option<IpAddr> {
    parse(&String::from_utf8(property?).ok()?)
}

/// The bytes that a counter's key is made of.
pub fn key(address: IpAddr) -> [u8; 16] {
    match canonical(address) {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => (u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes(),
    }
}

/// Whether `range` holds `address`.
pub fn contains(range: &AddressRange, address: IpAddr) -> bool {
    let (base, bits) = match range.base {
        IpAddr::V4(v4) => (u128::from(v4.to_ipv6_mapped()), u32::from(range.prefix) + 96),
        IpAddr::V6(v6) => (u128::from(v6), u32::from(range.prefix)),
    };
    let address = match canonical(address) {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits)).unwrap_or(0);
    base & mask == address & mask
}

fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::to_ipv4_mapped(&v6).map_or(address, IpAddr::V4),
        v4 => v4,
    }
}

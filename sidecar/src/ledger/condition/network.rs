//! Networks of addresses. In: a record's address, or its network, and the networks that are asked for. Out:
//! whether it lies in one of them, or that nobody can tell.

use serde_json::Value;
use std::net::IpAddr;

/// An address, and how many bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    length: u32,
    is_v4: bool,
}

impl Network {
    /// `10.0.0.0/8`, or an address. What lies behind the length counts as zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let (bits, most) = match address.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let length = match length {
            Some(length) => length.parse().ok().filter(|length| *length <= most)?,
            None => most,
        };
        Some(Self { bits: bits & mask(length), length, is_v4: most == 32 })
    }

    /// Whether all of `inner` lies in it; `None`: a part of it does.
    fn has(&self, inner: &Self) -> Option<bool> {
        let common = self.length.min(inner.length);
        let meet = self.is_v4 == inner.is_v4 && (self.bits ^ inner.bits) & mask(common) == 0;
        match meet {
            false => Some(false),
            true => (inner.length >= self.length).then_some(true),
        }
    }
}

fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(128 - length).unwrap_or(0)
}

/// The networks of a list that was read before.
pub fn all(texts: &str) -> Vec<Network> {
    texts.split(' ').filter_map(Network::parse).collect()
}

/// Whether the address lies in one of them: true wins over unknown, and unknown over false.
pub fn is_in(address: &str, networks: &[Network]) -> Option<bool> {
    let address = Network::parse(address)?;
    let found: Vec<_> = networks.iter().map(|network| network.has(&address)).collect();
    if found.contains(&Some(true)) {
        return Some(true);
    }
    (!found.contains(&None)).then_some(false)
}

/// A network that an operator wrote.
///
/// # Errors
/// It isn't one.
pub fn read(place: &str, value: &Value) -> Result<String, String> {
    let network = value.as_str().filter(|text| Network::parse(text).is_some());
    network.map(str::to_owned).ok_or_else(|| format!("{place}: expected networks such as 10.0.0.0/8"))
}

#[cfg(test)]
mod tests {
    use super::{all, is_in};

    #[test]
    fn an_address_lies_in_a_network_or_not_or_nobody_can_tell() {
        for (address, networks, expect) in [
            ("10.1.2.3", "10.0.0.0/8", Some(true)),
            ("11.1.2.3", "10.0.0.0/8", Some(false)),
            ("11.1.2.3", "10.0.0.0/8 11.1.2.3", Some(true)),
            ("::ffff:10.1.2.3", "10.0.0.0/8", Some(true)),
            ("2001:db8::1", "2001:db8::/32", Some(true)),
            ("2001:db9::1", "2001:db8::/32", Some(false)),
            ("a00::", "10.0.0.0/8", Some(false)),
            ("1.2.3.4", "0.0.0.0/0", Some(true)),
            ("::1", "0.0.0.0/0", Some(false)),
            ("10.1.2.0/24", "10.0.0.0/8", Some(true)),
            ("10.1.2.0/24", "10.1.2.3", None),
            ("10.1.2.0/24", "10.1.2.3/32 10.1.0.0/16", Some(true)),
            ("10.1.2.0/24", "10.1.3.3", Some(false)),
            ("nowhere", "0.0.0.0/0", None),
            ("10.1.2.3/33", "0.0.0.0/0", None),
        ] {
            assert_eq!(is_in(address, &all(networks)), expect, "{address} in {networks}");
        }
    }
}

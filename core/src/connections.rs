//! Connections at once by address: an address in, whether one more has room out. No filter of Envoy's counts
//! so, and without it one address takes what there is for all: by connections that say little, each within
//! its time.

use crate::rate_limit::address;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What one worker has open.
#[derive(Debug)]
pub struct Connections {
    cap: u32,
    workers: u32,
    open: BTreeMap<[u8; 16], u32>,
}

impl Connections {
    /// At most `cap` for an address (an IPv6 network of 64 bits), in all workers together. Of IPv6 one
    /// customer has many such networks: all that begin with the same 48 bits have twice as much.
    pub fn new(cap: u32) -> Self {
        Self { cap, workers: 1, open: BTreeMap::new() }
    }

    /// So many workers share the connections: Envoy gives each the next one where it has the fewest.
    pub fn share(&mut self, workers: usize) {
        self.workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
    }

    /// How many of an address this worker takes: its share, and a quarter and eight more, since the workers'
    /// shares are only about the same.
    fn room(&self) -> u32 {
        let share = self.cap.div_ceil(self.workers);
        if self.workers == 1 {
            share
        } else {
            self.cap.min(share.saturating_add(share / 4).saturating_add(8))
        }
    }

    /// Counts one more of `from`, where there is room; [`Connections::leave`] takes it back.
    pub fn enter(&mut self, from: IpAddr) -> bool {
        let room = self.room();
        let open = |key: &[u8; 16]| self.open.get(key).copied().unwrap_or(0);
        let key = address::key(from);
        let site = site(&key);
        if open(&key) >= room || site.is_some_and(|site| open(&site) >= room.saturating_mul(2)) {
            return false;
        }
        for key in [Some(key), site].into_iter().flatten() {
            *self.open.entry(key).or_insert(0) += 1;
        }
        true
    }

    /// One that had room is closed.
    pub fn leave(&mut self, from: IpAddr) {
        let key = address::key(from);
        for key in [Some(key), site(&key)].into_iter().flatten() {
            let left = self.open.get_mut(&key).map(|open| {
                *open = open.saturating_sub(1);
                *open
            });
            if left == Some(0) {
                self.open.remove(&key);
            }
        }
    }
}

/// The key of the larger network that an IPv6 network is in; it is no address's, by its end.
fn site(key: &[u8; 16]) -> Option<[u8; 16]> {
    const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let mut site = *key;
    site.iter_mut().skip(6).for_each(|byte| *byte = 0);
    site[15] = 48;
    (!key.starts_with(&MAPPED)).then_some(site)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_room_and_takes_none_of_others() {
        let mut all = Connections::new(3);
        for (from, expect) in [
            ("192.0.2.1", true),
            ("192.0.2.1", true),
            ("192.0.2.1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::2", true),
            ("2001:db8:0:0:ffff::1", true),
            ("2001:db8::4", false),
            ("2001:db8:0:1::1", true),
            // Six of one site, at most.
            ("2001:db8:0:2::1", true),
            ("2001:db8:0:3::1", true),
            ("2001:db8:0:4::1", false),
            ("2001:db8:0:1::1", false),
            ("2001:db8:1::1", true),
            ("::ffff:192.0.2.3", true),
        ] {
            assert_eq!(all.enter(address(from)), expect, "{from}");
        }
        all.leave(address("192.0.2.1"));
        assert!(all.enter(address("192.0.2.1")));
        assert!(!all.enter(address("192.0.2.1")), "a refused one isn't counted");
        all.leave(address("2001:db8::2"));
        assert!(all.enter(address("2001:db8:0:4::1")));
        assert!(!all.enter(address("2001:db8::2")));
    }

    #[test]
    fn what_is_closed_takes_no_memory() {
        let mut all = Connections::new(3);
        for round in 0..4 {
            for n in 0..1_000u32 {
                assert!(all.enter(IpAddr::from(n.to_be_bytes())), "{round}");
                assert!(all.enter(IpAddr::from((u128::from(n + 1) << 80).to_be_bytes())), "{round}");
            }
            for n in 0..1_000u32 {
                all.leave(IpAddr::from(n.to_be_bytes()));
                all.leave(IpAddr::from((u128::from(n + 1) << 80).to_be_bytes()));
            }
            assert!(all.open.is_empty());
        }
        all.leave(address("192.0.2.1"));
        assert!(all.open.is_empty());
    }

    #[test]
    fn workers_share_the_room_of_an_address() {
        let mut all = Connections::new(1_000);
        for (workers, room) in [(0, 1_000), (1, 1_000), (2, 633), (4, 320), (64, 28), (1_000, 9)] {
            all.share(workers);
            assert_eq!(all.room(), room, "{workers}");
        }
        let mut few = Connections::new(4);
        few.share(8);
        assert_eq!(few.room(), 4, "never more than the cap");
    }
}

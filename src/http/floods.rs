//! Floods before authentication: how many requests without a valid key one address may make.
//!
//! A valid key is never refused here: it is looked up first, which costs a hash. An address is an
//! IPv4 address or an IPv6 /64, of which one subscriber has all. The table has a hard bound; when
//! it is full of addresses that are busy failing, all further ones share one allowance.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::SharedClock;
use crate::domain::live::Live;

const MAX_ADDRESSES: usize = 16_384;
const MINUTE: i64 = 60_000;
/// Addresses that the table has no room for share this many allowances.
const SHARED: i64 = 16;

/// Counts failed authentications by address.
pub struct Floods {
    /// Failures that an address may make in a minute; 0: there is no limit.
    per_minute: Live<u32>,
    clock: SharedClock,
    table: Mutex<Table>,
}

/// The generic cell rate algorithm: per address the time at which its allowance is whole again
/// (ITU-T I.371). What lies in the past is as good as not there.
#[derive(Default)]
struct Table {
    whole_at: HashMap<IpAddr, i64>,
    /// Of all addresses for which there was no room.
    others_whole_at: i64,
    swept_at: i64,
}

impl Floods {
    pub fn new(per_minute: Live<u32>, clock: SharedClock) -> Self {
        Self {
            per_minute,
            clock,
            table: Mutex::default(),
        }
    }

    /// Counts a failure. `Err`: too many; how long the address has to wait for the next.
    pub fn failed(&self, address: IpAddr) -> Result<(), Duration> {
        let per_minute = **self.per_minute.peek();
        if per_minute == 0 {
            return Ok(());
        }
        // In milliseconds.
        let cost = (MINUTE / i64::from(per_minute)).max(1);
        let now = self.clock.now().as_millisecond();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.take(network(address), cost, now)
    }
}

impl Table {
    fn take(&mut self, address: IpAddr, cost: i64, now: i64) -> Result<(), Duration> {
        if self.whole_at.len() >= MAX_ADDRESSES && !self.whole_at.contains_key(&address) {
            self.sweep(now);
        }
        let full = self.whole_at.len() >= MAX_ADDRESSES;
        match self.whole_at.get_mut(&address) {
            Some(whole_at) => charge(whole_at, cost, now),
            None if full => charge(&mut self.others_whole_at, (cost / SHARED).max(1), now),
            None => charge(self.whole_at.entry(address).or_insert(now), cost, now),
        }
    }

    /// Forgets whose allowance is whole; at most once a second, because it reads the whole table.
    fn sweep(&mut self, now: i64) {
        if now < self.swept_at + 1_000 {
            return;
        }
        self.swept_at = now;
        self.whole_at.retain(|_, whole_at| *whole_at > now);
    }
}

fn charge(whole_at: &mut i64, cost: i64, now: i64) -> Result<(), Duration> {
    let next = (*whole_at).max(now) + cost;
    let over = next - now - MINUTE;
    if over > 0 {
        return Err(Duration::from_millis(over.unsigned_abs()));
    }
    *whole_at = next;
    Ok(())
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::clock::ManualClock;

    fn floods(per_minute: u32) -> (Floods, Arc<ManualClock>) {
        let start: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        (Floods::new(Live::new(per_minute), clock.clone()), clock)
    }

    fn passed(floods: &Floods, address: &str) -> usize {
        let address = address.parse().unwrap();
        (0..1_000)
            .filter(|_| floods.failed(address).is_ok())
            .count()
    }

    #[test]
    fn an_address_has_an_allowance_that_comes_back_with_time() {
        let (floods, clock) = floods(60);
        assert_eq!(passed(&floods, "192.0.2.1"), 60);
        assert_eq!(passed(&floods, "::ffff:192.0.2.1"), 0);
        assert_eq!(passed(&floods, "192.0.2.2"), 60);
        let wait = floods.failed("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        clock.advance(Duration::from_secs(7));
        assert_eq!(passed(&floods, "192.0.2.1"), 7);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(passed(&floods, "192.0.2.1"), 60);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        let (floods, _) = floods(60);
        assert_eq!(passed(&floods, "2001:db8:0:1::1"), 60);
        assert_eq!(passed(&floods, "2001:db8:0:1:ffff::9"), 0);
        assert_eq!(passed(&floods, "2001:db8:0:2::1"), 60);
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(passed(&floods(0).0, "192.0.2.1"), 1_000);
    }

    #[test]
    fn the_table_has_a_bound_and_recovers() {
        let (floods, clock) = floods(60);
        let address = |n: u32| IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        let many = u32::try_from(MAX_ADDRESSES).unwrap() * 4;
        let passed = (0..many).filter(|n| floods.failed(address(*n)).is_ok());
        assert!(passed.count() < MAX_ADDRESSES + 1_000);
        let size = || floods.table.lock().unwrap().whole_at.len();
        assert_eq!(size(), MAX_ADDRESSES);
        clock.advance(Duration::from_secs(120));
        assert_eq!(floods.failed(address(many)), Ok(()));
        assert_eq!(size(), 1);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Rate limits: a bucket of permits for each key, refilled with time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::RATE_KEYS_MAX;

/// Buckets by key.
pub(crate) struct Buckets<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    permits: f64,
    at: Instant,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    pub(crate) fn new(burst: u32, per_second: u32) -> Buckets<K> {
        Buckets { burst: f64::from(burst), per_second: f64::from(per_second), buckets: Mutex::default() }
    }

    /// Takes so many permits; if there are not as many, says how long to wait for them.
    pub(crate) fn take(&self, key: &K, cost: u32, now: Instant) -> Result<(), Duration> {
        let cost = f64::from(cost);
        // The counts are right after every step, so a panic elsewhere does not make them wrong.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(key) && buckets.len() >= RATE_KEYS_MAX {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key.clone()).or_insert(Bucket { permits: self.burst, at: now });
        *bucket = Bucket { permits: self.permits(bucket, now), at: now };
        if bucket.permits < cost {
            return Err(Duration::from_secs_f64((cost - bucket.permits) / self.per_second));
        }
        bucket.permits -= cost;
        Ok(())
    }

    fn permits(&self, bucket: &Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.permits + elapsed * self.per_second).min(self.burst)
    }

    /// Forgets the keys that are full again, which changes nothing; failing that, the fullest one.
    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.permits(bucket, now) < self.burst);
        if buckets.len() < RATE_KEYS_MAX {
            return;
        }
        let fullest =
            buckets.iter().max_by(|(_, a), (_, b)| self.permits(a, now).total_cmp(&self.permits(b, now)));
        if let Some(key) = fullest.map(|(key, _)| key.clone()) {
            buckets.remove(&key);
        }
    }
}

/// What counts as one address: of IPv6 a network of 64 bits, within which a sender can choose freely.
pub(crate) fn address_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let buckets = Buckets::new(3, 2);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take(&"a", 1, start), Ok(()));
        }
        assert_eq!(buckets.take(&"a", 1, start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(&"b", 1, start), Ok(()), "another key has its own bucket");
        assert_eq!(buckets.take(&"a", 1, start + Duration::from_millis(500)), Ok(()));
        assert!(buckets.take(&"a", 1, start + Duration::from_millis(500)).is_err());
        let later = start + Duration::from_secs(3_600);
        assert_eq!(
            (0..4).filter(|_| buckets.take(&"a", 1, later).is_ok()).count(),
            3,
            "never more than the burst"
        );
        let still_later = later + Duration::from_secs(3_600);
        assert_eq!(buckets.take(&"c", 2, still_later), Ok(()));
        assert_eq!(buckets.take(&"c", 2, still_later), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(&"c", 1, still_later), Ok(()), "what was refused took nothing");
    }

    #[test]
    fn keys_are_bounded_and_the_emptiest_is_kept() {
        let buckets = Buckets::new(2, 1);
        let start = Instant::now();
        assert!(buckets.take(&usize::MAX, 1, start).is_ok() && buckets.take(&usize::MAX, 1, start).is_ok());
        for key in 0..RATE_KEYS_MAX + 10 {
            let _ = buckets.take(&key, 1, start);
        }
        assert!(buckets.buckets.lock().unwrap().len() <= RATE_KEYS_MAX);
        assert!(buckets.take(&usize::MAX, 1, start).is_err(), "a flood of keys does not wash a limit away");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}

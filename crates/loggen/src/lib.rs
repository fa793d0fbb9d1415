// SPDX-License-Identifier: Apache-2.0
//! Life-like logs of an invented firm, the same for the same seed, with planted attacks and the truth about them.
//!
//! Must not know any crate of ours: what it writes is what makers document, not what our readers expect. For
//! tests and measurements only; nothing depends on it outside of tests.
//!
//! ```
//! let firm = loggen::Firm::new(loggen::Plan { seed: 1, users: 20, days: 40, quiet: true });
//! let lines = firm.day(3);
//! assert_eq!(lines, firm.day(3), "the same each time");
//! assert!(lines.iter().any(|line| line.family == loggen::Family::Windows));
//! assert!(!firm.planted().is_empty());
//! ```

mod attack;
mod life;
mod mmdb;
pub mod render;
mod rng;
mod time;
mod world;
pub mod years;

use std::collections::BTreeMap;

pub use attack::Planted;
pub use render::{DOMAIN, Family, Line};
pub use time::{DAY, HOUR, MINUTE, SECOND};
pub use world::{NETS, Net};

/// What to invent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Another seed gives another firm.
    pub seed: u64,
    /// People.
    pub users: u64,
    /// Days of logs, besides the three old ones that are left of long before.
    pub days: i64,
    /// Whether there are few lines that tell nothing: name resolution, small requests.
    pub quiet: bool,
}

/// First day of all logs: 19 February 2024, a Monday, so that both changes of the clock lie ahead.
const FIRST_DAY: i64 = 19_772;
/// Days of which an old archive is left, long before the rest.
const OLD_DAYS: std::ops::Range<i64> = -47..-44;

/// A firm with its logs.
#[derive(Clone, Debug)]
pub struct Firm {
    plan: Plan,
    users: Vec<world::User>,
    planted: Vec<Planted>,
    attack_lines: BTreeMap<i64, Vec<Line>>,
}

impl Firm {
    /// Invents people and attacks; lines of life are made day by day.
    pub fn new(plan: Plan) -> Firm {
        let users = world::users(plan.seed, plan.users, plan.days);
        let attacks = attack::plant(&plan, &users);
        let mut attack_lines: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
        for line in attacks.lines {
            attack_lines.entry(line.time.div_euclid(DAY) - FIRST_DAY).or_default().push(line);
        }
        Firm { plan, users, planted: attacks.planted, attack_lines }
    }

    /// The days that have logs, counted from the first.
    pub fn days(&self) -> impl Iterator<Item = i64> + use<> {
        OLD_DAYS.chain(0..self.plan.days)
    }

    /// Its date.
    pub fn date(&self, day: i64) -> String {
        time::date((FIRST_DAY + day) * DAY)
    }

    /// All lines of a day's files, by log and time. A log is without lines on a day that is missing.
    pub fn day(&self, day: i64) -> Vec<Line> {
        let mut lines = Vec::new();
        for user in &self.users {
            life::live(&self.plan, user, day, &mut lines);
        }
        life::machines(&self.plan, &self.users, day, &mut lines);
        if let Some(attacks) = self.attack_lines.get(&day) {
            lines.extend(attacks.iter().cloned());
        }
        lines.retain(|line| !self.is_missing(line.family, day));
        lines.sort();
        lines
    }

    /// Whether the log of a day was lost.
    pub fn is_missing(&self, family: Family, day: i64) -> bool {
        match family {
            Family::Entra => matches!(day, 20 | 21),
            Family::Vpn => day == 26,
            _ => false,
        }
    }

    /// The truth: what was planted.
    pub fn planted(&self) -> &[Planted] {
        &self.planted
    }

    /// Names of the people's accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(|user| user.name.as_str())
    }

    /// Places of addresses, in MaxMind's format.
    pub fn places(&self) -> Vec<u8> {
        mmdb::database(NETS, (FIRST_DAY * 86_400) as u64)
    }
}

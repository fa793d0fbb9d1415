// SPDX-License-Identifier: Apache-2.0
//! What attackers do, planted into life, and the truth about it.

mod data;
mod spray;
mod takeover;

use crate::FIRST_DAY;
use crate::Plan;
use crate::life::is_steady;
use crate::render::{Line, Out, SignIn, entra, mail, okta, vpn};
use crate::rng::Rng;
use crate::time::{DAY, HOUR, Summer, offset_hours};
use crate::world::User;

/// One thing that must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Short name of what it is: the detector that must speak.
    pub what: &'static str,
    /// Accounts, addresses, services that it is about; one of them must be named.
    pub about: Vec<String>,
    /// From when, in microseconds since 1970.
    pub first: i64,
    /// Until when.
    pub last: i64,
    /// Whether it must be found by the named detector; otherwise it only explains what others may say.
    pub must: bool,
}

/// Attacks with the lines that they leave.
#[derive(Debug, Default)]
pub struct Attacks {
    pub planted: Vec<Planted>,
    pub lines: Vec<Line>,
}

/// Plants everything that fits into the days.
pub fn plant(plan: &Plan, users: &[User]) -> Attacks {
    let mut stage = Stage::new(plan, users);
    // All detectors that learn need four weeks; less leaves only what needs none.
    spray::plant(&mut stage);
    let mut acts = [takeover::ACTS, data::ACTS].concat();
    if users.len() < VICTIMS_ENOUGH {
        // In a small firm there are fewer people than attacks. With another seed others of them are planted.
        let begin = (plan.seed as usize).wrapping_mul(4) % acts.len();
        acts.rotate_left(begin);
    }
    for act in acts {
        act(&mut stage);
    }
    stage.attacks
}

/// Plants attacks of one sort.
type Act = fn(&mut Stage<'_>);

/// People of whom enough are steady for all attacks.
const VICTIMS_ENOUGH: usize = 100;

/// What attacks are made with: victims that were not used yet, days to spread them over.
struct Stage<'a> {
    plan: &'a Plan,
    users: &'a [User],
    victims: Vec<&'a User>,
    attacks: Attacks,
    rng: Rng,
    /// First and last day for attacks.
    from: i64,
    to: i64,
    slot: i64,
}

impl<'a> Stage<'a> {
    fn new(plan: &'a Plan, users: &'a [User]) -> Stage<'a> {
        let to = (plan.days - 3).max(2);
        let from = (plan.days / 2).clamp(1, 31);
        let victims = users.iter().filter(|user| is_steady(user, from - 2, plan.days)).collect();
        Stage {
            plan,
            users,
            victims,
            attacks: Attacks::default(),
            rng: Rng::new(plan.seed, &[4]),
            from,
            to,
            slot: 0,
        }
    }

    /// A day for the next attack, the days taken in turn: midnight UTC.
    fn next_day(&mut self) -> i64 {
        let room = (self.to - self.from).max(1);
        // A step that has no divisor in common with most numbers of days spreads attacks evenly.
        let day = self.from + self.slot * 7 % room;
        self.slot += 1;
        midnight(day)
    }

    /// A working day, for what would be odd on a weekend.
    fn next_working_day(&mut self) -> i64 {
        for _ in 0..7 {
            let day = self.next_day();
            if crate::time::weekday(day.div_euclid(DAY)) < 5 {
                return day;
            }
        }
        midnight(self.from)
    }

    /// Somebody of Okta or of Entra who was not attacked yet.
    fn victim(&mut self, okta: bool) -> Option<&'a User> {
        let nth = self.victims.iter().position(|user| user.okta == okta)?;
        Some(self.victims.remove(nth))
    }

    fn must(&mut self, what: &'static str, about: &[&str], first: i64, last: i64) {
        self.plant(what, about, first, last, true);
    }

    /// What other detectors may say of the same.
    fn may(&mut self, about: &[&str], first: i64, last: i64) {
        self.plant("", about, first, last, false);
    }

    fn plant(&mut self, what: &'static str, about: &[&str], first: i64, last: i64, must: bool) {
        let about = about.iter().map(|text| (*text).to_owned()).collect();
        self.attacks.planted.push(Planted { what, about, first, last, must });
    }

    fn line(&mut self, line: Line) {
        self.attacks.lines.push(line);
    }

    fn cloud(&mut self, okta_side: bool, act: &SignIn<'_>) {
        self.line(if okta_side { okta(act) } else { entra(act) });
    }

    fn gate(&mut self, time: i64, user: &str, from: std::net::IpAddr, out: Out) {
        self.line(vpn(time, user, from, out, offset_hours(time, 1, Summer::Europe)));
    }

    fn mailbox(&mut self, time: i64, user: &str, from: std::net::IpAddr, out: Out) {
        self.line(mail(time, user, from, out));
    }
}

fn midnight(day: i64) -> i64 {
    (FIRST_DAY + day) * DAY
}

/// A browser as attackers' tools pretend to be one.
const STRANGE_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119.0.0.0 Safari/537.36";

/// An attacker's sign-in by browser, without a registered device.
fn stranger<'a>(time: i64, user: &'a str, from: std::net::IpAddr, out: Out) -> SignIn<'a> {
    SignIn { time, user, from, out, device: "", agent: STRANGE_AGENT, app: "Mail Online", client: "Browser" }
}

/// Ten in the morning where the firm is.
const MORNING: i64 = 9 * HOUR;

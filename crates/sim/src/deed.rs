// SPDX-License-Identifier: Apache-2.0
//! What happens in a history, as data: a list of steps runs the same way wherever it was cut from.

use std::fmt;

use model::marking::Tlp;

use crate::rng::Rng;
use crate::scene::{AUDIENCES, OBJECTS, Sort, VERSIONS, refers_to, sort, told};

/// Most steps of a history.
pub const STEPS_MAX: usize = 26;
/// Objects of a batch.
const BATCH_MAX: usize = 4;

/// One step: what is done, what becomes of it, and the seed of its random bytes.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub deed: Deed,
    /// What becomes of it.
    pub fate: Fate,
    /// Seed of salts, ids and of where exactly a crash strikes.
    pub salt: u64,
}

/// An object that a member adds.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose record it becomes.
    pub author: u8,
    /// Which object.
    pub object: u8,
    /// Which version of it.
    pub version: u8,
    /// For whom, by the scene's number.
    pub to: u8,
    /// Under which label.
    pub tlp: Option<Tlp>,
    /// Whether more may see it from now on.
    pub widens: bool,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A member accepts the present terms of a community.
    Accept { community: u8, member: u8 },
    /// A batch of objects.
    Add(Vec<Item>),
    /// A member declares its client, or that it is so no longer.
    Client { of: u8, client: u8, ended: bool },
    /// A new token.
    Issue { member: u8, person: bool, ceiling: Tlp },
    /// A member joins a community.
    Join { community: u8, member: u8 },
    /// A member leaves a community.
    Leave { community: u8, member: u8 },
    /// Fewer may see an object.
    Narrow { author: u8, object: u8, tlp: Tlp, to: Option<u8> },
    /// An older copy of the database is put in the place of the present one.
    OldCopy,
    /// The clients of a token read on.
    Poll { token: u8, pages: u8, limit: u8 },
    /// A view is made anew: so many turns of it.
    Rebuild { view: u8, batch: u8, turns: u8 },
    /// The node stops and starts again, with a clock that stands elsewhere.
    Restart { days: i64 },
    /// An object was wrong: a version that revokes it, for all who had it.
    Retract { author: u8, object: u8 },
    /// A token is revoked.
    Revoke { token: u8 },
    /// A community's terms change.
    Terms { community: u8, text: u8 },
    /// An object must not be held.
    Withdraw { author: u8, object: u8 },
}

/// What becomes of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The node crashes while it is done.
    Crash(Crash),
    /// It is done, and its answer arrives.
    Done,
    /// The engine fails at this point; the node goes on.
    Fault(u8),
    /// It is done, its answer is lost, and whoever asked asks again.
    Twice,
}

/// Where a crash strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before anything reached the file.
    Before,
    /// While the batch was written: so many thousandths of its bytes are there, and behind them what was
    /// there before.
    Killed(u16),
    /// The power went: the file has its new length, and zeros from there on.
    PowerCut(u16),
    /// Between the commit and the side file, which lies there half written.
    Unpublished,
    /// Between the side file and the answer.
    Unanswered,
    /// While what was erased is swept out of the write-ahead log: some pages are in the database already.
    Sweeping,
    /// After everything.
    After,
}

/// The history of a seed.
pub fn history(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let count = 8 + rng.below(STEPS_MAX - 7);
    (0..count).map(|_| step(&mut rng)).collect()
}

fn step(rng: &mut Rng) -> Step {
    let deed = deed(rng);
    let fate = match rng.below(100) {
        0..16 => Fate::Crash(crash(rng)),
        16..24 => Fate::Fault(rng.small(u8::MAX)),
        24..30 => Fate::Twice,
        _ => Fate::Done,
    };
    Step { deed, fate, salt: rng.number() }
}

fn crash(rng: &mut Rng) -> Crash {
    let cut = u16::try_from(rng.below(1_001)).unwrap_or(0);
    match rng.below(9) {
        0 => Crash::Before,
        1 | 2 => Crash::Killed(cut),
        3 | 4 => Crash::PowerCut(cut),
        5 => Crash::Unpublished,
        6 => Crash::Unanswered,
        7 => Crash::Sweeping,
        _ => Crash::After,
    }
}

fn deed(rng: &mut Rng) -> Deed {
    let community = 1 + rng.small(2);
    let member = 1 + rng.small(4);
    let (author, object) = author_of(rng);
    match rng.below(100) {
        0..34 => Deed::Add(batch(rng)),
        34..39 => {
            let to = rng.percent(50).then(|| rng.pick(&[2, 3, 5, 6]));
            Deed::Narrow { author, object, tlp: rng.pick(&Tlp::ALL), to }
        }
        39..44 => Deed::Withdraw { author, object },
        44..47 => Deed::Retract { author, object },
        47..53 => Deed::Join { community, member },
        53..57 => Deed::Leave { community, member },
        57..59 => Deed::Terms { community, text: rng.small(3) },
        59..63 => Deed::Accept { community, member },
        63..66 => {
            let client = 1 + (member + rng.small(3)) % 4;
            Deed::Client { of: member, client, ended: rng.percent(35) }
        }
        66..69 => {
            let (member, person) = (1 + rng.small(5), rng.percent(30));
            let ceiling = if person { Tlp::Red } else { rng.pick(&Tlp::ALL[..4]) };
            Deed::Issue { member, person, ceiling }
        }
        69..70 => Deed::Revoke { token: rng.small(8) },
        70..88 => Deed::Poll { token: rng.small(8), pages: 1 + rng.small(3), limit: 1 + rng.small(4) },
        88..93 => Deed::Rebuild { view: rng.small(3), batch: 1 + rng.small(6), turns: rng.small(6) },
        93..98 => Deed::Restart { days: rng.pick(&[0, 0, 0, 1, -1, 365, -365]) },
        _ => Deed::OldCopy,
    }
}

/// Mostly the member who made it, sometimes one who hands it on.
fn author_of(rng: &mut Rng) -> (u8, u8) {
    let object = rng.small(OBJECTS);
    let author = if rng.percent(85) { 1 + object % 2 } else { 1 + rng.small(4) };
    (author, object)
}

fn batch(rng: &mut Rng) -> Vec<Item> {
    let count = if rng.percent(60) { 1 } else { 1 + rng.below(BATCH_MAX) };
    let mut items: Vec<Item> = (0..count).map(|_| item(rng)).collect();
    // Now and then one object stands twice in a batch, under two labels.
    if let Some(twice) = items.first().cloned().filter(|_| rng.percent(12)) {
        items.push(Item { tlp: Some(rng.pick(&Tlp::ALL)), ..twice });
    }
    // `polder share` is an act of its own.
    if let [only] = items.as_mut_slice() {
        only.widens = rng.percent(30);
    }
    items
}

fn item(rng: &mut Rng) -> Item {
    let (author, object) = author_of(rng);
    let version = rng.small(VERSIONS);
    let tlp = rng.percent(92).then(|| rng.pick(&Tlp::ALL));
    Item { author, object, version, to: rng.small(AUDIENCES), tlp, widens: false }
}

impl Step {
    /// The same with less: without what becomes of it, or with one object less.
    pub fn simpler(&self) -> Vec<Step> {
        let mut simpler = Vec::new();
        if self.fate != Fate::Done {
            simpler.push(Step { fate: Fate::Done, ..self.clone() });
        }
        if let Deed::Add(items) = &self.deed
            && items.len() > 1
        {
            simpler.extend((0..items.len()).map(|nth| {
                let mut fewer = items.clone();
                fewer.remove(nth);
                Step { deed: Deed::Add(fewer), ..self.clone() }
            }));
        }
        simpler
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deed.fmt(f)?;
        match self.fate {
            // Neither is a batch that could be cut.
            _ if matches!(self.deed, Deed::OldCopy | Deed::Restart { .. }) => Ok(()),
            Fate::Crash(crash) => write!(f, "; {crash}, and the node starts again"),
            Fate::Done => Ok(()),
            Fate::Fault(at) => write!(f, "; the engine fails ({})", crate::fault::told(at)),
            Fate::Twice => f.write_str("; the answer is lost, and it is sent again"),
        }
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Crash::Before => f.write_str("killed before anything is written"),
            Crash::Killed(cut) => write!(f, "killed at {cut}/1000 of what it writes"),
            Crash::PowerCut(cut) => write!(f, "the power goes at {cut}/1000 of what it writes"),
            Crash::Unpublished => f.write_str("killed between commit and side file"),
            Crash::Unanswered => f.write_str("killed between side file and answer"),
            Crash::Sweeping => f.write_str("killed while the write-ahead log is emptied"),
            Crash::After => f.write_str("killed after everything"),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Item { author, object, version, to, .. } = self;
        let label = self.tlp.map_or("unmarked", Tlp::name);
        let widens = if self.widens { ", so that more may see it" } else { "" };
        write!(
            f,
            "member {author} adds {} version {version}, {label}, for {}{widens}",
            name(*object),
            told(*to, *author)
        )
    }
}

/// An object in words.
pub fn name(object: u8) -> String {
    match (sort(object), refers_to(object)) {
        (Sort::Address, _) => format!("address {object}"),
        (Sort::Definition, _) => format!("marking definition {object}"),
        (Sort::Indicator, _) => format!("indicator {object}"),
        (Sort::Note, of) => format!("note {object} (on address {})", of.unwrap_or_default()),
        (Sort::Tool, _) if crate::scene::is_marked(object) => {
            format!("tool {object} (marked by definition 8)")
        }
        (Sort::Tool, _) => format!("tool {object}"),
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Accept { community, member } => {
                write!(f, "member {member} accepts the terms of community {community}")
            }
            Deed::Add(items) => {
                for (nth, item) in items.iter().enumerate() {
                    let before = if nth == 0 { "" } else { ", and in the same batch " };
                    write!(f, "{before}{item}")?;
                }
                Ok(())
            }
            Deed::Client { of, client, ended: false } => {
                write!(f, "member {of} declares member {client} its client")
            }
            Deed::Client { of, client, .. } => {
                write!(f, "member {of} declares that member {client} is not its client")
            }
            Deed::Issue { member, person, ceiling } => {
                let whom = if *person { "for jo of" } else { "for a service of" };
                write!(f, "a token {whom} member {member} up to {ceiling}")
            }
            Deed::Join { community, member } => write!(f, "member {member} joins community {community}"),
            Deed::Leave { community, member } => write!(f, "member {member} leaves community {community}"),
            Deed::Narrow { author, object, tlp, to } => {
                write!(f, "member {author} narrows {} to {tlp}", name(*object))?;
                to.map_or(Ok(()), |to| write!(f, " and {}", told(to, *author)))
            }
            Deed::OldCopy => {
                f.write_str("the database of the beginning is put in the place of the present one")
            }
            Deed::Poll { token, pages, limit } => {
                write!(f, "clients of token {token} read {pages} pages of {limit}")
            }
            Deed::Rebuild { view, batch, turns } => {
                write!(f, "view {view} is made anew by {batch} records, {turns} turns of it")
            }
            Deed::Restart { days } => write!(f, "the node starts again, its clock {days:+} days"),
            Deed::Retract { author, object } => write!(f, "member {author} retracts {}", name(*object)),
            Deed::Revoke { token } => write!(f, "token {token} is revoked"),
            Deed::Terms { community, text } => {
                write!(f, "community {community} gets terms of {text} letters")
            }
            Deed::Withdraw { author, object } => write!(f, "member {author} withdraws {}", name(*object)),
        }
    }
}

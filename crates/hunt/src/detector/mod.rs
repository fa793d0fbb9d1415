// SPDX-License-Identifier: Apache-2.0
//! Detectors: what Sigma cannot say because it rests on what is usual, on places, or on order over days.
//!
//! Accounts that are taken over ([`DETECTORS`] names all), data that is carried away slowly or at once, archive
//! programs under other names. Each detection says which lines it rests on, the threshold, what is usual, what would
//! disprove it and what to do.
//!
//! Events may come in any order, file after file. They are gathered by the hour and judged in the order of time when
//! an hour is closed: at [`Detectors::finish`], by [`Detectors::advance`], or when more waits than
//! [`crate::limits::DETECTOR_FACTS_MAX`]. What comes for a closed hour is late: it is counted, not judged. As long as
//! nothing is late the detections do not depend on the order of files, and detectors that read different files on
//! several threads can be [united](Detectors::unite).
//!
//! ```
//! use hunt::detector::{Detectors, Options};
//! use hunt::event::Event;
//! use model::time::Timestamp;
//!
//! let mut detectors = Detectors::new(Options::default());
//! let mut found = Vec::new();
//! for nth in 0..40 {
//!     let mut event = Event::default();
//!     event.place.line = nth + 1;
//!     event.time = Some(Timestamp::from_micros(1_700_000_000_000_000 + nth as i64 * 30_000_000));
//!     event.fields = serde_json::from_str(&format!(
//!         r#"{{"EventID": 4625, "TargetUserName": "user{nth}", "SubStatus": "0xC000006A", "IpAddress": "10.0.0.9"}}"#
//!     )).unwrap();
//!     detectors.observe(&event, "", "dc1.jsonl", &mut |detection| found.push(detection));
//! }
//! detectors.finish(&mut |detection| found.push(detection));
//! assert_eq!(found[0].id, "spray-one-source");
//! ```

mod archive;
mod buffer;
mod catalogue;
pub mod crown;
mod engine;
mod habit;
pub mod leak;
mod movement;
mod place;
mod robust;
pub mod signin;
mod spray;
mod takeover;
mod travel;
mod volume;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use buffer::{Buffer, ChangeKey, DAY, HOUR, Hint, Id, Key, Names, SPAN, Seen, Spot, Sum, hash_of};
use catalogue::RENAMED_ARCHIVER;
use engine::{Engine, Point, Said, Where, World};
use model::diagnostic::Diagnostic;
use model::time::Timestamp;
use movement::{FileUse, Movement, ProcessStart, Upload};
use signin::{AccountChange, AccountEvent, Change, SignIn, account_event, agent_family};
use volume::Volume;

use crate::detection::{Detection, Evidence, Level};
use crate::event::{Event, SourceClass, SourceKind};
use crate::limits::{DETECTOR_FACTS_MAX, FINDING_TEXT_BYTES_MAX};
use crate::state::{Bytes, Out, State, state};

pub use catalogue::{DETECTORS, Detector};
pub use crown::Crown;
pub use place::{Block, Network, PlaceFileError, PlaceFiles, Places, Whereabouts};

/// Raised when a checkpoint of an older program can no longer be read.
pub const CHECKPOINT_VERSION: u8 = 1;
const CHECKPOINT_MAGIC: &[u8; 8] = b"pdetect\0";

pub(in crate::detector) const CHANGE_MFA: u8 = 1;

/// What the detectors are told besides events.
#[derive(Clone)]
pub struct Options {
    /// Where addresses are. Without it countries and networks are those that identity providers themselves tell, and
    /// otherwise the /24 or /48.
    pub places: Option<Arc<dyn Places + Send + Sync>>,
    /// Exits of VPNs and proxies: who comes from there may be anywhere.
    pub exits: Vec<Block>,
    /// The register of crown jewels.
    pub crown: Vec<Crown>,
    /// Most facts that wait, at most [`DETECTOR_FACTS_MAX`]; one takes about 150 bytes.
    pub facts_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { places: None, exits: Vec::new(), crown: Vec::new(), facts_max: DETECTOR_FACTS_MAX }
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sign-ins.
    pub sign_ins: u64,
    /// Changes of accounts.
    pub changes: u64,
    /// Uploads, uses of files and starts of programs.
    pub movements: u64,
    /// Events that came after their hour was closed and were not judged: give logs in the order of time, or more
    /// room for facts.
    pub late: u64,
    /// Events that were not judged because there was no room for more names.
    pub dropped: u64,
}
state!(Counts { sign_ins, changes, movements, late, dropped });

/// A checkpoint cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are damaged.
    #[error("the detectors' checkpoint is damaged; remove it, and hunt the logs again")]
    Damaged,
    /// It is no checkpoint.
    #[error("this is no checkpoint of the detectors; name the right file")]
    Other,
    /// It is of another program.
    #[error(
        "the detectors' checkpoint is of version {0}, this program reads version {CHECKPOINT_VERSION}; hunt the logs again"
    )]
    Version(u8),
}

/// The detectors with all that they remember.
#[derive(Clone)]
pub struct Detectors {
    options: Options,
    memory: Memory,
    /// Looked up again when needed.
    places: BTreeMap<Id, Where>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default)]
struct Memory {
    names: Names,
    buffer: Buffer,
    engine: Engine,
    volume: Volume,
    /// First hour that is not closed; `None` as long as none is.
    open_hour: Option<i64>,
    /// First day that is not closed.
    open_day: Option<i64>,
    /// Day of the hour that was closed last, until it is told.
    running_day: Option<i64>,
    counts: Counts,
}
state!(Memory { names, buffer, engine, volume, open_hour, open_day, running_day, counts });

impl Memory {
    /// Whether all hours and days are of times that there are: others cannot be reckoned with.
    fn is_within_time(&self) -> bool {
        let (first, last) = (Timestamp::MIN.micros(), Timestamp::MAX.micros());
        let within = |span: i64, at: i64| (first.div_euclid(span)..=last.div_euclid(span) + 1).contains(&at);
        let hours = self.buffer.hours.keys().chain(&self.open_hour);
        let days = self.buffer.days.keys().chain(&self.open_day).chain(&self.running_day);
        hours.copied().all(|hour| within(HOUR, hour)) && days.copied().all(|day| within(DAY, day))
    }
}

impl Detectors {
    /// Detectors that have seen nothing.
    pub fn new(options: Options) -> Detectors {
        Detectors { options, memory: Memory::default(), places: BTreeMap::new() }
    }

    /// Whether logs of a class can tell anything: others need not be parsed for the detectors.
    pub fn needs(class: &SourceClass) -> bool {
        signin::can_tell(class) || movement::can_tell(class)
    }

    /// Takes one event in. `line` is its text, `file` its log. What needs no history is told at once.
    pub fn observe(&mut self, event: &Event, line: &str, file: &str, out: &mut dyn FnMut(Detection)) {
        if let Some(told) = account_event(event) {
            let taken = match told {
                AccountEvent::SignIn(sign_in) => self.sign_in(&sign_in, event, file),
                AccountEvent::Change(change) => self.change(&change, event, file),
            };
            self.count_dropped(taken);
        } else if let Some(movement) = movement::movement(event) {
            self.memory.counts.movements += 1;
            let taken = match movement {
                Movement::Upload(upload) => self.upload(&upload, event, file),
                Movement::FileUse(used) => self.file_use(&used, event, file),
                Movement::ProcessStart(start) => {
                    self.process(&start, event, line, file, out);
                    Some(())
                }
            };
            self.count_dropped(taken);
        }
        if self.memory.buffer.facts > self.options.facts_max.min(DETECTOR_FACTS_MAX) {
            self.make_room(out);
        }
    }

    /// Judges everything that waits: after the last file. Events of later times can follow.
    pub fn finish(&mut self, out: &mut dyn FnMut(Detection)) {
        self.close_until(i64::MAX, i64::MAX, out);
    }

    /// Judges what happened before a time, in whole hours, and volumes in whole days: for logs that are followed.
    pub fn advance(&mut self, until: Timestamp, out: &mut dyn FnMut(Detection)) {
        let until = until.micros();
        self.close_until(until.div_euclid(HOUR), until.div_euclid(DAY), out);
    }

    /// Takes in what others read of other files. Neither may have closed anything yet, or what the other knows of
    /// closed hours is lost and counted as late.
    pub fn unite(&mut self, other: Detectors) {
        let other = other.memory;
        let mut ids = vec![0];
        for id in 1..=other.names.len() {
            ids.push(self.memory.names.id(other.names.text(id)).unwrap_or(0));
        }
        let (late, buffer) = match self.memory.open_hour {
            Some(open) => other.buffer.since_hour(open),
            None => (0, other.buffer),
        };
        let id = |id: Id| ids.get(id as usize).copied().unwrap_or(0);
        self.memory.buffer.unite(buffer, &self.memory.names, &id);
        let counts = &mut self.memory.counts;
        counts.sign_ins += other.counts.sign_ins;
        counts.changes += other.counts.changes;
        counts.movements += other.counts.movements;
        counts.late += other.counts.late + late;
        counts.dropped += other.counts.dropped;
    }

    /// What went wrong in looking up places; each source of places says so once.
    pub fn take_faults(&self) -> Vec<Diagnostic> {
        self.options.places.as_ref().map(|places| places.take_faults()).unwrap_or_default()
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.memory.counts
    }

    /// Writes all that is remembered: to go on after a restart as if there had been none. Fails as the writer does.
    pub fn checkpoint(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut summed = Summed { sum: Sum::default(), to };
        let mut out = Out::to(&mut summed);
        out.extend_from_slice(CHECKPOINT_MAGIC);
        out.push(CHECKPOINT_VERSION);
        self.memory.write(&mut out);
        out.end()?;
        let Summed { sum, to } = summed;
        to.write_all(&sum.end().to_le_bytes())
    }

    /// Goes on from a checkpoint.
    pub fn restore(options: Options, bytes: &[u8]) -> Result<Detectors, CheckpointError> {
        let rest = bytes.strip_prefix(CHECKPOINT_MAGIC).ok_or(CheckpointError::Other)?;
        let (version, _) = rest.split_first().ok_or(CheckpointError::Damaged)?;
        if *version != CHECKPOINT_VERSION {
            return Err(CheckpointError::Version(*version));
        }
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or(CheckpointError::Damaged)?;
        if Sum::of(body) != u64::from_le_bytes(*sum) {
            return Err(CheckpointError::Damaged);
        }
        let mut left = Bytes(body.get(CHECKPOINT_MAGIC.len() + 1..).unwrap_or_default());
        let memory = Memory::read(&mut left).map_err(|_| CheckpointError::Damaged)?;
        if !left.0.is_empty() || !memory.is_within_time() {
            return Err(CheckpointError::Damaged);
        }
        Ok(Detectors { options, memory, places: BTreeMap::new() })
    }
}

/// Hands on what is written, and sums it.
struct Summed<'w> {
    sum: Sum,
    to: &'w mut dyn Write,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.add(bytes.iter().take(written).copied());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

// --- taking in ---

impl Detectors {
    fn count_dropped(&mut self, taken: Option<()>) {
        if taken.is_none() {
            self.memory.counts.dropped += 1;
        }
    }

    /// Whether the hour of a time is closed; counts it then.
    fn is_late(&mut self, time: i64) -> bool {
        let late = self.memory.open_hour.is_some_and(|open| time.div_euclid(HOUR) < open);
        self.memory.counts.late += u64::from(late);
        late
    }

    fn spot(&mut self, event: &Event, file: &str) -> Option<Spot> {
        Some(Spot { file: self.memory.names.id(file)?, line: event.place.line, offset: event.place.offset })
    }

    fn sign_in(&mut self, sign_in: &SignIn, event: &Event, file: &str) -> Option<()> {
        self.memory.counts.sign_ins += 1;
        let time = sign_in.time.micros();
        if self.is_late(time) {
            return Some(());
        }
        let spot = self.spot(event, file)?;
        let source = match (&sign_in.address, &sign_in.workstation) {
            (Some(address), _) => address.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => String::new(),
        };
        let names = &mut self.memory.names;
        let agent = sign_in.agent.as_deref().map(agent_family).unwrap_or_default();
        let key = Key {
            span: time.div_euclid(SPAN),
            user: names.id(&sign_in.user)?,
            source: names.id(&source)?,
            outcome: sign_in.outcome.code(),
            service: sign_in.service.code(),
            legacy: sign_in.legacy,
            refresh: sign_in.refresh,
            device: names.id(sign_in.device.as_deref().unwrap_or_default())?,
            agent: names.id(&agent)?,
            app: names.id(sign_in.application.as_deref().unwrap_or_default())?,
            protocol: names.id(sign_in.protocol.as_deref().unwrap_or_default())?,
        };
        if self.options.places.is_none() && sign_in.told != signin::Told::default() {
            let country = names.id(sign_in.told.country.as_deref().unwrap_or_default())?;
            let hundredths = |degrees: f64| (degrees * 100.0).round().clamp(-18_000.0, 18_000.0) as i64;
            let at = sign_in.told.at.map(|(north, east)| (hundredths(north), hundredths(east)));
            let hint = Hint { country, asn: sign_in.told.asn.unwrap_or(0), at };
            self.memory.buffer.hint(key.source, hint, &self.memory.names);
        }
        self.memory.buffer.sign_in(key, Seen::once(time, spot), &self.memory.names);
        Some(())
    }

    fn change(&mut self, change: &AccountChange, event: &Event, file: &str) -> Option<()> {
        self.memory.counts.changes += 1;
        let time = change.time.micros();
        if self.is_late(time) {
            return Some(());
        }
        let spot = self.spot(event, file)?;
        let names = &mut self.memory.names;
        let address = change.address.map(|address| address.to_string()).unwrap_or_default();
        let key = ChangeKey {
            time,
            user: names.id(&change.user)?,
            actor: names.id(&change.actor)?,
            source: names.id(&address)?,
            kind: match change.change {
                Change::MfaMethod => CHANGE_MFA,
                Change::Password => 2,
                Change::PasswordReset => 3,
            },
            service: change.service.code(),
            words: names.id(&change.words)?,
        };
        self.memory.buffer.change(key, Seen::once(time, spot), &self.memory.names);
        Some(())
    }

    fn upload(&mut self, upload: &Upload, event: &Event, file: &str) -> Option<()> {
        let time = upload.time.micros();
        if self.is_late_day(time) {
            return Some(());
        }
        let spot = self.spot(event, file)?;
        let (who, to) = (self.memory.names.id(&upload.who)?, self.memory.names.id(&upload.to)?);
        self.memory.buffer.upload(who, to, upload.bytes, Seen::once(time, spot), &self.memory.names);
        Some(())
    }

    fn file_use(&mut self, used: &FileUse, event: &Event, file: &str) -> Option<()> {
        let time = used.time.micros();
        if self.is_late_day(time) {
            return Some(());
        }
        let spot = self.spot(event, file)?;
        let key = (self.memory.names.id(&used.who)?, self.memory.names.id(&used.share)?, used.write);
        self.memory.buffer.file(key, hash_of(&used.file), Seen::once(time, spot), &self.memory.names);
        Some(())
    }

    fn is_late_day(&mut self, time: i64) -> bool {
        let late = self.memory.open_day.is_some_and(|open| time.div_euclid(DAY) < open);
        self.memory.counts.late += u64::from(late);
        late
    }

    fn process(
        &mut self,
        start: &ProcessStart,
        event: &Event,
        line: &str,
        file: &str,
        out: &mut dyn FnMut(Detection),
    ) {
        let Some(why) = archive::renamed(start) else { return };
        let crown = crown::named_in(&self.options.crown, &start.command).cloned();
        let user = start.user.clone().unwrap_or_default();
        let host = start.host.clone().unwrap_or_default();
        let evidence =
            Evidence { file: file.to_owned(), place: event.place, time: start.time, text: clipped(line) };
        let mut about = Vec::new();
        for (kind, value) in [("account", &user), ("host", &host), ("file", &start.image)] {
            if !value.is_empty() {
                about.push((kind, value.clone()));
            }
        }
        let mut title = format!("{host}: {why}");
        if let Some(crown) = &crown {
            title.push_str(&format!("; it packs from {}, which is a crown jewel", crown.share));
        }
        self.world(out, |_, _, world| {
            world.tell(&RENAMED_ARCHIVER, Said {
                title,
                level: if crown.is_some() { Level::Critical } else { Level::High },
                source: SourceKind::Endpoint,
                about,
                count: 1,
                evidence: vec![evidence],
                threshold: format!(
                    "a program whose file says that it is an archiver of another name, or one that is called with an \
                     archiver's verb and {} of its switches",
                    archive::SWITCHES_MIN
                ),
                ..Said::default()
            });
        });
    }
}

fn clipped(line: &str) -> String {
    let end = (0..=line.len().min(FINDING_TEXT_BYTES_MAX)).rev().find(|at| line.is_char_boundary(*at));
    line.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

// --- judging ---

impl Detectors {
    fn world<T>(
        &mut self,
        out: &mut dyn FnMut(Detection),
        act: impl FnOnce(&mut Engine, &mut Volume, &mut World<'_>) -> T,
    ) -> T {
        let memory = &mut self.memory;
        let mut world = World {
            names: &mut memory.names,
            options: &self.options,
            hints: &memory.buffer.hints,
            places: &mut self.places,
            out,
        };
        act(&mut memory.engine, &mut memory.volume, &mut world)
    }

    /// Closes the oldest hours until half of the room is free.
    fn make_room(&mut self, out: &mut dyn FnMut(Detection)) {
        while self.memory.buffer.facts > self.options.facts_max / 2 {
            let hour = self.memory.buffer.hours.keys().next().copied();
            let day = self.memory.buffer.days.keys().next().copied();
            let Some(until) = [hour.map(|h| h.div_euclid(24)), day].into_iter().flatten().min() else {
                return;
            };
            self.close_until((until + 1) * 24, until + 1, out);
        }
    }

    /// Judges the hours and days before the given ones, in the order of time; a day's volumes after its hours.
    fn close_until(&mut self, hour_end: i64, day_end: i64, out: &mut dyn FnMut(Detection)) {
        loop {
            let hour = self.memory.buffer.hours.keys().next().copied().filter(|hour| *hour < hour_end);
            let day = self.memory.buffer.days.keys().next().copied().filter(|day| *day < day_end);
            match (hour, day) {
                (Some(hour), day) if day.is_none_or(|day| hour.div_euclid(24) <= day) => {
                    self.end_day_before(hour.div_euclid(24), out);
                    self.memory.running_day = Some(hour.div_euclid(24));
                    self.close_hour(hour, out);
                }
                (_, Some(day)) => {
                    self.end_day_before(day + 1, out);
                    self.close_day(day, out);
                }
                (_, None) => break,
            }
        }
        if hour_end == i64::MAX {
            // Nothing follows that could still belong to what has begun.
            let end = self.memory.open_hour.unwrap_or(0).saturating_add(48).saturating_mul(HOUR);
            self.world(out, |engine, _, world| engine.end_of_hour(end, world));
            self.end_day_before(i64::MAX, out);
        } else if self.memory.open_hour.is_none_or(|open| open < hour_end) {
            self.memory.open_hour = Some(hour_end);
            self.world(out, |engine, _, world| engine.end_of_hour(hour_end.saturating_mul(HOUR), world));
            self.end_day_before(hour_end.div_euclid(24), out);
        }
    }

    /// A day of sign-ins is told once, when a later one begins.
    fn end_day_before(&mut self, day: i64, out: &mut dyn FnMut(Detection)) {
        if let Some(running) = self.memory.running_day.filter(|running| *running < day) {
            self.memory.running_day = None;
            self.world(out, |engine, _, world| engine.end_of_day(running, world));
        }
    }

    fn close_hour(&mut self, hour: i64, out: &mut dyn FnMut(Detection)) {
        let Some(held) = self.memory.buffer.hours.remove(&hour) else { return };
        let freed = held.sign_ins.len() + held.changes.len();
        self.memory.buffer.facts = self.memory.buffer.facts.saturating_sub(freed as u64);
        let names = &self.memory.names;
        let mut points: Vec<Point> =
            held.sign_ins.iter().filter_map(|(key, seen)| Point::new(key, seen)).collect();
        // The order of time; what is of one time is ordered by names, since numbers differ between runs.
        points.sort_by(|a, b| {
            let order = |p: &Point| (p.time, p.outcome, p.service);
            order(a).cmp(&order(b)).then_with(|| {
                let texts = |p: &Point| {
                    [p.user, p.source, p.device, p.agent, p.app, p.protocol].map(|id| names.text(id))
                };
                texts(a).cmp(&texts(b)).then_with(|| (a.legacy, a.refresh).cmp(&(b.legacy, b.refresh)))
            })
        });
        let mut changes: Vec<(ChangeKey, Seen)> = held.changes.into_iter().collect();
        changes.sort_by(|(a, _), (b, _)| {
            let texts =
                |key: &ChangeKey| [key.user, key.actor, key.source, key.words].map(|id| names.text(id));
            (a.time, texts(a), a.kind, a.service).cmp(&(b.time, texts(b), b.kind, b.service))
        });
        self.world(out, |engine, _, world| {
            engine.end_of_hour(hour * HOUR, world);
            let mut changes = changes.iter().peekable();
            for point in &points {
                while let Some((key, seen)) = changes.next_if(|(key, _)| key.time < point.time) {
                    engine.change(key, seen, world);
                }
                engine.judge(point, world);
            }
            for (key, seen) in changes {
                engine.change(key, seen, world);
            }
        });
        self.memory.open_hour = Some(self.memory.open_hour.map_or(hour + 1, |open| open.max(hour + 1)));
    }

    fn close_day(&mut self, day: i64, out: &mut dyn FnMut(Detection)) {
        let Some(volumes) = self.memory.buffer.days.remove(&day) else { return };
        let hashes: usize = volumes.files.values().map(|files| files.hashes.len().div_ceil(16)).sum();
        let freed = (volumes.uploads.len() + hashes) as u64;
        self.memory.buffer.facts = self.memory.buffer.facts.saturating_sub(freed);
        self.memory.open_day = Some(self.memory.open_day.map_or(day + 1, |open| open.max(day + 1)));
        self.world(out, |_, volume, world| volume.end_of_day(day, volumes, world));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour that no time is in ended the program when it was judged.
    #[test]
    fn a_checkpoint_of_hours_beyond_all_time_is_damaged() {
        let restored = |hour: i64, day: i64| {
            let mut detectors = Detectors::new(Options::default());
            detectors.memory.buffer.hours.insert(hour, buffer::Hour::default());
            detectors.memory.open_day = Some(day);
            let mut bytes = Vec::new();
            detectors.checkpoint(&mut bytes).unwrap();
            Detectors::restore(Options::default(), &bytes).map(|mut again| {
                again.finish(&mut |_| {});
                again.memory.open_hour
            })
        };
        assert_eq!(restored(472_222, 19_675), Ok(Some(472_223)));
        for beyond in [i64::MIN, i64::MAX, i64::MAX / HOUR] {
            assert_eq!(restored(beyond, 0), Err(CheckpointError::Damaged), "{beyond}");
            assert_eq!(restored(0, beyond), Err(CheckpointError::Damaged), "{beyond}");
        }
    }
}

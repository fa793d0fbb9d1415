// SPDX-License-Identifier: Apache-2.0
//! By which zone the times of a log are read where its lines lack one: the one that was asked for, or else the one by which
//! an earlier hunt read it. A `--tz` that was forgotten says nothing of a log.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use hunt::history::names_before_rotation;
use model::zone::Zone;

use super::counted;
use super::record::{Logged, name_of};
use crate::failure::Failure;
use crate::history::Opened;

/// The zones of a hunt.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    given: Option<Zone>,
    /// Zones by which logs were read, by their names in the register, as it writes them; nothing where one was asked for,
    /// or all is UTC.
    recorded: HashMap<String, u32>,
    known: Vec<(String, Zone)>,
}

impl Zones {
    /// Of a hunt that was asked for a zone, or was not. A zone of the register that this program's database of zones lacks
    /// is told.
    pub fn of(given: Option<&Zone>, history: Option<&Opened<'_>>) -> Result<Zones, Failure> {
        let mut zones = Zones { given: given.cloned(), ..Zones::default() };
        let Some(history) = history.filter(|_| given.is_none()) else { return Ok(zones) };
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for (name, text) in history.history().zones_by_name()? {
            let next = u32::try_from(zones.known.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(text.clone()).or_insert(next);
            if number == next {
                let zone = Zone::parse(&text).unwrap_or_else(|error| {
                    eprintln!(
                        "polder: logs were hunted in by the zone {text}: {error}; they are read in UTC"
                    );
                    Zone::UTC
                });
                zones.known.push((text, zone));
            }
            // A file that packs logs is read by the zone of the one that was recorded last.
            for (at, _) in name.match_indices('!') {
                zones.recorded.insert(name.get(..at).unwrap_or_default().to_owned(), number);
            }
            zones.recorded.insert(name, number);
        }
        Ok(zones)
    }

    /// Whether one was asked for: then times that were recorded by another are told by it.
    pub fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// The zone by which a file is read.
    pub fn of_file(&self, path: &Path) -> Zone {
        self.given.clone().or_else(|| self.recorded_of(path)).unwrap_or(Zone::UTC)
    }

    /// The zone by which a file is read because an earlier hunt read it by that one, and none was asked for; `None` where
    /// it was UTC.
    pub fn recorded_of(&self, path: &Path) -> Option<Zone> {
        if self.recorded.is_empty() {
            return None;
        }
        let name = name_of(path);
        let number = match self.recorded.get(&name) {
            Some(number) => Some(number),
            None => names_before_rotation(&name).iter().find_map(|name| self.recorded.get(name)),
        };
        let (_, zone) = self.known.get(usize::try_from(*number?).unwrap_or(usize::MAX))?;
        (*zone != Zone::UTC).then(|| zone.clone())
    }
}

/// How many logs were read by which zones, as far as a person should know of it.
#[derive(Debug, Default)]
pub struct ToldZones {
    /// By the zone that was asked for those that were read by another before: those that the history counts by this one
    /// now, and the others.
    retimed: BTreeMap<String, [u64; 2]>,
    /// By the zone of an earlier hunt, as none was asked for.
    as_before: BTreeMap<String, u64>,
    /// By that zone those that were read by another here, as they were not known by their names.
    otherwise: BTreeMap<String, u64>,
}

impl ToldZones {
    /// Counts a log of a file that was recorded.
    pub fn count(&mut self, logged: &Logged, zones: &Zones, path: &Path) {
        if let Some(is_counted) = logged.retimed {
            let zone = zones.of_file(path).to_string();
            self.retimed.entry(zone).or_default()[usize::from(!is_counted)] += 1;
        }
        if let Some(zone) = &logged.other_zone {
            *self.otherwise.entry(zone.clone()).or_default() += 1;
        } else if let Some(zone) = zones.recorded_of(path) {
            *self.as_before.entry(zone.to_string()).or_default() += 1;
        }
    }

    /// Says so.
    pub fn tell(&self) {
        for (zone, [anew, others]) in &self.retimed {
            if *anew > 0 {
                eprintln!(
                    "{} read by another zone before: findings, coverage and history tell their times by {zone} now",
                    were(*anew)
                );
            }
            if *others > 0 {
                eprintln!(
                    "polder: {} read by another zone before: findings and coverage tell their times by {zone} now, but what \
                     the history counted of them cannot be taken out again, so that first, last and days of a value may be \
                     off by the difference (`polder seen` says so); a hunt with --data of a new directory counts them anew",
                    were(*others)
                );
            }
        }
        for (zone, logs) in &self.as_before {
            eprintln!(
                "{} read by {zone}, the zone that is recorded of {}, as --tz was not given",
                were(*logs),
                if *logs == 1 { "it" } else { "them" }
            );
        }
        for (zone, logs) in &self.otherwise {
            eprintln!(
                "polder: {} recorded by {zone} before, under other names, and no --tz was given: what was recorded of them \
                 keeps its times, while this hunt tells them by UTC; hunt in them again with --tz {zone}",
                were(*logs)
            );
        }
    }
}

fn were(logs: u64) -> String {
    format!("{} {}", counted(logs, "log"), if logs == 1 { "was" } else { "were" })
}

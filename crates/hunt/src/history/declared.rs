// SPDX-License-Identifier: Apache-2.0
//! Sources that are expected: without a declaration nobody knows that a log is missing.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use ledger::sql::{EngineError, Flow, Read, Value};

use super::base::History;
use super::error::HistoryError;
use super::month::Month;
use super::register::{File, clean};
use crate::event::SourceKind;

/// How often a log is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Lines of every day.
    Day,
    /// Lines of every month.
    Month,
    /// Lines of every week, Monday to Sunday.
    Week,
}

/// Cadence, stored code, name. Codes are stored: append, never change one.
const CADENCES: &[(Cadence, i64, &str)] =
    &[(Cadence::Day, 1, "day"), (Cadence::Week, 2, "week"), (Cadence::Month, 3, "month")];

impl Cadence {
    /// Short name.
    pub fn name(self) -> &'static str {
        CADENCES.iter().find(|(cadence, ..)| *cadence == self).map_or("", |(.., name)| *name)
    }

    /// The cadence of a short name.
    pub fn from_name(name: &str) -> Option<Cadence> {
        CADENCES.iter().find(|(.., n)| *n == name).map(|(cadence, ..)| *cadence)
    }

    /// The days of the period in which a day lies.
    fn period(self, day: u32) -> RangeInclusive<u32> {
        match self {
            Cadence::Day => day..=day,
            Cadence::Month => {
                let month = Month::of_day(day);
                month.first_day()..=month.first_day() + month.days() - 1
            }
            Cadence::Week => {
                // The first day of 1970 was a Thursday.
                let monday = (day + 3) / 7 * 7;
                monday.saturating_sub(3)..=monday + 3
            }
        }
    }
}

/// A source that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// What it is called.
    pub name: String,
    /// What kind of log it is.
    pub source: SourceKind,
    /// Names of its files: `*` stands for any characters, `?` for one. With a `/` in it it is held against
    /// the whole path, else against the last part of it.
    pub pattern: String,
    /// How often.
    pub cadence: Cadence,
    /// From which day since 1970 on; without it from the first day that one of its files covers.
    pub since: Option<u32>,
}

impl Declared {
    /// Whether a file is one of its.
    pub fn is_of(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        fits(self.pattern.as_bytes(), if self.pattern.contains('/') { path } else { name }.as_bytes())
    }

    /// From which day on it is expected, where the first period of it is not over yet: nothing is due.
    pub fn expected_from(&self, today: u32) -> Option<u32> {
        self.since.filter(|day| *self.cadence.period(*day).end() >= today)
    }

    /// Days, first and last of each stretch, of which it should have lines up to before `today` and has none;
    /// and how many files it has. A period that is not over is not missed yet.
    pub fn gaps(&self, files: &[File], today: u32) -> (Vec<(u32, u32)>, u64) {
        let its: Vec<&File> =
            files.iter().filter(|file| file.recorded.micros() != 0 && self.is_of(&file.path)).collect();
        let ranges: Vec<(u32, u32)> = its.iter().flat_map(|file| file.days.iter().copied()).collect();
        let covered: BTreeSet<u32> = ranges
            .iter()
            .flat_map(|(first, last)| *first..=(*last).min(today))
            .map(|day| *self.cadence.period(day).start())
            .collect();
        let first = self.since.or_else(|| ranges.iter().map(|(first, _)| *first).min());
        let mut gaps: Vec<(u32, u32)> = Vec::new();
        let Some(mut day) = first else { return (gaps, its.len() as u64) };
        while day < today {
            let period = self.cadence.period(day);
            if *period.end() >= today {
                break;
            }
            if !covered.contains(period.start()) {
                match gaps.last_mut() {
                    Some((_, last)) if *last + 1 == *period.start() => *last = *period.end(),
                    _ => gaps.push((day, *period.end())),
                }
            }
            day = period.end() + 1;
        }
        (gaps, its.len() as u64)
    }
}

/// Whether a name fits a pattern: the last star gives way until the rest fits.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

pub(super) fn declared(read: &mut dyn Read) -> Result<Vec<Declared>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT name, source, pattern, cadence, since_day FROM hunt_sources ORDER BY name",
        &[],
        &mut |row| {
            let code = row.int(3)?;
            let cadence = CADENCES.iter().find(|(_, c, _)| *c == code).map(|(cadence, ..)| *cadence);
            all.push(Declared {
                name: row.text(0)?.to_owned(),
                source: SourceKind::from_code(row.int(1)?).unwrap_or_default(),
                pattern: row.text(2)?.to_owned(),
                cadence: cadence
                    .ok_or_else(|| EngineError::shape(format!("hunt_sources.cadence is {code}")))?,
                since: row.int_opt(4)?.and_then(|day| u32::try_from(day).ok()),
            });
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

impl History<'_> {
    /// Declares a source, or changes the one of that name.
    pub fn declare(&self, source: &Declared) -> Result<(), HistoryError> {
        let cadence =
            CADENCES.iter().find(|(cadence, ..)| *cadence == source.cadence).map_or(1, |(_, code, _)| *code);
        self.write(|tx| {
            tx.execute("DELETE FROM hunt_sources WHERE name = ?1", &[Value::Text(&clean(&source.name))])?;
            tx.execute(
                "INSERT INTO hunt_sources (name, source, pattern, cadence, since_day) VALUES (?1, ?2, ?3, ?4, ?5)",
                &[
                    Value::Text(&clean(&source.name)),
                    Value::Int(source.source.code().into()),
                    Value::Text(&clean(&source.pattern)),
                    Value::Int(cadence),
                    Value::int_or_null(source.since.map(i64::from)),
                ],
            )?;
            Ok(())
        })
    }

    /// Takes a declaration away; answers whether there was one.
    pub fn undeclare(&self, name: &str) -> Result<bool, HistoryError> {
        self.write(|tx| {
            Ok(tx.execute("DELETE FROM hunt_sources WHERE name = ?1", &[Value::Text(&clean(name))])? > 0)
        })
    }

    /// The sources that are declared, by name.
    pub fn declared(&self) -> Result<Vec<Declared>, HistoryError> {
        self.read(|read| Ok(declared(read)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::month::{day_text, parse_day};
    use super::*;

    #[test]
    fn patterns_are_of_stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("vpn*.log*", "vpn-2019.log.gz", true),
            ("vpn*.log*", "vpn.log", true),
            ("vpn*.log*", "dns.log", false),
            ("*", "", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxbc", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        let texts = |day: &str, cadence: Cadence| {
            let period = cadence.period(parse_day(day).unwrap());
            (day_text(*period.start()), day_text(*period.end()))
        };
        let week = ("2024-01-01".to_owned(), "2024-01-07".to_owned());
        assert_eq!(texts("2024-01-01", Cadence::Week), week);
        assert_eq!(texts("2024-01-07", Cadence::Week), week);
        assert_eq!(texts("2024-02-29", Cadence::Month), ("2024-02-01".to_owned(), "2024-02-29".to_owned()));
    }
}

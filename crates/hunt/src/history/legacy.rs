// SPDX-License-Identifier: Apache-2.0
//! The history of programs before format 7 was a table. Its rows become runs, once.

use std::collections::{BTreeMap, BTreeSet};

use ledger::sql::{EngineError, Flow, Read, Value};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::{RunHead, RunWriter};
use super::month::{DAY_SECONDS, Month, second_of};
use super::row::{Flags, Row, Sources, Tally};
use super::runs::{self, LEVEL_FILE, Run};
use super::{register, settings};
use crate::event::SourceKind;

/// Setting that says that the table is there.
const SETTING: &str = "old-history";

impl History<'_> {
    /// Takes the table over; answers how many of its rows there were. Where there is none, this costs one query.
    pub fn take_over(&self, now: Timestamp) -> Result<u64, HistoryError> {
        if !self.read(|read| Ok(is_there(read)?))? {
            return Ok(0);
        }
        let files = self.read(|read| Ok(register::files(read)?))?;
        let (mut written, mut rows) = (Vec::new(), 0);
        for file in &files {
            let (count, months) = self.read(|read| Ok(rows_of(read, file.id)?))?;
            rows += count;
            for (month, of_month) in months {
                let head = RunHead { month, source: SourceKind::Unknown };
                let mut writer = RunWriter::new(self.folder, head, false)?;
                of_month.iter().try_for_each(|row| writer.push(row))?;
                let files = BTreeSet::from([file.id]);
                written.push(Run { facts: writer.finish()?, level: LEVEL_FILE, files, made: now });
            }
        }
        self.write(|tx| {
            // Another process may have done it meanwhile.
            if !is_there(tx.as_read())? {
                return Ok(());
            }
            runs::add(tx, self.folder.id(), &written)?;
            // The register did not say what was packed.
            tx.execute("UPDATE hunt_files SET packed = 1 WHERE path LIKE '%.gz' OR path LIKE '%.zst'", &[])?;
            tx.execute("UPDATE hunt_files SET counted_to = size WHERE packed = 0 AND counted_to = 0", &[])?;
            tx.execute("DROP TABLE hunt_history", &[])?;
            tx.execute("DELETE FROM hunt_settings WHERE name = ?1", &[Value::Text(SETTING)])?;
            Ok(())
        })?;
        Ok(rows)
    }
}

fn is_there(read: &mut dyn Read) -> Result<bool, EngineError> {
    Ok(settings::all(read)?.iter().any(|(name, _)| name == SETTING))
}

type Months = BTreeMap<Month, Vec<Row>>;

/// What the table holds of a file, by month in the order of runs.
fn rows_of(read: &mut dyn Read, file: i64) -> Result<(u64, Months), EngineError> {
    let (mut count, mut months) = (0, Months::new());
    let sql = "SELECT kind, value, first_time, last_time, times, days FROM hunt_history WHERE file = ?1 ORDER BY kind, value";
    read.query(sql, &[Value::Int(file)], &mut |row| {
        count += 1;
        let Some(kind) = ObservableKind::from_code(row.int(0)?) else { return Ok(Flow::Continue) };
        let second = |time: Option<i64>| time.and_then(|time| second_of(Timestamp::from_micros(time)));
        let times = second(row.int_opt(2)?).zip(second(row.int_opt(3)?));
        let days: Vec<u32> =
            row.blob(5)?.as_chunks::<2>().0.iter().map(|day| u16::from_be_bytes(*day).into()).collect();
        let occurrences = u64::try_from(row.int(4)?).unwrap_or(0);
        for (month, tally) in split(times, &days, occurrences) {
            let (value, sources) = (row.blob(1)?.to_vec(), Sources::one(file));
            months.entry(month).or_default().push(Row { kind, value, tally, sources });
        }
        Ok(Flow::Continue)
    })?;
    Ok((count, months))
}

/// A row over all time as one for each month. The table did not say how often a value was seen in which month:
/// each day counts once, and what is left counts in the last month.
fn split(times: Option<(u32, u32)>, days: &[u32], count: u64) -> Vec<(Month, Tally)> {
    let Some((first, last)) = times else {
        return vec![(Month::NONE, Tally { count, ..Tally::default() })];
    };
    let days: BTreeSet<u32> =
        days.iter().copied().chain([first, last].map(|second| second / DAY_SECONDS)).collect();
    let mut months: Vec<(Month, Tally)> = Vec::new();
    for day in days.into_iter().filter(|day| (first / DAY_SECONDS..=last / DAY_SECONDS).contains(day)) {
        let month = Month::of_day(day);
        // Of the days between only that they were seen is known.
        let start = (day * DAY_SECONDS).max(first);
        let end = if day == last / DAY_SECONDS { last } else { start };
        let tally = Tally {
            first: start,
            last: end,
            count: 1,
            days: 1 << (day - month.first_day()),
            flags: Flags::default(),
        };
        match months.last_mut() {
            Some((known, sum)) if *known == month => sum.merge(&tally),
            _ => months.push((month, tally)),
        }
    }
    let told: u64 = months.iter().map(|(_, tally)| tally.count).sum();
    match months.last_mut() {
        // Fewer occurrences than days cannot be; the total stays what it was.
        Some((_, tally)) => tally.count = (tally.count + count).saturating_sub(told).max(1),
        None => months.push((Month::NONE, Tally { count, ..Tally::default() })),
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_over_several_months_is_split() {
        let day = DAY_SECONDS;
        let months = split(Some((30 * day + 5, 60 * day + 9)), &[30, 45, 60], 10);
        let told: Vec<_> =
            months.iter().map(|(m, t)| (m.to_string(), t.first, t.last, t.count, t.days)).collect();
        assert_eq!(
            told,
            [
                ("1970-01".to_owned(), 30 * day + 5, 30 * day + 5, 1, 1 << 30),
                ("1970-02".to_owned(), 45 * day, 45 * day, 1, 1 << 14),
                ("1970-03".to_owned(), 60 * day, 60 * day + 9, 8, 1 << 1),
            ]
        );
        assert_eq!(split(None, &[], 3), [(Month::NONE, Tally { count: 3, ..Tally::default() })]);
        assert_eq!(
            split(Some((7, 9)), &[], 3)[0].1,
            Tally { first: 7, last: 9, count: 3, days: 1, flags: Flags(0) }
        );
    }
}

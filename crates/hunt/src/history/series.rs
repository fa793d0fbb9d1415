// SPDX-License-Identifier: Apache-2.0
//! What the names of logs tell: which belong together, and of which days a log is that cannot be read.

use std::collections::{BTreeSet, HashMap};

use super::month::{Month, parse_day};
use crate::event::{SourceKind, SourceKinds};

/// Endings of packed files, and of what is packed in them.
const PACKED: [&str; 5] = [".gz", ".zst", ".zstd", ".zip", ".bz2"];

/// The name that the logs of one source share: its path with `#` for each number in it, without what packs it. Logs of
/// different sources may share one; that two are of one source is for whoever knows more of them to say.
///
/// ```
/// use hunt::history::series_of;
///
/// assert_eq!(series_of("l/dns-2024-02-03.log.gz"), "l/dns-#-#-#.log");
/// assert_eq!(series_of("l/dns-2024-02-04.log.zip!dns-2024-02-04.log"), "l/dns-#-#-#.log");
/// ```
pub fn series_of(path: &str) -> String {
    let file = path.split('!').next().unwrap_or(path);
    let file = PACKED.iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    let mut series = String::with_capacity(file.len());
    let mut was_digit = false;
    for c in file.chars() {
        let is_digit = c.is_ascii_digit();
        match is_digit {
            true if was_digit => {}
            true => series.push('#'),
            false => series.push(c),
        }
        was_digit = is_digit;
    }
    series
}

/// What kinds of logs those of one name are, numbers in it aside.
#[derive(Clone, Debug, Default)]
pub struct SeriesKinds(HashMap<String, BTreeSet<SourceKinds>>);

impl SeriesKinds {
    /// Adds a log.
    pub fn add(&mut self, path: &str, kinds: SourceKinds) {
        self.0.entry(series_of(path)).or_default().insert(kinds);
    }

    /// Kinds that this log is not of, and another of its name is that has a known kind in common with it: both are of one
    /// source, and nothing of these kinds happened in the time of this one.
    pub fn lacking(&self, path: &str, kinds: SourceKinds) -> Vec<SourceKind> {
        let is_known = |kind: &SourceKind| *kind != SourceKind::Unknown;
        let is_one = |other: &SourceKinds| kinds.each().filter(is_known).any(|kind| other.has(kind));
        let mut all = SourceKinds::default();
        let others = self.0.get(&series_of(path)).into_iter().flatten();
        others.filter(|other| is_one(other)).for_each(|other| all.join(*other));
        all.each().filter(|kind| is_known(kind) && !kinds.has(*kind)).collect()
    }
}

/// The days since 1970 that a path names, first and last: a day, or a month. `2024-02-03`, `20240203`, `2024_02_03`,
/// folders (`2024/02/03`), and the same without the day. The last one counts, and a day before a month.
///
/// ```
/// use hunt::history::{days_named, parse_day};
///
/// let day = parse_day("2024-02-03");
/// assert_eq!(days_named("l/2024-01/dns-20240203.log"), day.zip(day));
/// assert_eq!(days_named("l/dns-2024-02.log"), parse_day("2024-02-01").zip(parse_day("2024-02-29")));
/// assert_eq!(days_named("l/dns-1.log"), None);
/// ```
pub fn days_named(path: &str) -> Option<(u32, u32)> {
    let file = path.split('!').next().unwrap_or(path).as_bytes();
    let begins = |at: &usize| {
        at.checked_sub(1).and_then(|before| file.get(before)).is_none_or(|b| !b.is_ascii_digit())
    };
    let rests = || (0..file.len()).rev().filter(begins).filter_map(|at| file.get(at..));
    let day = rests().find_map(|rest| {
        let [year, month, day] = numbers(rest)?;
        let day = parse_day(&format!("{year}-{month}-{day}"))?;
        Some((day, day))
    });
    day.or_else(|| {
        rests().find_map(|rest| {
            let [year, month] = numbers(rest)?;
            let month = Month::parse(&format!("{year}-{month}"))?;
            Some((month.first_day(), month.first_day() + month.days() - 1))
        })
    })
}

/// A year and what follows it, each in as many digits as it has in a date, with one separator between them or none.
fn numbers<const N: usize>(bytes: &[u8]) -> Option<[&str; N]> {
    let mut all = [""; N];
    let mut at = 0;
    let separator = bytes.get(4).filter(|byte| matches!(byte, b'-' | b'_' | b'.' | b'/'));
    for (nth, number) in all.iter_mut().enumerate() {
        if nth > 0
            && let Some(separator) = separator
        {
            if bytes.get(at) != Some(separator) {
                return None;
            }
            at += 1;
        }
        let length = if nth == 0 { 4 } else { 2 };
        let digits = bytes.get(at..at + length)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        *number = std::str::from_utf8(digits).ok()?;
        at += length;
    }
    // Without a separator an hour and more may follow; what is longer is no date.
    let more = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_date = more == 0 || separator.is_none() && N == 3 && matches!(more, 2 | 4 | 6);
    let year: u16 = all.first()?.parse().ok()?;
    (is_date && (1990..2100).contains(&year)).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::super::month::day_text;
    use super::*;

    #[test]
    fn names_tell_days() {
        for (path, first, last) in [
            ("/l/2024/02/03/dns.log", "2024-02-03", "2024-02-03"),
            ("vpn.log-20240302.zst", "2024-03-02", "2024-03-02"),
            ("vpn-20240302T1200.log", "2024-03-02", "2024-03-02"),
            ("vpn-2024030212.log", "2024-03-02", "2024-03-02"),
            ("2023-12-31/web_2024_01_01.gz", "2024-01-01", "2024-01-01"),
            ("web-202402.log", "2024-02-01", "2024-02-29"),
            ("web.2024.02.03.log", "2024-02-03", "2024-02-03"),
        ] {
            let named = days_named(path).map(|(a, b)| (day_text(a), day_text(b)));
            assert_eq!(named, Some((first.to_owned(), last.to_owned())), "{path}");
        }
        for path in
            ["", "dns.log.3", "gw-10.20.30.40.log", "id-99999999.log", "1234567890123.log", "2024-13-01.log"]
        {
            assert_eq!(days_named(path), None, "{path}");
        }
    }
}

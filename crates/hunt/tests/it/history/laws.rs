// SPDX-License-Identifier: Apache-2.0
//! Laws: rows merge in any order; files in any order, split and merged in any way, make one history; a question
//! is answered as a list of everything would answer it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hunt::event::SourceKind;
use hunt::history::{
    Flags, Keep, MemoryFolder, Month, Observed, OpenRun, Question, Row, RunHead, RunWriter, Sources, Step,
    Tally, Zeal,
};
use hunt::indicator::{Indicator, Mode};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use super::support::{NOW, Node};

/// One occurrence: which value, when, in which file.
type Occurrence = (u8, Option<u32>, u8);

const KINDS: [SourceKind; 3] = [SourceKind::Dns, SourceKind::Proxy, SourceKind::Unknown];

fn value(n: u8) -> Observable {
    let text = match n % 4 {
        0 => format!("8.8.{}.{}", n % 3, n % 7),
        1 => format!("h{}.example.org", n % 5),
        2 => "example.org".to_owned(),
        _ => format!("{:064x}", n % 4),
    };
    Observable::guess(&text).unwrap()
}

/// Over four months of 2023 and 2024, or at no time.
fn occurrences() -> impl Strategy<Value = Vec<Occurrence>> {
    let second = prop_oneof![1 => Just(None), 9 => (1_700_000_000_u32..1_710_000_000).prop_map(Some)];
    vec((0_u8..40, second, 0_u8..6), 0..120)
}

fn time(second: Option<u32>) -> Option<Timestamp> {
    second.map(|second| Timestamp::from_micros(i64::from(second) * 1_000_000))
}

/// The log of a file: one line an occurrence.
fn log(file: u8, of: &[Occurrence]) -> Vec<u8> {
    let line = |(n, second, _): &&Occurrence| {
        let time = time(*second).map_or("no time".to_owned(), |time| time.to_string());
        format!("{time} {}\n", value(*n).display())
    };
    let mut log = format!("file {file}\n");
    of.iter().filter(|(.., f)| *f == file).for_each(|o| log.push_str(&line(&o)));
    log.into_bytes()
}

/// What a value's occurrences come to: count, first, last, number of days, files.
type Told = (u64, Option<i64>, Option<i64>, usize, usize);

fn told(of: &[Occurrence], is_asked: impl Fn(&Observable) -> bool) -> Told {
    let mine: Vec<&Occurrence> = of.iter().filter(|(n, ..)| is_asked(&value(*n))).collect();
    let seconds: Vec<i64> = mine.iter().filter_map(|(_, second, _)| *second).map(i64::from).collect();
    let days: std::collections::BTreeSet<i64> = seconds.iter().map(|second| second / 86_400).collect();
    let files: std::collections::BTreeSet<u8> = mine.iter().map(|(.., file)| *file).collect();
    let micros = |second: Option<&i64>| second.map(|second| second * 1_000_000);
    (mine.len() as u64, micros(seconds.iter().min()), micros(seconds.iter().max()), days.len(), files.len())
}

fn answer(node: &Node, observable: &Observable, with_subdomains: bool) -> Told {
    let question = Question { observable: observable.clone(), with_subdomains };
    let sighted = node.history().seen(&question, &Keep::default()).unwrap();
    let seen = &sighted.seen;
    let micros = |time: Option<Timestamp>| time.map(Timestamp::micros);
    (seen.count, micros(seen.first), micros(seen.last), seen.days.len(), sighted.files.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rows_merge_in_any_order_and_grouping(
        parts in vec((0_u32..2_592_000, 0_u8..16, vec(0_i64..200, 1..70)), 3..6),
    ) {
        let row = |(second, flags, files): &(u32, u8, Vec<i64>)| {
            let (_, tally) = Tally::once(Some(*second), Flags(*flags));
            let files: std::collections::BTreeSet<i64> = files.iter().copied().collect();
            let mut sources = Sources::Few(Vec::new());
            files.into_iter().for_each(|file| sources.merge(&Sources::one(file)));
            Row { kind: ObservableKind::Ip, value: vec![1; 16], tally, sources }
        };
        let rows: Vec<Row> = parts.iter().map(row).collect();
        let fold = |order: &[usize]| {
            let mut all = rows[order[0]].clone();
            order[1..].iter().for_each(|n| all.merge(&rows[*n]));
            all
        };
        let forward: Vec<usize> = (0..rows.len()).collect();
        let backward: Vec<usize> = forward.iter().rev().copied().collect();
        prop_assert_eq!(fold(&forward), fold(&backward));
        // (a b) (c …) = a (b c …)
        let (mut left, mut right) = (fold(&forward[..2]), rows[0].clone());
        left.merge(&fold(&forward[2..]));
        right.merge(&fold(&forward[1..]));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn files_in_any_order_merged_at_any_time_are_one_history(
        of in occurrences(),
        order in Just((0_u8..6).collect::<Vec<u8>>()).prop_shuffle(),
        merges in vec(any::<bool>(), 6),
        asked in 0_u8..40,
    ) {
        let node = Node::new();
        for (file, merge) in order.iter().zip(&merges) {
            let kind = KINDS[usize::from(file % 3)];
            node.record_as(&format!("{file}.log"), &log(*file, &of), "", kind).unwrap();
            if *merge {
                let _: Step = node.history().merge_step(Zeal::All, NOW).unwrap();
            }
        }
        for merged in [false, true] {
            let asked = value(asked);
            prop_assert_eq!(answer(&node, &asked, false), told(&of, |value| *value == asked));
            let domain = Observable::guess("example.org").unwrap();
            let under = |value: &Observable| value.kind() == ObservableKind::Domain;
            prop_assert_eq!(answer(&node, &domain, true), told(&of, under));
            let network = Observable::guess("8.8.1.0/24").unwrap();
            let within = |value: &Observable| value.display().starts_with("8.8.1.");
            prop_assert_eq!(answer(&node, &network, false), told(&of, within));
            if !merged {
                while node.history().merge_step(Zeal::All, NOW).unwrap() != Step::Idle {}
            }
        }
        node.restart();
    }

    /// However little fits into memory, and however the log is split, nothing is lost.
    #[test]
    fn what_spills_comes_back(of in occurrences(), bytes_max in 0_usize..4_000, split in 0_usize..120) {
        let folder = Arc::new(MemoryFolder::default());
        let new = |bytes_max| Observed::new(Keep::default(), folder.clone()).with_bytes_max(bytes_max);
        let fill = |observed: &mut Observed, of: &[Occurrence]| {
            of.iter().for_each(|(n, second, _)| observed.add_value(&value(*n), time(*second), Flags::default()));
        };
        let mut whole = new(usize::MAX);
        fill(&mut whole, &of);
        let (first, second) = of.split_at(split.min(of.len()));
        let (mut small, mut other) = (new(bytes_max), new(bytes_max));
        fill(&mut small, first);
        fill(&mut other, second);
        small.merge(other);
        prop_assert_eq!(small.sorted().unwrap(), whole.sorted().unwrap());
    }

    /// One pass over everything answers as many look-ups do.
    #[test]
    fn a_feed_is_answered_like_its_indicators(
        of in occurrences(),
        asked in vec((0_u8..40, any::<bool>()), 1..30),
        sources_max in 0_usize..40,
    ) {
        let node = Node::new();
        for file in 0..6 {
            node.record(&format!("{file}.log"), &log(file, &of), "").unwrap();
        }
        let mut indicators: Vec<Indicator> = asked
            .iter()
            .map(|(n, wide)| indicator(value(*n), if *wide { Mode::WithSubdomains } else { Mode::Exact }))
            .collect();
        indicators.push(indicator(Observable::guess("8.8.0.0/16").unwrap(), Mode::Exact));
        indicators.push(indicator(Observable::guess("org.example/x").unwrap_or(value(0)), Mode::Exact));
        let few = node.history().look_back(&indicators, &Keep::default(), usize::MAX).unwrap().found;
        // Beyond the number that is looked up one by one.
        let filler = (0..hunt::limits::LOOKUPS_MAX).map(|n| indicator(Observable::from_address(n as u128), Mode::Exact));
        let many: Vec<Indicator> = indicators.iter().cloned().chain(filler).collect();
        let joined = node.history().look_back(&many, &Keep::default(), usize::MAX).unwrap().found;
        let brief = |all: &[hunt::history::LookedBack]| -> BTreeMap<usize, (hunt::history::Seen, Vec<String>)> {
            all.iter().map(|l| (l.indicator, (l.sighted.seen.clone(), l.files.clone()))).collect()
        };
        prop_assert_eq!(brief(&few), brief(&joined));
        for looked in &few {
            prop_assert!(!looked.files.is_empty());
        }
        // What is too much for one answer comes in several.
        let is_bounded = |part: &hunt::history::LookBack| {
            let sources: usize = part.found.iter().map(|looked| looked.files.len()).sum();
            part.asked > 0 && (sources <= sources_max || part.asked == 1)
        };
        let (mut parts, mut at) = (Vec::new(), 0);
        while at < indicators.len() {
            let part = node.history().look_back(&indicators[at..], &Keep::default(), sources_max).unwrap();
            prop_assert!(is_bounded(&part), "{part:?}");
            let found = part.found.into_iter();
            parts.extend(found.map(|l| hunt::history::LookedBack { indicator: at + l.indicator, ..l }));
            at += part.asked;
        }
        prop_assert_eq!(brief(&parts), brief(&few));
        let part = node.history().look_back(&many, &Keep::default(), sources_max).unwrap();
        prop_assert!(is_bounded(&part));
        let of_part: Vec<_> = few.iter().filter(|looked| looked.indicator < part.asked).cloned().collect();
        prop_assert_eq!(brief(&part.found), brief(&of_part));
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// A run gives back what was written, whole, by ranges and one by one, across pages and row groups.
    #[test]
    fn a_run_gives_back_what_was_written(
        rows in 1_usize..20_000,
        step in 1_u64..5_000,
        with_filter in any::<bool>(),
        asked in vec(any::<u64>(), 5),
    ) {
        let folder = MemoryFolder::default();
        let head = RunHead { month: Month::parse("2024-02").unwrap(), source: SourceKind::Proxy };
        let written: Vec<Row> = (0..rows as u64).map(|n| made_row(n, step)).collect();
        let mut writer = RunWriter::new(&folder, head, with_filter).unwrap();
        written.iter().for_each(|row| writer.push(row).unwrap());
        let facts = writer.finish().unwrap();
        prop_assert_eq!(folder.bytes(&facts.name).unwrap().len() as u64, facts.bytes);
        let run = OpenRun::open(&folder, &facts).unwrap();
        prop_assert_eq!(run.head(), head);
        let mut read = run.rows();
        for row in &written {
            let got = read.next_row().unwrap();
            prop_assert_eq!(got.as_ref(), Some(row));
        }
        prop_assert_eq!(read.next_row().unwrap(), None);
        for n in asked.into_iter().map(|n| n % (rows as u64 * 2)) {
            let wanted = made_row(n, step);
            let expected = written.get(n as usize).cloned();
            prop_assert_eq!(run.row(wanted.kind, &wanted.value).unwrap(), expected.clone());
            let may = OpenRun::may_hold(&folder, &facts, wanted.kind, &wanted.value, &wanted.value).unwrap();
            prop_assert!(expected.is_none() || may == hunt::history::Match::Maybe);
            let mut absent = wanted.value.clone();
            absent.push(0);
            prop_assert_eq!(run.row(wanted.kind, &absent).unwrap(), None);
        }
    }
}

fn made_row(n: u64, step: u64) -> Row {
    let second = 1_706_745_600 + u32::try_from(n * step % 2_505_600).unwrap();
    let (_, mut tally) = Tally::once(Some(second), Flags((n % 16) as u8));
    if n.is_multiple_of(3) {
        tally.merge(&Tally::once(Some(1_706_745_600 + (second % 2_505_600)), Flags::default()).1);
    }
    let sources = match n % 5 {
        0 => Sources::Many,
        1 => Sources::Few(vec![1, 2, n as i64 + 3]),
        2 => Sources::Few(Vec::new()),
        _ => Sources::one(7),
    };
    Row {
        kind: ObservableKind::Domain,
        value: format!("org.example.{:012}", n * step).into_bytes(),
        tally,
        sources,
    }
}

fn indicator(observable: Observable, mode: Mode) -> Indicator {
    let id = observable.display();
    Indicator { name: id.clone(), id, observable, mode, valid_from: None, valid_until: None }
}

// SPDX-License-Identifier: Apache-2.0
//! "Ever seen?": one value, a network, a domain with its subdomains; and all indicators at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use model::observable::{Network, Observable, ObservableKind};

use super::base::History;
use super::error::HistoryError;
use super::format::{Match, OpenRun, RunHead, RunRows, hash};
use super::month::Month;
use super::observed::{Keep, is_kept_by_place, other_kind};
use super::register::{self, File};
use super::row::{Row, Seen, Sources};
use super::runs::Run;
use crate::event::SourceKind;
use crate::indicator::{Indicator, Mode};
use crate::limits::{LOOKUPS_MAX, SOURCES_MAX};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The value. A network asks for all addresses in it.
    pub observable: Observable,
    /// For a domain: whether for the names under it, too.
    pub with_subdomains: bool,
}

/// A run that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name.
    pub name: String,
    /// Month and kind of log that the answer lacks.
    pub head: RunHead,
    /// Why.
    pub reason: String,
}

/// What the history knows of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighted {
    /// When and how often; a count of 0 means that it was never seen in what the coverage names.
    pub seen: Seen,
    /// Different values that were seen: for a network its addresses, for a domain names under it. At most
    /// [`LOOKUPS_MAX`] are told apart; of indicators that were looked up in one pass, a value counts again in
    /// each run.
    pub values: u64,
    /// Of 32 digits, which may be an MD5 or a JA3: how many of the occurrences are of the kind that was not asked for.
    pub of_other_kind: u64,
    /// The files in which it was seen, sorted by id: with what is known of each alone, as long as no run holds
    /// it together with others.
    pub files: Vec<(i64, Option<Seen>)>,
    /// Months and kinds of logs of which any file may hold it, because too many do to name them.
    pub many: BTreeSet<RunHead>,
    /// Runs that could not be read: what they hold is not in the answer.
    pub unread: Vec<Unread>,
}

impl Sighted {
    fn add(&mut self, month: Month, source: SourceKind, row: &Row) {
        self.seen.add(month, &row.tally);
        match &row.sources {
            Sources::Many => {
                self.many.insert(RunHead { month, source });
            }
            Sources::Few(files) => {
                let alone = files.len() == 1;
                files.iter().for_each(|file| self.add_file(*file, month, row, alone));
            }
        }
    }

    fn add_file(&mut self, file: i64, month: Month, row: &Row, alone: bool) {
        let at = match self.files.binary_search_by_key(&file, |(file, _)| *file) {
            Ok(at) => at,
            Err(at) => {
                self.files.insert(at, (file, Some(Seen::default())));
                at
            }
        };
        let Some((_, seen)) = self.files.get_mut(at) else { return };
        match seen {
            Some(seen) if alone => seen.add(month, &row.tally),
            seen => *seen = None,
        }
    }
}

/// One file in which a value was seen, for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The log, by the name under which it was met last.
    pub file: String,
    /// The name under which it was recorded first, where that is another.
    pub was: Option<String>,
    /// What kind of log it is.
    pub kind: SourceKind,
    /// What was seen in it alone, where that is known.
    pub seen: Option<Seen>,
}

/// What the history knows of many indicators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookBack {
    /// Those of which nothing was seen, though the history keeps such values only in part: by their place in what was
    /// asked.
    pub in_part: Vec<usize>,
    /// Those of which something was seen, by their place in what was asked.
    pub found: Vec<LookedBack>,
    /// Runs that could not be read: what they hold is in no answer.
    pub unread: Vec<Unread>,
    /// How many indicators were looked up, the first ones; the others are to be asked about anew.
    pub asked: usize,
}

/// What the history knows of an indicator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedBack {
    /// Which indicator, by its place in what was asked.
    pub indicator: usize,
    /// What was seen.
    pub sighted: Sighted,
    /// Paths of the files that hold it, or may: to be opened again for the lines.
    pub files: Vec<String>,
    /// Whether the value itself was seen. Of kinds that are not kept (URLs, mail addresses) only the host is
    /// known, and the lines decide.
    pub exact: bool,
}

impl History<'_> {
    /// When, how often and where a value was seen. A run that is damaged is named in the answer; whoever asks
    /// calls [`History::set_aside`] for it.
    pub fn seen(&self, question: &Question, keep: &Keep) -> Result<Sighted, HistoryError> {
        let runs = self.runs()?;
        let mut sighted = Sighted::default();
        self.look(&runs, question, keep, &mut sighted)?;
        Ok(sighted)
    }

    fn look(
        &self,
        runs: &[Run],
        question: &Question,
        keep: &Keep,
        into: &mut Sighted,
    ) -> Result<(), HistoryError> {
        let mut values = BTreeSet::new();
        for span in Span::of(question, keep) {
            for run in runs.iter().filter(|run| run.has(span.kind)) {
                let looked = self.look_in(run, &span, &mut |head, row| {
                    if values.len() < LOOKUPS_MAX {
                        values.insert(span.counts_as.clone().unwrap_or_else(|| row.value.clone()));
                    }
                    if span.counts_as.is_some() {
                        into.of_other_kind += row.tally.count;
                    }
                    into.add(head.month, head.source, row);
                });
                match looked {
                    Err(HistoryError::Damaged { name, what }) => {
                        into.unread.push(Unread { name, head: run.facts.head, reason: what });
                    }
                    looked => looked?,
                }
            }
        }
        into.unread.sort_by(|a, b| a.name.cmp(&b.name));
        into.unread.dedup_by(|a, b| a.name == b.name);
        into.values = values.len() as u64;
        Ok(())
    }

    fn look_in(
        &self,
        run: &Run,
        span: &Span,
        each: &mut dyn FnMut(RunHead, &Row),
    ) -> Result<(), HistoryError> {
        if let Some((from, to)) = span.ends()
            && OpenRun::may_hold(self.folder, &run.facts, span.kind, from, to)? == Match::No
        {
            return Ok(());
        }
        let open = self.open(&run.facts)?;
        let bounds = (span.from.as_ref().map(Vec::as_slice), span.to.as_ref().map(Vec::as_slice));
        let mut rows = open.range(span.kind, bounds.0, bounds.1);
        while let Some(row) = rows.next_row()? {
            each(run.facts.head, &row);
        }
        Ok(())
    }

    /// Looks indicators up at once, the moment that they are appended: what was seen of each, and the files that
    /// are to be opened again. Many are looked up in one pass over the history, few by a read of some pages
    /// each. For runs that are damaged whoever asks calls [`History::set_aside`].
    ///
    /// An answer names at most `sources_max` files, each as often as an indicator was seen in it: where there are more,
    /// fewer indicators are looked up, but at least one.
    pub fn look_back(
        &self,
        indicators: &[Indicator],
        keep: &Keep,
        sources_max: usize,
    ) -> Result<LookBack, HistoryError> {
        let questions: Vec<(Question, bool)> = indicators.iter().map(question_of).collect();
        let runs = self.runs()?;
        let is_empty = runs.is_empty();
        let mut room =
            Room { history: self, is_empty, sources_max, of_heads: BTreeMap::new(), register: None };
        let mut asked = questions.len();
        loop {
            let some = questions.get(..asked).unwrap_or_default();
            match self.answer(&runs, some, keep, &mut room)? {
                Some((all, unread, asked)) => return room.answer(all, unread, &questions, asked),
                None => asked = (asked / 2).max(1),
            }
        }
    }

    /// What was seen of each, what could not be read, and how many were asked for; `None` where that is too much to be
    /// held at once.
    fn answer(
        &self,
        runs: &[Run],
        questions: &[(Question, bool)],
        keep: &Keep,
        room: &mut Room<'_>,
    ) -> Result<Option<Answer>, HistoryError> {
        let mut unread = Vec::new();
        if questions.len() > LOOKUPS_MAX {
            let asked = questions.iter().map(|(question, _)| question);
            let Some(all) = self.join(runs, asked, keep, &mut unread, room.sources_max)? else {
                return Ok(None);
            };
            let mut sources = 0;
            for sighted in all.values() {
                sources += room.sources(sighted)?;
            }
            return Ok((sources <= room.sources_max).then_some((all, unread, questions.len())));
        }
        let (mut all, mut sources) = (BTreeMap::new(), 0);
        for (nth, (question, _)) in questions.iter().enumerate() {
            let mut sighted = Sighted::default();
            self.look(runs, question, keep, &mut sighted)?;
            sources += room.sources(&sighted)?;
            if nth > 0 && sources > room.sources_max {
                return Ok(Some((all, unread, nth)));
            }
            unread.append(&mut sighted.unread);
            if sighted.seen.count > 0 {
                all.insert(nth, sighted);
            }
        }
        Ok(Some((all, unread, questions.len())))
    }

    /// The files of an answer, by path, at most [`SOURCES_MAX`], and how many there are besides.
    pub fn sources(&self, sighted: &Sighted) -> Result<(Vec<Source>, u64), HistoryError> {
        let register: HashMap<i64, File> =
            self.read(|read| Ok(register::files(read)?))?.into_iter().map(|file| (file.id, file)).collect();
        let source = |file: &File, seen: Option<Seen>| Source {
            file: file.place().to_owned(),
            was: Some(&file.path).filter(|was| *was != file.place()).cloned(),
            kind: file.source,
            seen,
        };
        let named = sighted.files.iter().filter_map(|(id, seen)| Some((register.get(id)?, seen)));
        let mut all: Vec<Source> = named.map(|(file, seen)| source(file, seen.clone())).collect();
        let named: HashSet<i64> = sighted.files.iter().map(|(id, _)| *id).collect();
        let maybe = register.values().filter(|file| !named.contains(&file.id) && is_of(file, &sighted.many));
        all.extend(maybe.map(|file| source(file, None)));
        all.sort_by(|a, b| a.file.cmp(&b.file));
        let more = all.len().saturating_sub(SOURCES_MAX) as u64;
        all.truncate(SOURCES_MAX);
        Ok((all, more))
    }

    /// All questions in one sequential pass over the history; by place those of which something was seen. `None` where
    /// the answers name more than so many files.
    fn join<'q>(
        &self,
        runs: &[Run],
        questions: impl Iterator<Item = &'q Question>,
        keep: &Keep,
        unread: &mut Vec<Unread>,
        sources_max: usize,
    ) -> Result<Option<BTreeMap<usize, Sighted>>, HistoryError> {
        let asked = Asked::of(questions, keep);
        let mut all: HashMap<usize, Sighted> = HashMap::new();
        let mut sources = 0;
        for run in runs {
            let head = run.facts.head;
            let mut pass = || -> Result<(), HistoryError> {
                let open = self.open(&run.facts)?;
                for kind in run.facts.kinds.each().filter(|kind| asked.kinds.contains(kind)) {
                    let rows = open.range(kind, Bound::Unbounded, Bound::Unbounded);
                    asked.pass(rows, kind, &mut |question, row| {
                        let sighted = all.entry(question).or_default();
                        sighted.values += 1;
                        sources -= sighted.files.len();
                        sighted.add(head.month, head.source, row);
                        sources += sighted.files.len();
                        sources <= sources_max
                    })?;
                }
                Ok(())
            };
            match pass() {
                Err(HistoryError::Damaged { name, what }) => unread.push(Unread { name, head, reason: what }),
                passed => passed?,
            }
            if sources > sources_max {
                return Ok(None);
            }
        }
        Ok(Some(all.into_iter().collect()))
    }
}

/// What was seen of indicators by their places, what could not be read, and how many were asked for.
type Answer = (BTreeMap<usize, Sighted>, Vec<Unread>, usize);

/// How much an answer about many indicators may hold.
struct Room<'r> {
    history: &'r History<'r>,
    /// Whether the history holds nothing.
    is_empty: bool,
    sources_max: usize,
    /// How many files any of which may hold what too many do to name them.
    of_heads: BTreeMap<RunHead, usize>,
    /// The register, once it is asked for.
    register: Option<BTreeMap<i64, File>>,
}

impl Room<'_> {
    fn register(&mut self) -> Result<&BTreeMap<i64, File>, HistoryError> {
        if self.register.is_none() {
            let files = self.history.read(|read| Ok(register::files(read)?))?;
            self.register = Some(files.into_iter().map(|file| (file.id, file)).collect());
        }
        Ok(self.register.get_or_insert_default())
    }

    /// How many files an answer names, and how many besides may hold the value.
    fn sources(&mut self, sighted: &Sighted) -> Result<usize, HistoryError> {
        let mut sources = sighted.files.len();
        for head in &sighted.many {
            if !self.of_heads.contains_key(head) {
                let one = BTreeSet::from([*head]);
                let count = self.register()?.values().filter(|file| is_of(file, &one)).count();
                self.of_heads.insert(*head, count);
            }
            sources += self.of_heads.get(head).copied().unwrap_or(0);
        }
        Ok(sources)
    }

    fn answer(
        &mut self,
        all: BTreeMap<usize, Sighted>,
        mut unread: Vec<Unread>,
        questions: &[(Question, bool)],
        asked: usize,
    ) -> Result<LookBack, HistoryError> {
        unread.sort_by(|a, b| a.name.cmp(&b.name));
        unread.dedup_by(|a, b| a.name == b.name);
        let is_in_part = |question: &Question| !self.is_empty && is_kept_by_place(&question.observable);
        let in_part = (0..asked).zip(questions);
        let in_part = in_part.filter(|(nth, (q, _))| !all.contains_key(nth) && is_in_part(q));
        let in_part: Vec<usize> = in_part.map(|(nth, _)| nth).collect();
        let mut found = Vec::new();
        for (indicator, sighted) in all {
            let files = paths(&sighted, self.register()?);
            let exact = questions.get(indicator).is_some_and(|(_, exact)| *exact);
            found.push(LookedBack { indicator, files, exact, sighted });
        }
        Ok(LookBack { found, in_part, unread, asked })
    }
}

/// What an indicator asks, and whether the answer is about the value itself.
fn question_of(indicator: &Indicator) -> (Question, bool) {
    let host = match indicator.observable.kind() {
        // `nl.nxp.vpn/login`, `nl.nxp.vpn:8443/x`, `nl.nxp.@a`: the reversed host stands first.
        ObservableKind::Url | ObservableKind::Email => host_of(&indicator.observable),
        _ => None,
    };
    let exact = host.is_none();
    let with_subdomains = exact && indicator.mode == Mode::WithSubdomains;
    (Question { observable: host.unwrap_or_else(|| indicator.observable.clone()), with_subdomains }, exact)
}

/// The host of a URL, or the domain of a mail address.
fn host_of(observable: &Observable) -> Option<Observable> {
    let text = observable.display();
    let host = match observable.kind() {
        ObservableKind::Email => text.rsplit_once('@')?.1,
        _ => {
            let host = text.split(['/', '?']).next()?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((address, _)) => address,
                None => host.split(':').next()?,
            }
        }
    };
    let parse = |kind| Observable::parse(kind, host).ok();
    parse(ObservableKind::Ip).or_else(|| parse(ObservableKind::Domain))
}

/// Files that an answer names, and those that may hold the value, by path.
fn paths(sighted: &Sighted, register: &BTreeMap<i64, File>) -> Vec<String> {
    let named = sighted.files.iter().filter_map(|(id, _)| register.get(id));
    let maybe = register.values().filter(|file| is_of(file, &sighted.many));
    let all: BTreeSet<String> = named.chain(maybe).map(|file| file.place().to_owned()).collect();
    all.into_iter().collect()
}

fn is_of(file: &File, heads: &BTreeSet<RunHead>) -> bool {
    heads.iter().any(|head| {
        let (first, days) = (head.month.first_day(), head.month.days());
        let touches = |(from, to): &(u32, u32)| *from < first + days && *to >= first;
        file.source == head.source && (head.month == Month::NONE || file.days.iter().any(touches))
    })
}

/// A range of the order of the history.
struct Span {
    kind: ObservableKind,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    /// What was asked for, where this is the same under another kind.
    counts_as: Option<Vec<u8>>,
}

impl Span {
    fn ends(&self) -> Option<(&[u8], &[u8])> {
        match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to) | Bound::Excluded(to)) => Some((from, to)),
            _ => None,
        }
    }

    /// The ranges that a question is about; none for a value that is never kept.
    fn of(question: &Question, keep: &Keep) -> Vec<Span> {
        let observable = &question.observable;
        if let Some(network) = observable.network() {
            let end = |address: u128| Bound::Included(address.to_be_bytes().to_vec());
            return vec![Span {
                kind: ObservableKind::Ip,
                from: end(network.first()),
                to: end(network.last()),
                counts_as: None,
            }];
        }
        let kind = observable.kind();
        let mut spans = Vec::new();
        for value in keep.stored_any(observable) {
            let one = Bound::Included(value.clone());
            spans.push(Span { kind, from: one.clone(), to: one, counts_as: None });
            if question.with_subdomains && kind == ObservableKind::Domain {
                // `nl.nxp.` up to before `nl.nxp/`, the next byte after the dot.
                let (from, to) = ([&*value, b"."].concat(), [&*value, b"/"].concat());
                let (from, to) = (Bound::Included(from), Bound::Excluded(to));
                spans.push(Span { kind, from, to, counts_as: None });
            }
        }
        if let Some(other) = other_kind(observable) {
            for value in keep.stored_any(&other) {
                let one = Bound::Included(value);
                let counts_as = Some(observable.canonical().to_vec());
                spans.push(Span { kind: other.kind(), from: one.clone(), to: one, counts_as });
            }
        }
        spans
    }
}

/// A value that is asked for: its kind, its bytes, and which question asks.
type Point = (ObservableKind, Vec<u8>, usize);

/// Finds the first of the points of a value by its hash: a history of many months has many short runs, and going
/// along all points for each of them would cost more than a probe for each row.
#[derive(Default)]
struct Table {
    /// Open addressing: hash, and the number of the point from 1.
    slots: Vec<(u64, u32)>,
}

impl Table {
    fn of(points: &[Point]) -> Table {
        let mut table = Table { slots: vec![(0, 0); (points.len() * 2).next_power_of_two()] };
        let mut last: Option<&Point> = None;
        for (number, point) in (1..).zip(points) {
            if last.is_none_or(|(kind, value, _)| (kind, value) != (&point.0, &point.1)) {
                table.put(hash(point.0, &point.1), number);
            }
            last = Some(point);
        }
        table
    }

    fn put(&mut self, hash: u64, number: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots.get(at).is_some_and(|(_, taken)| *taken != 0) {
            at = (at + 1) & mask;
        }
        self.slots.get_mut(at).into_iter().for_each(|slot| *slot = (hash, number));
    }

    /// The points of a value.
    fn find<'p>(&self, points: &'p [Point], kind: ObservableKind, value: &[u8]) -> &'p [Point] {
        let (hash, mask) = (hash(kind, value), self.slots.len() - 1);
        let mut at = hash as usize & mask;
        while let Some((found, number)) = self.slots.get(at).filter(|(_, number)| *number != 0) {
            let rest = points.get(*number as usize - 1..).unwrap_or_default();
            if *found == hash && rest.first().is_some_and(|(of, point, _)| *of == kind && point == value) {
                let same = rest.iter().take_while(|(of, point, _)| *of == kind && point == value).count();
                return rest.get(..same).unwrap_or_default();
            }
            at = (at + 1) & mask;
        }
        &[]
    }
}

/// Many questions, by what they ask for.
struct Asked {
    kinds: BTreeSet<ObservableKind>,
    /// Values that are asked for themselves, sorted by kind and value.
    points: Vec<Point>,
    table: Table,
    /// Domains that are asked for with what is under them.
    domains: HashMap<Vec<u8>, Vec<usize>>,
    /// Networks by the length of their prefix.
    networks: BTreeMap<u8, HashMap<u128, Vec<usize>>>,
}

impl Asked {
    fn of<'q>(questions: impl Iterator<Item = &'q Question>, keep: &Keep) -> Asked {
        let mut asked = Asked {
            kinds: BTreeSet::new(),
            points: Vec::new(),
            table: Table::default(),
            domains: HashMap::new(),
            networks: BTreeMap::new(),
        };
        for (nth, question) in questions.enumerate() {
            let observable = &question.observable;
            if let Some(network) = observable.network() {
                let of_length = asked.networks.entry(network.prefix()).or_default();
                of_length.entry(network.first()).or_default().push(nth);
                asked.kinds.insert(ObservableKind::Ip);
                continue;
            }
            if let Some(other) = other_kind(observable) {
                for value in keep.stored_any(&other) {
                    asked.kinds.insert(other.kind());
                    asked.points.push((other.kind(), value, nth));
                }
            }
            for value in keep.stored_any(observable) {
                asked.kinds.insert(observable.kind());
                if question.with_subdomains && observable.kind() == ObservableKind::Domain {
                    asked.domains.entry(value.clone()).or_default().push(nth);
                }
                asked.points.push((observable.kind(), value, nth));
            }
        }
        asked.points.sort_unstable();
        asked.table = Table::of(&asked.points);
        asked
    }

    /// Goes over the rows of one kind of a run, and reads no more than their values where nothing asks for them. `each`
    /// answers whether it goes on.
    fn pass(
        &self,
        mut rows: RunRows,
        kind: ObservableKind,
        each: &mut dyn FnMut(usize, &Row) -> bool,
    ) -> Result<(), HistoryError> {
        let mut matched = Vec::new();
        while rows.advance()? {
            let value = rows.value();
            let points = self.table.find(&self.points, kind, value);
            matched.extend(points.iter().map(|(.., nth)| *nth));
            match kind {
                ObservableKind::Domain if !self.domains.is_empty() => self.match_domain(value, &mut matched),
                ObservableKind::Ip if !self.networks.is_empty() => self.match_address(value, &mut matched),
                _ => {}
            }
            if !matched.is_empty() {
                let row = rows.row()?;
                if !matched.drain(..).all(|nth| each(nth, &row)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Every name above, but not the name itself: that is asked for as a value.
    fn match_domain(&self, value: &[u8], matched: &mut Vec<usize>) {
        for (dot, _) in value.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
            matched.extend(self.domains.get(value.get(..dot).unwrap_or_default()).into_iter().flatten());
        }
    }

    fn match_address(&self, value: &[u8], matched: &mut Vec<usize>) {
        let Ok(address) = <[u8; 16]>::try_from(value).map(u128::from_be_bytes) else { return };
        for (prefix, networks) in &self.networks {
            let first = Network::new(address, *prefix).map(|network| network.first());
            matched.extend(first.and_then(|first| networks.get(&first)).into_iter().flatten());
        }
    }
}

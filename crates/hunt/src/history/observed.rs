// SPDX-License-Identifier: Apache-2.0
//! What one log held, collected while it is scanned: in bounded memory, and without loss. When it is full,
//! what it holds goes to a run of its own and comes back when the file is recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::diagnostic::Diagnostic;
use model::observable::{Observable, ObservableKind, is_external, parse_address};
use model::time::Timestamp;

use super::error::HistoryError;
use super::folder::{MemoryFolder, RunFolder};
use super::format::{Kinds, RunFacts, RunHead, RunWriter};
use super::month::{Month, second_of};
use super::row::{Flags, Row, Seen, Sources, Tally};
use super::rows::{Merged, Stream};
use crate::event::SourceKind;
use crate::indicator::has_known_suffix;
use crate::limits::OBSERVED_BYTES_MAX;
use crate::scan::arpa_address;

/// What the history keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct Keep {
    /// Kinds.
    pub kinds: Kinds,
    /// Key under which accounts are kept; without it they are neither kept nor found.
    pub account_key: Option<[u8; 32]>,
}

/// External addresses, domains, hashes of files and of TLS clients: what is no person's.
impl Default for Keep {
    fn default() -> Keep {
        use ObservableKind::{Domain, Ip, Ja3, Ja4, Md5, Sha1, Sha256, Sha384, Sha512};
        let kinds = [Domain, Ip, Ja3, Ja4, Md5, Sha1, Sha256, Sha384, Sha512].into_iter().collect();
        Keep { kinds, account_key: None }
    }
}

/// The key is nobody's business.
impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep")
            .field("kinds", &self.kinds)
            .field("keyed", &self.account_key.is_some())
            .finish()
    }
}

impl Keep {
    /// The bytes under which a value is put into the history, if it is kept: the canonical form, of accounts
    /// the keyed hash of it in lower case, for systems that log them take either case for the same. Internal
    /// addresses are not kept.
    pub fn stored(&self, observable: &Observable) -> Option<Vec<u8>> {
        if self.kinds.has(observable.kind()) { self.stands_as(observable) } else { None }
    }

    /// The bytes under which a value stands in the history, whether it is kept from now on or not; of accounts nobody can
    /// tell without the key.
    fn stands_as(&self, observable: &Observable) -> Option<Vec<u8>> {
        if !observable.is_external() {
            return None;
        }
        if observable.kind() == ObservableKind::Account {
            return Some(trust::mac::mac(&self.account_key?, &[&folded(observable)]).to_vec());
        }
        Some(observable.canonical().to_vec())
    }

    /// All bytes under which a value may stand in the history, for whoever asks: what is there stays when its kind is no
    /// longer kept. Accounts were once kept in the case in which the log wrote them.
    pub(crate) fn stored_any(&self, observable: &Observable) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = self.stands_as(observable).into_iter().collect();
        let is_account = observable.kind() == ObservableKind::Account;
        if let Some(key) = self.account_key.filter(|_| is_account) {
            all.push(trust::mac::mac(&key, &[observable.canonical()]).to_vec());
            all.dedup();
        }
        all
    }
}

/// The bytes of a value that are hashed: of accounts in lower case.
pub(super) fn folded(observable: &Observable) -> Vec<u8> {
    if observable.kind() == ObservableKind::Account {
        return observable.display().to_lowercase().into_bytes();
    }
    observable.canonical().to_vec()
}

/// The observables of one log that the history keeps.
pub struct Observed {
    keep: Keep,
    /// Where it goes when it is full.
    folder: Arc<dyn RunFolder>,
    /// Open addressing: the upper half is of the hash, the lower the entry's number, from 1.
    slots: Vec<u64>,
    entries: Vec<Entry>,
    /// Keys of the entries.
    keys: Vec<u8>,
    /// Names under no public suffix, by hash: the same field names stand in every line.
    refused: Vec<Box<[u8]>>,
    spilled: Vec<RunFacts>,
    fault: Option<HistoryError>,
    bytes_max: usize,
    /// The time that was told last, and one occurrence at it: values of one line share it.
    last: (Option<Timestamp>, (Month, Tally)),
}

/// What was seen of one value in one month.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    kind: u8,
    key_bytes: u16,
    key_at: u32,
    /// A name under no public suffix: it counts only where its place in the line says that it is a name.
    by_place: bool,
    month: Month,
    tally: Tally,
}

/// Whether a value is kept only where its place in a line says that it is one: a name under no public suffix, which
/// looks like the name of a file. That the history holds none of it says nothing about free text.
pub fn is_kept_by_place(observable: &Observable) -> bool {
    observable.kind() == ObservableKind::Domain && !has_known_suffix(observable.display().as_bytes())
}

/// The other kind that the digits of a value may be: an MD5 and a JA3 look the same where no field tells them apart, and
/// earlier programs took every JA3 for an MD5.
pub fn other_kind(observable: &Observable) -> Option<Observable> {
    let other = match observable.kind() {
        ObservableKind::Md5 => ObservableKind::Ja3,
        ObservableKind::Ja3 => ObservableKind::Md5,
        _ => return None,
    };
    Observable::parse(other, &observable.display()).ok()
}

/// Remembered names that are under no public suffix.
const REFUSED_SLOTS: usize = 4_096;
const SLOTS_FIRST: usize = 1_024;

impl Default for Observed {
    fn default() -> Observed {
        Observed::new(Keep::default(), Arc::new(MemoryFolder::default()))
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("entries", &self.entries.len())
            .field("spilled", &self.spilled.len())
            .finish()
    }
}

impl Observed {
    /// Nothing yet. What does not fit into memory goes to the folder.
    pub fn new(keep: Keep, folder: Arc<dyn RunFolder>) -> Observed {
        Observed {
            keep,
            folder,
            slots: Vec::new(),
            entries: Vec::new(),
            keys: Vec::new(),
            refused: Vec::new(),
            spilled: Vec::new(),
            fault: None,
            bytes_max: OBSERVED_BYTES_MAX,
            last: (None, once(None)),
        }
    }

    /// Which kinds of values it collects.
    pub(super) fn kinds(&self) -> Kinds {
        self.keep.kinds
    }

    /// One that keeps the same in the same place, with nothing observed yet.
    pub fn another(&self) -> Observed {
        Observed { bytes_max: self.bytes_max, ..Observed::new(self.keep.clone(), Arc::clone(&self.folder)) }
    }

    /// All of it once more, which shares what went to the folder; or why not all could be kept, which is said once.
    pub(crate) fn copy(&mut self) -> Result<Observed, HistoryError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        Ok(Observed {
            keep: self.keep.clone(),
            folder: Arc::clone(&self.folder),
            slots: self.slots.clone(),
            entries: self.entries.clone(),
            keys: self.keys.clone(),
            refused: self.refused.clone(),
            spilled: self.spilled.clone(),
            fault: None,
            bytes_max: self.bytes_max,
            last: self.last,
        })
    }

    /// One that holds at most so many bytes in memory, for who has little of it.
    pub fn with_bytes_max(mut self, bytes_max: usize) -> Observed {
        self.bytes_max = bytes_max;
        self
    }

    /// Number of observables, each once for a month; what went to the folder counts again when it came again.
    pub fn len(&self) -> usize {
        let spilled: u64 = self.spilled.iter().map(|run| run.rows).sum();
        self.entries.len() + usize::try_from(spilled).unwrap_or(usize::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an occurrence of a token of the scan. Whether a name stands where names stand is asked only of one under no
    /// public suffix.
    pub(crate) fn add(
        &mut self,
        kind: ObservableKind,
        token: &[u8],
        time: Option<Timestamp>,
        is_name: &mut dyn FnMut() -> bool,
    ) {
        match kind {
            ObservableKind::Ip => self.add_address(token, time),
            ObservableKind::Domain => self.add_name(token, time, is_name),
            _ if self.keep.kinds.has(kind) => self.add_digest(kind, token, time),
            _ => {}
        }
    }

    /// Whether kinds are kept that only events tell: accounts, mail addresses, URLs, user agents.
    pub(crate) fn wants_events(&self) -> bool {
        use ObservableKind::{Account, Email, Url, UserAgent};
        let keyed = self.keep.account_key.is_some();
        self.keep.kinds.has(Account) && keyed
            || [Email, Url, UserAgent].into_iter().any(|kind| self.keep.kinds.has(kind))
    }

    /// Whether values of 32 digits are kept, or fingerprints, which only fields tell apart.
    pub(crate) fn wants_digits(&self) -> bool {
        use ObservableKind::{Ja3, Ja4, Md5};
        [Ja3, Ja4, Md5].into_iter().any(|kind| self.keep.kinds.has(kind))
    }

    /// Adds an occurrence of a value that an event told.
    pub fn add_value(&mut self, observable: &Observable, time: Option<Timestamp>, flags: Flags) {
        if let Some(stored) = self.keep.stored(observable) {
            // A name is kept as the scan keeps it, or it would stand twice.
            match observable.kind() {
                ObservableKind::Domain => {
                    let name = observable.display();
                    let once = Tally::once(time.and_then(second_of), flags);
                    self.count_as(
                        ObservableKind::Domain,
                        name.as_bytes(),
                        once,
                        !has_known_suffix(name.as_bytes()),
                    );
                }
                kind => self.count(kind, &stored, Tally::once(time.and_then(second_of), flags)),
            }
        }
    }

    fn add_address(&mut self, token: &[u8], time: Option<Timestamp>) {
        let address = match quad(token) {
            Some(quad) => 0xFFFF_0000_0000 | u128::from(quad),
            None => match std::str::from_utf8(token).ok().and_then(parse_address) {
                Some(address) => address,
                None => return,
            },
        };
        self.count_address(address, time);
    }

    fn count_address(&mut self, address: u128, time: Option<Timestamp>) {
        if self.keep.kinds.has(ObservableKind::Ip) && is_external(address) {
            let once = self.once(time);
            self.count(ObservableKind::Ip, &address.to_be_bytes(), once);
        }
    }

    fn once(&mut self, time: Option<Timestamp>) -> (Month, Tally) {
        if self.last.0 != time {
            self.last = (time, once(time));
        }
        self.last.1
    }

    /// A name in lower case is the key; its labels are turned round when all is known.
    fn add_name(&mut self, token: &[u8], time: Option<Timestamp>, is_name: &mut dyn FnMut() -> bool) {
        let mut buffer = [0_u8; 256];
        let Some(lower) = buffer.get_mut(..token.len()) else { return };
        lower.copy_from_slice(token);
        lower.make_ascii_lowercase();
        let once = self.once(time);
        if self.add_if_known(ObservableKind::Domain, lower, once) {
            return;
        }
        let slot = hash(ObservableKind::Domain, Month::NONE, lower) as usize % REFUSED_SLOTS;
        if self.refused.get(slot).is_some_and(|refused| **refused == *lower) {
            return self.add_by_place(lower, once, is_name);
        }
        if let Some(address) = arpa_address(lower) {
            return self.count_address(address, time);
        }
        if !self.keep.kinds.has(ObservableKind::Domain) {
            return;
        }
        // Keys such as `id.orig_h` and file names are most of what looks like a name.
        if has_known_suffix(lower) {
            return self.count(ObservableKind::Domain, lower, once);
        }
        self.refused.resize(REFUSED_SLOTS, Box::default());
        if let Some(refused) = self.refused.get_mut(slot) {
            *refused = (&*lower).into();
        }
        self.add_by_place(lower, once, is_name);
    }

    fn add_by_place(&mut self, lower: &[u8], once: (Month, Tally), is_name: &mut dyn FnMut() -> bool) {
        if is_name() {
            self.count_as(ObservableKind::Domain, lower, once, true);
        }
    }

    fn add_digest(&mut self, kind: ObservableKind, token: &[u8], time: Option<Timestamp>) {
        let mut buffer = [0_u8; 64];
        let (pairs, []) = token.as_chunks::<2>() else { return };
        let Some(bytes) = buffer.get_mut(..pairs.len()) else { return };
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else { return };
            *byte = high << 4 | low;
        }
        if kind.digest_bytes() == Some(bytes.len()) {
            let once = self.once(time);
            self.count(kind, bytes, once);
        }
    }

    fn add_if_known(&mut self, kind: ObservableKind, key: &[u8], (month, tally): (Month, Tally)) -> bool {
        let hash = hash(kind, month, key);
        let Some(at) = self.find(kind, month, key, hash) else { return false };
        match self.entries.get_mut(at) {
            // Where it stands now is to be asked.
            Some(entry) if entry.by_place => return false,
            Some(entry) => entry.tally.merge(&tally),
            None => {}
        }
        true
    }

    fn count(&mut self, kind: ObservableKind, key: &[u8], once: (Month, Tally)) {
        self.count_as(kind, key, once, false);
    }

    fn count_as(&mut self, kind: ObservableKind, key: &[u8], (month, tally): (Month, Tally), by_place: bool) {
        let hash = hash(kind, month, key);
        if let Some(entry) = self.find(kind, month, key, hash).and_then(|at| self.entries.get_mut(at)) {
            return entry.tally.merge(&tally);
        }
        if self.bytes() + key.len() > self.bytes_max {
            self.spill();
        }
        if self.fault.is_some() {
            return;
        }
        let (Ok(key_at), Ok(key_bytes)) = (u32::try_from(self.keys.len()), u16::try_from(key.len())) else {
            return;
        };
        if (self.entries.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.keys.extend_from_slice(key);
        let kind = u8::try_from(kind.code()).unwrap_or(0);
        self.entries.push(Entry { hash, kind, key_bytes, key_at, by_place, month, tally });
        self.put(hash, self.entries.len() as u64);
    }

    fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.slots.len() * 8 + self.keys.len()
    }

    fn find(&self, kind: ObservableKind, month: Month, key: &[u8], hash: u32) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        loop {
            let found = *self.slots.get(slot)?;
            if found == 0 {
                return None;
            }
            if found >> 32 == u64::from(hash) {
                let at = (found & 0xFFFF_FFFF) as usize - 1;
                let entry = self.entries.get(at)?;
                if i64::from(entry.kind) == kind.code() && entry.month == month && self.key(entry) == key {
                    return Some(at);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        let start = entry.key_at as usize;
        self.keys.get(start..start + usize::from(entry.key_bytes)).unwrap_or_default()
    }

    fn put(&mut self, hash: u32, number: u64) {
        let Some(mask) = self.slots.len().checked_sub(1) else { return };
        let mut slot = hash as usize & mask;
        while self.slots.get(slot).is_some_and(|found| *found != 0) {
            slot = (slot + 1) & mask;
        }
        if let Some(free) = self.slots.get_mut(slot) {
            *free = u64::from(hash) << 32 | number;
        }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_FIRST);
        self.slots.clear();
        self.slots.resize(slots, 0);
        for (number, hash) in (1..).zip(self.entries.iter().map(|entry| entry.hash).collect::<Vec<_>>()) {
            self.put(hash, number);
        }
    }

    /// Writes what is in memory to runs, which no one knows of until the file is recorded.
    fn spill(&mut self) {
        let rows = self.take_rows();
        let written = rows.into_iter().try_for_each(|(month, rows)| {
            let head = RunHead { month, source: SourceKind::Unknown };
            let mut writer = RunWriter::new(&*self.folder, head, false)?;
            rows.iter().try_for_each(|row| writer.push(row))?;
            self.spilled.push(writer.finish_as(self.folder.fresh_name())?);
            Ok(())
        });
        if let Err(fault) = written {
            self.fault.get_or_insert(fault);
        }
    }

    /// What is in memory, by month, sorted and each key once; afterwards nothing is.
    fn take_rows(&mut self) -> BTreeMap<Month, Vec<Row>> {
        let mut months: BTreeMap<Month, Vec<Row>> = BTreeMap::new();
        for entry in &self.entries {
            let Some(kind) = ObservableKind::from_code(i64::from(entry.kind)) else { continue };
            if let Some(value) = canonical(kind, self.key(entry)) {
                let row = Row { kind, value, tally: entry.tally, sources: Sources::Few(Vec::new()) };
                months.entry(entry.month).or_default().push(row);
            }
        }
        (self.slots, self.entries, self.keys) = (Vec::new(), Vec::new(), Vec::new());
        for rows in months.values_mut() {
            rows.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
            // Two spellings of one name are one value.
            rows.dedup_by(|later, kept| {
                let same = later.key() == kept.key();
                if same {
                    kept.merge(later);
                }
                same
            });
        }
        months
    }

    /// Takes in what another part of the same log held.
    pub fn merge(&mut self, mut other: Observed) {
        self.spilled.append(&mut other.spilled);
        self.fault = self.fault.take().or_else(|| other.fault.take());
        for entry in &other.entries {
            if let Some(kind) = ObservableKind::from_code(i64::from(entry.kind)) {
                let counted = (entry.month, entry.tally);
                self.count_as(kind, other.key(entry), counted, entry.by_place);
            }
        }
    }

    /// Says so if not all could be kept.
    pub(crate) fn take_diagnostic(&mut self, name: &str) -> Option<Diagnostic> {
        let fault = self.fault.as_ref()?;
        let message = format!("what it holds is not in the history: {fault}");
        Some(
            Diagnostic::error("history-not-kept", name, message).with_fix("make room, then hunt in it again"),
        )
    }

    /// The months of what was observed, each with its rows in the order of their keys; or why not all could be
    /// kept. Runs that were written on the way are named by [`Observed::spilled`].
    pub(crate) fn months(&mut self) -> Result<BTreeMap<Month, Part>, HistoryError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut parts: BTreeMap<Month, Part> = BTreeMap::new();
        for (month, rows) in self.take_rows() {
            parts.entry(month).or_default().rows = rows;
        }
        for run in &self.spilled {
            parts.entry(run.head.month).or_default().runs.push(run.clone());
        }
        Ok(parts)
    }

    /// Names of runs in the folder that hold parts of it: to be removed once it is recorded.
    pub(crate) fn spilled(&self) -> impl Iterator<Item = &str> {
        self.spilled.iter().map(|run| run.name.as_str())
    }

    /// Where they lie.
    pub(crate) fn folder(&self) -> Arc<dyn RunFolder> {
        Arc::clone(&self.folder)
    }

    /// The observables with what was seen of them in all months, in the order of their keys.
    pub fn sorted(mut self) -> Result<Vec<(Observable, Seen)>, HistoryError> {
        let folder = self.folder();
        let mut all: BTreeMap<(i64, Vec<u8>), (Observable, Seen)> = BTreeMap::new();
        for (month, part) in self.months()? {
            let mut rows = Merged::new(part.streams(&*folder)?)?;
            while let Some(row) = rows.next_row()? {
                let entry = all.entry((row.kind.code(), row.value.clone()));
                entry.or_insert_with(|| (row.observable(), Seen::default())).1.add(month, &row.tally);
            }
        }
        Ok(all.into_values().collect())
    }
}

/// What was observed of one month: rows in memory, and runs.
#[derive(Clone, Default)]
pub(crate) struct Part {
    rows: Vec<Row>,
    runs: Vec<RunFacts>,
}

impl Part {
    /// Its sorted streams, to be merged.
    pub(crate) fn streams(self, folder: &dyn RunFolder) -> Result<Vec<Stream>, HistoryError> {
        let mut streams = vec![Stream::rows(self.rows)];
        for run in &self.runs {
            streams.push(Stream::run(folder, run)?);
        }
        Ok(streams)
    }
}

fn once(time: Option<Timestamp>) -> (Month, Tally) {
    Tally::once(time.and_then(second_of), Flags::default())
}

/// A key as canonical bytes: only names are kept otherwise meanwhile.
fn canonical(kind: ObservableKind, key: &[u8]) -> Option<Vec<u8>> {
    if kind != ObservableKind::Domain {
        return Some(key.to_vec());
    }
    let name = std::str::from_utf8(key).ok()?;
    Observable::parse(kind, name).ok().map(|name| name.canonical().to_vec())
}

/// An IPv4 address in its only unambiguous form; anything else is for the parser.
fn quad(token: &[u8]) -> Option<u32> {
    let (mut address, mut part, mut digits, mut parts) = (0_u32, 0_u32, 0, 0);
    for byte in token {
        match byte {
            b'0'..=b'9' if digits == 0 || part > 0 => {
                part = part * 10 + u32::from(byte - b'0');
                digits += 1;
                if part > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && parts < 3 => {
                address = address << 8 | part;
                (part, digits, parts) = (0, 0, parts + 1);
            }
            _ => return None,
        }
    }
    (parts == 3 && digits > 0).then_some(address << 8 | part)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Only within this table: not part of any format.
fn hash(kind: ObservableKind, month: Month, key: &[u8]) -> u32 {
    let seed = (month.code() << 8 | kind.code()).cast_unsigned();
    let mut h =
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (key.len() as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let (words, rest) = key.as_chunks::<8>();
    let tail = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([tail]) {
        h = (h ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h ^= h >> 32;
    }
    (h.wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was kept before in the case of the log is still found, and forgotten.
    #[test]
    fn an_account_is_asked_for_in_either_form() {
        let keep = Keep { kinds: Kinds::one(ObservableKind::Account), account_key: Some([7; 32]) };
        let of = |name: &str| Observable::parse(ObservableKind::Account, name).unwrap();
        let hash = |name: &str| trust::mac::mac(&[7; 32], &[name.as_bytes()]).to_vec();
        assert_eq!(keep.stored_any(&of("ANNA")), [hash("anna"), hash("ANNA")]);
        assert_eq!(keep.stored_any(&of("anna")), [hash("anna")]);
        assert_eq!(keep.stored(&of("ANNA")), Some(hash("anna")));
        assert!(Keep::default().stored_any(&of("ANNA")).is_empty(), "nobody can tell without the key");
        let no_longer = Keep { account_key: Some([7; 32]), ..Keep::default() };
        assert_eq!(
            (no_longer.stored(&of("anna")), no_longer.stored_any(&of("anna"))),
            (None, vec![hash("anna")])
        );
    }

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(quad(b"8.8.4.255"), Some(0x0808_04FF));
        assert_eq!(quad(b"0.0.0.0"), Some(0));
        for odd in [
            "",
            "8.8.8",
            "8.8.8.8.8",
            "8.8.8.256",
            "08.8.8.8",
            "8..8.8",
            "8.8.8.",
            "00.1.2.3",
            "8.8.8.a",
            "1.2.3.4444",
        ] {
            assert_eq!(quad(odd.as_bytes()), None, "{odd}");
        }
    }
}

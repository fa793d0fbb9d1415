// SPDX-License-Identifier: Apache-2.0
//! The state of correlations as bytes, to be kept with the file register and taken up again.
//!
//! A checkpoint holds what waits, the windows, and the episodes that have not ended. It belongs to the
//! correlations that made it: with others, or with other windows, it is refused, and counting begins anew.

use std::collections::HashMap;
use std::sync::Arc;

use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::correlator::{Correlator, Episode, Group, Hit, Lost, Measured};
use super::engine::Engine;
use super::set::Rules;
use crate::event::{Place, SourceKind};
use crate::limits::EVIDENCE_LINES_MAX;

/// What a checkpoint begins with; the last digit is its version.
const MAGIC: &[u8; 8] = b"PLDRUL01";

/// Why a checkpoint cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It was made with other correlations.
    #[error("the state of the correlations was kept for other rules; what they had counted is lost")]
    OtherRules,
    /// It is damaged, or of another version.
    #[error("the kept state of the correlations cannot be read; what they had counted is lost")]
    Unreadable,
}

impl Engine {
    /// What the correlations have counted so far. What was gathered of an unfinished file is not in it.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&fingerprint(&self.rules));
        let state = &self.correlator;
        for number in [state.horizon, state.newest] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let Lost { late, untimed, incomplete, overflowed, groups } = state.lost;
        for number in [late, untimed, incomplete, overflowed, groups] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_all(&mut out, state.waiting.iter(), state.waiting.len(), put_hit);
        let mut groups: Vec<_> = state.groups.iter().collect();
        groups.sort_by_key(|(key, _)| *key);
        put_all(&mut out, groups.into_iter(), state.groups.len(), |out, ((correlation, name), group)| {
            out.extend_from_slice(&correlation.to_le_bytes());
            put_text(out, name);
            put_all(out, group.window.hits.iter(), group.window.hits.len(), put_hit);
            put_all(out, group.window.chains().iter(), group.window.chains().len(), |out, chain| {
                out.push(u8::from(chain.is_some()));
                out.extend_from_slice(&chain.unwrap_or(0).to_le_bytes());
            });
            out.push(u8::from(group.open.is_some()) | u8::from(group.reported) << 1);
            if let Some(episode) = &group.open {
                put_episode(out, episode);
            }
        });
        out
    }

    /// Goes on from a checkpoint. An engine that is refused it stays as it was.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Unreadable)?;
        let rest = rest.strip_prefix(&fingerprint(&self.rules)).ok_or(CheckpointError::OtherRules)?;
        let mut input = Input { rest, files: HashMap::new() };
        let read = read(&mut input, self);
        match read.filter(|_| input.rest.is_empty()) {
            Some(correlator) => {
                self.correlator = correlator;
                Ok(())
            }
            None => Err(CheckpointError::Unreadable),
        }
    }
}

/// What the correlations are: their ids and all that decides what is counted.
fn fingerprint(rules: &Rules) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (entry, plan) in rules.correlations.iter().zip(rules.plans.iter()) {
        hash.update(format!("{}\n{:?}\n", entry.header.id, plan.correlation));
    }
    hash.finalize().into()
}

fn put_all<T>(
    out: &mut Vec<u8>,
    all: impl Iterator<Item = T>,
    len: usize,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    out.extend_from_slice(&(len as u64).to_le_bytes());
    all.for_each(|one| put(out, one));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_hit(out: &mut Vec<u8>, hit: &Hit) {
    out.extend_from_slice(&hit.correlation.to_le_bytes());
    out.extend_from_slice(&hit.rule.to_le_bytes());
    out.extend_from_slice(&hit.time.to_le_bytes());
    put_text(out, &hit.group);
    match &hit.measured {
        Measured::Nothing => out.push(0),
        Measured::Number(number) => {
            out.push(1);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Measured::Text(text) => {
            out.push(2);
            put_text(out, text);
        }
    }
    put_text(out, &hit.file);
    out.extend_from_slice(&hit.place.line.to_le_bytes());
    out.extend_from_slice(&hit.place.offset.to_le_bytes());
    out.push(hit.kind.code());
    put_text(out, &hit.text);
}

fn put_episode(out: &mut Vec<u8>, episode: &Episode) {
    put_text(out, &episode.group);
    out.extend_from_slice(&episode.first.micros().to_le_bytes());
    out.extend_from_slice(&episode.last.micros().to_le_bytes());
    out.extend_from_slice(&episode.matches.to_le_bytes());
    out.extend_from_slice(&episode.peak.to_bits().to_le_bytes());
    put_all(out, episode.values.iter(), episode.values.len(), |out, value| put_text(out, value));
    put_all(out, episode.evidence.iter(), episode.evidence.len(), put_hit);
}

/// Bytes that are read from their beginning. File names stand once for each match, and are held once.
struct Input<'a> {
    rest: &'a [u8],
    files: HashMap<&'a str, Arc<str>>,
}

impl<'a> Input<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn int(&mut self) -> Option<i64> {
        self.bytes().map(i64::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(u32::from_le_bytes(self.bytes()?)).ok()?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    /// Each takes one byte at least, so that a count cannot ask for more memory than there are bytes.
    fn all<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = usize::try_from(self.long()?).ok().filter(|len| *len <= self.rest.len())?;
        (0..len).map(|_| read(self)).collect()
    }
}

fn read(input: &mut Input<'_>, engine: &Engine) -> Option<Correlator> {
    let Correlator { order, now, .. } = engine.correlator;
    let mut state = Correlator::new(Arc::clone(&engine.rules.plans), order, now);
    (state.horizon, state.newest) = (input.int()?, input.int()?);
    state.lost = Lost {
        late: input.long()?,
        untimed: input.long()?,
        incomplete: input.long()?,
        overflowed: input.long()?,
        groups: input.long()?,
    };
    state.wait_for(input.all(read_hit)?);
    let groups = input.all(|input| {
        let correlation = u32::from_le_bytes(input.bytes()?);
        let plan = engine.rules.plans.get(correlation as usize)?;
        let name: Box<str> = input.text()?.into();
        let mut group = Group::default();
        for hit in input.all(read_hit)? {
            group.window.push(hit, &plan.correlation);
        }
        let chains = input.all(|input| {
            let there = input.byte()? == 1;
            let began = input.int()?;
            Some(there.then_some(began))
        })?;
        group.window.set_chains(chains)?;
        let flags = input.byte().filter(|flags| *flags < 4)?;
        group.reported = flags & 2 != 0;
        if flags & 1 != 0 {
            group.open = Some(read_episode(input, correlation)?);
        }
        Some(((correlation, name), group))
    })?;
    state.groups = groups.into_iter().collect();
    Some(state)
}

fn read_hit(input: &mut Input<'_>) -> Option<Hit> {
    let correlation = u32::from_le_bytes(input.bytes()?);
    let rule = u16::from_le_bytes(input.bytes()?);
    let time = input.int()?;
    let group = input.text()?.into();
    let measured = match input.byte()? {
        0 => Measured::Nothing,
        1 => Measured::Number(Some(f64::from_bits(input.long()?)).filter(|number| number.is_finite())?),
        2 => Measured::Text(input.text()?.into()),
        _ => return None,
    };
    let file = input.text()?;
    let file = Arc::clone(input.files.entry(file).or_insert_with(|| file.into()));
    let place = Place { line: input.long()?, offset: input.long()? };
    let kind = SourceKind::from_code(input.byte()?.into())?;
    Some(Hit { correlation, rule, time, group, measured, file, place, kind, text: input.text()?.into() })
}

fn read_episode(input: &mut Input<'_>, correlation: u32) -> Option<Episode> {
    Some(Episode {
        correlation,
        group: input.text()?.into(),
        first: Timestamp::from_micros(input.int()?),
        last: Timestamp::from_micros(input.int()?),
        matches: input.long()?,
        peak: f64::from_bits(input.long()?),
        values: input
            .all(|input| input.text().map(Box::from))
            .filter(|all| all.len() <= EVIDENCE_LINES_MAX)?,
        evidence: input.all(read_hit).filter(|all| all.len() <= EVIDENCE_LINES_MAX)?,
    })
}

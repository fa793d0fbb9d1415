// SPDX-License-Identifier: Apache-2.0
//! The state of correlations as bytes, to be kept with the file register and taken up again.
//!
//! A checkpoint holds what waits, the windows, and the episodes that have not ended. It belongs to the
//! correlations that made it: with others, or with other windows, it is refused, and counting begins anew.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::correlator::{Correlator, Episode, Group, Hit, Lost, Measured};
use super::engine::Engine;
use super::set::Rules;
use crate::event::Place;
use crate::limits::EVIDENCE_LINES_MAX;
use crate::state::{Bytes, Damaged, Out, State, state};

/// What a checkpoint begins with; the last digit is its version.
const MAGIC: &[u8; 8] = b"PLDRUL02";

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

state!(Lost { late, untimed, incomplete, overflowed, groups });

impl Engine {
    /// What the correlations have counted so far. What was gathered of an unfinished file is not in it.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut out = Out::kept();
        out.extend_from_slice(MAGIC);
        fingerprint(&self.rules).write(&mut out);
        let state = &self.correlator;
        state.horizon.write(&mut out);
        state.newest.write(&mut out);
        state.lost.write(&mut out);
        put_all(&mut out, state.waiting.iter(), state.waiting.len(), put_hit);
        let mut groups: Vec<_> = state.groups.iter().collect();
        groups.sort_by_key(|(key, _)| *key);
        put_all(&mut out, groups.into_iter(), state.groups.len(), |out, ((correlation, name), group)| {
            correlation.write(out);
            put_text(out, name);
            put_all(out, group.window.hits.iter(), group.window.hits.len(), put_hit);
            put_all(out, group.window.chains().iter(), group.window.chains().len(), |out, chain| {
                chain.write(out);
            });
            group.reported.write(out);
            group.open.is_some().write(out);
            if let Some(episode) = &group.open {
                put_episode(out, episode);
            }
        });
        out.into_bytes()
    }

    /// Goes on from a checkpoint. An engine that is refused it stays as it was.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Unreadable)?;
        let rest = rest.strip_prefix(&fingerprint(&self.rules)).ok_or(CheckpointError::OtherRules)?;
        let mut input = Input { bytes: Bytes(rest), files: HashMap::new() };
        let correlator = read(&mut input, self).map_err(|Damaged| CheckpointError::Unreadable)?;
        if !input.bytes.0.is_empty() {
            return Err(CheckpointError::Unreadable);
        }
        self.correlator = correlator;
        Ok(())
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
    out: &mut Out<'_>,
    all: impl Iterator<Item = T>,
    len: usize,
    mut put: impl FnMut(&mut Out<'_>, T),
) {
    len.write(out);
    all.for_each(|one| put(out, one));
}

fn put_text(out: &mut Out<'_>, text: &str) {
    text.len().write(out);
    out.extend_from_slice(text.as_bytes());
}

fn put_hit(out: &mut Out<'_>, hit: &Hit) {
    hit.correlation.write(out);
    hit.rule.write(out);
    hit.time.write(out);
    put_text(out, &hit.group);
    match &hit.measured {
        Measured::Nothing => 0_u8.write(out),
        Measured::Number(number) => {
            1_u8.write(out);
            number.write(out);
        }
        Measured::Text(text) => {
            2_u8.write(out);
            put_text(out, text);
        }
    }
    put_text(out, &hit.file);
    hit.place.write(out);
    hit.kind.write(out);
    put_text(out, &hit.text);
}

fn put_episode(out: &mut Out<'_>, episode: &Episode) {
    put_text(out, &episode.group);
    episode.first.write(out);
    episode.last.write(out);
    episode.matches.write(out);
    episode.peak.write(out);
    put_all(out, episode.values.iter(), episode.values.len(), |out, value| put_text(out, value));
    put_all(out, episode.evidence.iter(), episode.evidence.len(), put_hit);
}

/// Bytes that are read from their beginning. File names stand once for each match, and are held once.
struct Input<'a> {
    bytes: Bytes<'a>,
    files: HashMap<&'a str, Arc<str>>,
}

impl<'a> Input<'a> {
    fn one<T: State>(&mut self) -> Result<T, Damaged> {
        T::read(&mut self.bytes)
    }

    fn all<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let count = self.bytes.count()?;
        (0..count).map(|_| read(self)).collect()
    }
}

fn read(input: &mut Input<'_>, engine: &Engine) -> Result<Correlator, Damaged> {
    let Correlator { order, now, .. } = engine.correlator;
    let mut state = Correlator::new(Arc::clone(&engine.rules.plans), order, now);
    (state.horizon, state.newest) = (input.one()?, input.one()?);
    state.lost = input.one()?;
    state.wait_for(input.all(read_hit)?);
    let groups = input.all(|input| {
        let correlation: u32 = input.one()?;
        let plan = engine.rules.plans.get(correlation as usize).ok_or(Damaged)?;
        let name: Box<str> = input.bytes.text()?.into();
        let mut group = Group::default();
        for hit in input.all(read_hit)? {
            group.window.push(hit, &plan.correlation);
        }
        let chains = input.all(Input::one)?;
        group.window.set_chains(chains).ok_or(Damaged)?;
        group.reported = input.one()?;
        if input.one()? {
            group.open = Some(read_episode(input, correlation)?);
        }
        Ok(((correlation, name), group))
    })?;
    state.groups = groups.into_iter().collect();
    Ok(state)
}

fn read_hit(input: &mut Input<'_>) -> Result<Hit, Damaged> {
    let (correlation, rule, time) = (input.one()?, input.one()?, input.one()?);
    let group = input.bytes.text()?.into();
    let measured = match input.one::<u8>()? {
        0 => Measured::Nothing,
        1 => Measured::Number(Some(input.one()?).filter(|number: &f64| number.is_finite()).ok_or(Damaged)?),
        2 => Measured::Text(input.bytes.text()?.into()),
        _ => return Err(Damaged),
    };
    let file = input.bytes.text()?;
    let file = Arc::clone(input.files.entry(file).or_insert_with(|| file.into()));
    let (place, kind): (Place, _) = (input.one()?, input.one()?);
    Ok(Hit { correlation, rule, time, group, measured, file, place, kind, text: input.bytes.text()?.into() })
}

fn read_episode(input: &mut Input<'_>, correlation: u32) -> Result<Episode, Damaged> {
    let few = |len: usize| if len <= EVIDENCE_LINES_MAX { Ok(()) } else { Err(Damaged) };
    let episode = Episode {
        correlation,
        group: input.bytes.text()?.into(),
        first: input.one()?,
        last: input.one()?,
        matches: input.one()?,
        peak: input.one()?,
        values: input.all(|input| input.bytes.text().map(Box::from))?,
        evidence: input.all(read_hit)?,
    };
    few(episode.values.len()).and(few(episode.evidence.len())).map(|()| episode)
}

// SPDX-License-Identifier: Apache-2.0
//! What patterns of several observations wait for, as bytes: for a hunt that goes on later.

use std::collections::BTreeMap;

use super::matching::Span;
use super::set::{Kept, PatternRun, PatternSet};
use crate::state::{Bytes, Damaged, Out, State, state};

state!(Span { first, last, number });
state!(Kept { span, leaves, source, about, evidence });

/// Of a pattern, by its indicator and its text: what is kept, lost and told.
type All = BTreeMap<(String, String), (Vec<Kept>, u64, u64)>;

/// The bytes are no such state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kept state of the patterns cannot be read; what they had seen is lost")]
pub struct Unreadable;

impl<'a> PatternRun<'a> {
    /// What is kept so far.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut all = All::new();
        for (nth, (kept, (lost, told))) in self.kept.iter().zip(self.lost.iter().zip(&self.told)).enumerate()
        {
            if let Some(name) = name(self.set, nth) {
                all.insert(name, (kept.clone(), *lost, *told));
            }
        }
        let mut out = Out::kept();
        all.write(&mut out);
        out.into_bytes()
    }

    /// Goes on from what was kept. Answers how many patterns of the set are not in it: they were not asked about
    /// what was read until then. Patterns that are no more are dropped.
    pub fn restore(set: &'a PatternSet, bytes: &[u8]) -> Result<(PatternRun<'a>, u64), Unreadable> {
        let mut left = Bytes(bytes);
        let mut all = All::read(&mut left).map_err(|Damaged| Unreadable)?;
        if !left.0.is_empty() {
            return Err(Unreadable);
        }
        let (mut run, mut new) = (PatternRun::of_all(set), 0);
        for nth in 0..set.ready.len() {
            let Some((kept, lost, told)) = name(set, nth).and_then(|name| all.remove(&name)) else {
                new += 1;
                continue;
            };
            let leaves = set.ready.get(nth).map_or(0, |ready| ready.matcher.leaves().len());
            if kept.iter().flat_map(|kept| &kept.leaves).any(|leaf| *leaf >= leaves) {
                return Err(Unreadable);
            }
            run.kept.get_mut(nth).into_iter().for_each(|mine| mine.clone_from(&kept));
            run.lost.get_mut(nth).into_iter().for_each(|mine| *mine = lost);
            run.told.get_mut(nth).into_iter().for_each(|mine| *mine = told);
        }
        run.measure();
        Ok((run, new))
    }
}

fn name(set: &PatternSet, nth: usize) -> Option<(String, String)> {
    let indicator = &set.ready.get(nth)?.indicator;
    Some((indicator.id.clone(), indicator.pattern.to_string()))
}

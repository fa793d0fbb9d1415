// SPDX-License-Identifier: Apache-2.0
//! `x_polder_markings`: the effective markings that a bundle or an envelope carries beside its objects
//! (`docs/markings.md`). One form for TAXII, export and import.

use serde_json::{Value, json};

use crate::marking::Marking;

/// Name of the member.
pub const MEMBER: &str = "x_polder_markings";

/// Objects `first` to `last` have this effective marking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Effective marking.
    pub marking: Marking,
    /// Place of the first object, from 0.
    pub first: usize,
    /// Place of the last object.
    pub last: usize,
}

/// Runs over the markings of objects in their order.
pub fn collect(markings: impl IntoIterator<Item = Marking>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (nth, marking) in markings.into_iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.marking == marking => run.last = nth,
            _ => runs.push(Run { marking, first: nth, last: nth }),
        }
    }
    runs
}

/// The member's value. What is unmarked is AMBER+STRICT, and the receiver is told so.
pub fn print(runs: &[Run]) -> Value {
    let run = |run: &Run| {
        let label = run.marking.label();
        let marking = Marking { tlp: Some(label), ..run.marking }.to_string();
        json!({ "first": run.first, "last": run.last, "marking": marking, "marking_ref": label.stix_id() })
    };
    Value::Array(runs.iter().map(run).collect())
}

/// Reads the member's value: runs without gaps from 0. `None` for anything else; then nothing is known of
/// any object.
pub fn parse(bytes: &[u8]) -> Option<Vec<Run>> {
    let list: Vec<Shape<'_>> = serde_json::from_slice(bytes).ok()?;
    let mut next = 0;
    list.iter()
        .map(|shape| {
            let marking = Marking::parse(&shape.marking)?;
            if shape.first != next || shape.last < shape.first {
                return None;
            }
            next = shape.last.checked_add(1)?;
            Some(Run { marking, first: shape.first, last: shape.last })
        })
        .collect()
}

#[derive(serde::Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    marking: std::borrow::Cow<'a, str>,
    first: usize,
    last: usize,
}

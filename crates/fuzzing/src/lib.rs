// SPDX-License-Identifier: Apache-2.0
//! One function for each parser of outside data, which feeds it any bytes and asserts what must hold.
//!
//! The same functions are run by libFuzzer (`fuzz/`) and, over the committed corpora and mutations of them,
//! by this crate's tests on stable. CONTRIBUTING.md says how a target is added.
//!
//! Must not know anything that a program needs: nothing depends on this crate.

mod brought;
mod exchange;
mod hunt;
mod kept;
mod ledger;
mod logs;
mod model;
pub mod mutation;
mod server;
mod store;
mod trust;

/// What a target does with an input: it returns, or the parser has a bug.
pub type Target = fn(&[u8]);

/// All targets by name; `corpus/NAME` holds the inputs of each.
pub const TARGETS: &[(&str, Target)] = &[
    ("acceptance", exchange::acceptance),
    ("account_hashes", brought::account_hashes),
    ("authorization", server::authorization),
    ("bundle", hunt::bundle),
    ("checkpoint", ledger::checkpoint),
    ("client", exchange::client),
    ("community", exchange::community),
    ("cursor", exchange::cursor),
    ("drafts", ledger::drafts),
    ("entry", ledger::entry),
    ("envelope", exchange::envelope),
    ("event_json", logs::event_json),
    ("event_table", logs::event_table),
    ("event_text", logs::event_text),
    ("evtx", logs::evtx),
    ("findings", hunt::findings),
    ("framing", brought::framing),
    ("history_run", kept::history_run),
    ("id", model::id),
    ("indicator_csv", hunt::indicator_csv),
    ("indicator_list", hunt::indicator_list),
    ("jcs", model::jcs),
    ("json_lines", logs::json_lines),
    ("key", trust::key),
    ("log_reader", hunt::log_reader),
    ("log_time", hunt::log_time),
    ("marking", model::marking),
    ("marking_definition", model::marking_definition),
    ("markings_member", model::markings_member),
    ("media_type", server::media_type),
    ("merkle_proof", ledger::merkle_proof),
    ("note", trust::note),
    ("observable", model::observable),
    ("observed", brought::observed),
    ("parquet", logs::parquet),
    ("pattern", hunt::pattern),
    ("places", brought::places),
    ("processes", brought::processes),
    ("proof", ledger::proof),
    ("query", exchange::query),
    ("recall", ledger::recall),
    ("request_target", server::request_target),
    ("revoked", model::revoked),
    ("root", ledger::root),
    ("root_signed", ledger::root_signed),
    ("rules", hunt::rules),
    ("scan", hunt::scan),
    ("side_file", store::side_file),
    ("statements", ledger::statements),
    ("stix_20", model::stix_20),
    ("stix_object", model::stix_object),
    ("stix_split", model::stix_split),
    ("tiles", ledger::tiles),
    ("timestamp", model::timestamp),
    ("token", exchange::token),
    ("unfinished", kept::unfinished),
    ("unpack", hunt::unpack),
    ("warning_list", brought::warning_list),
    ("zip", logs::zip),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// A law does not hold: the parser has a bug.
#[expect(clippy::panic, reason = "a broken law must stop the fuzzer and fail the test")]
#[track_caller]
fn broken(law: &str) -> ! {
    panic!("{law}")
}

/// The value, which the law says is there.
#[track_caller]
fn must<T>(value: Option<T>, law: &str) -> T {
    match value {
        Some(value) => value,
        None => broken(law),
    }
}

/// Takes a number from the front of the input; 0 when it is used up.
fn number(data: &mut &[u8]) -> u64 {
    let (head, rest) = data.split_at(data.len().min(8));
    *data = rest;
    head.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A reader that hands out few bytes at a time.
struct Dribble<'a> {
    data: &'a [u8],
    step: usize,
}

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.step.min(buffer.len()).min(self.data.len());
        let (head, rest) = self.data.split_at(count);
        buffer.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        self.data = rest;
        Ok(count)
    }
}

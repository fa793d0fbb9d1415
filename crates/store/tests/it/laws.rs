// SPDX-License-Identifier: Apache-2.0
//! Laws 2 and 3 at the store: rebuild is incremental; a batch is wholly there or wholly absent.

use ledger::append::Outcome;
use ledger::record;
use ledger::sql::{EngineError, Flow};
use ledger::verify::verify;
use proptest::prelude::*;
use store::Store;

use crate::sample::*;

fn definitions(store: &Store) -> Vec<(Vec<u8>, String, i64)> {
    let mut rows = Vec::new();
    store
        .read(|read| {
            read.query("SELECT author, id, code FROM definitions ORDER BY author, id", &[], &mut |row| {
                rows.push((row.blob(0)?.to_vec(), row.text(1)?.to_owned(), row.int(2)?));
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    rows
}

fn definition(n: u32, kind: u8) -> String {
    let (definition_type, definition) = match kind % 3 {
        0 => ("statement", r#"{"statement":"x"}"#),
        1 => ("tlp", r#"{"tlp":"green"}"#),
        _ => ("other", r#"{"level":"9"}"#),
    };
    format!(
        r#"{{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-{n:012x}","created":"2024-01-01T00:00:00Z","definition_type":"{definition_type}","definition":{definition}}}"#
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, in whatever batches: outcomes add up, the log verifies, and a rebuilt view equals
    /// the one that was kept.
    #[test]
    fn any_history_adds_up_and_rebuilds(
        acts in prop::collection::vec((0u32..12, 0u32..4, 0u8..3, any::<bool>()), 1..60),
        cuts in prop::collection::vec(1usize..9, 1..20),
    ) {
        let store = Store::memory(schema()).unwrap();
        let writer = writer(&store, None);
        let drafts: Vec<_> = acts.iter().map(|(n, version, content, mark)| {
            if *mark { green(&definition(*n, *content)) } else { green(&indicator(*n, *version, &content.to_string())) }
        }).collect();
        let (mut at, mut outcomes) = (0, Vec::new());
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(drafts.len());
            outcomes.extend(submit(&writer, drafts[at..end].to_vec()));
            at = end;
            if at == drafts.len() { break; }
        }
        prop_assert_eq!(outcomes.len(), drafts.len());
        let rows = store.read(|read| record::after(read, 0, 1_000)).unwrap();
        prop_assert_eq!(added(&outcomes), rows.len());
        let places: Vec<i64> = outcomes.iter().filter_map(|o| match o { Outcome::Added { seq, .. } => Some(*seq), _ => None }).collect();
        prop_assert_eq!(places, (1..=rows.len() as i64).collect::<Vec<_>>());
        let report = store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
        if rows.is_empty() {
            prop_assert_eq!(report.records, 0);
        } else {
            prop_assert_eq!(report.faults, Vec::<String>::new());
        }
        let kept = definitions(&store);
        store.rebuild_all(&mut |_| Flow::Continue).unwrap();
        prop_assert_eq!(definitions(&store), kept);
    }
}

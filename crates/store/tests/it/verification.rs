// SPDX-License-Identifier: Apache-2.0
//! Verification over many batches, which are hashed by several threads.

use ledger::sql::EngineError;
use ledger::verify::{Report, verify};
use store::Store;

use crate::sample::{green, indicator, key, schema, signer, submit, writer};

const RECORDS: u32 = 9_000;

fn verified(store: &Store) -> Result<Report, EngineError> {
    store.read(|read| verify(read, &signer().origin, key().public_key()))
}

fn harm(store: &Store, sql: &'static str) {
    store.local(|tx| tx.execute(sql, &[]).map(|_| ())).unwrap();
}

#[test]
fn faults_of_all_batches_are_told_in_the_order_of_the_records() {
    let store = Store::memory(schema()).unwrap();
    let writer = writer(&store, None);
    submit(&writer, (0..RECORDS).map(|n| green(&indicator(n, 0, "a"))).collect());
    let report = verified(&store).unwrap();
    assert_eq!((report.records, report.size, report.erased), (9_000, 9_000, 0));
    assert_eq!(report.faults, [""; 0]);

    // A large body makes a batch end early; the entry shows that it is another.
    harm(&store, "UPDATE bodies SET body = zeroblob(3000000) WHERE seq = 3");
    harm(&store, "UPDATE records SET time = time - 1000000 WHERE seq = 2001");
    harm(&store, "UPDATE records SET idx = 7 WHERE seq = 4001");
    harm(&store, "DELETE FROM bodies WHERE seq = 6000");
    harm(&store, "UPDATE records SET salts = x'' WHERE seq = 6000");
    harm(&store, "UPDATE bodies SET body = x'7b7d' WHERE seq = 9000");
    let report = verified(&store).unwrap();
    assert_eq!((report.records, report.erased), (9_000, 1));
    let told: Vec<&str> = report.faults.iter().map(|fault| fault.split(" (").next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "record 3",
            "record 2001: its time does not come after the one before it",
            "record 2001",
            "record 4001: index 7 where 4000 was expected",
            "record 9000",
        ]
    );

    harm(&store, "UPDATE audiences SET marking = 1");
    let report = verified(&store).unwrap();
    assert_eq!(report.faults.len() as u64 + report.more_faults, 9_000 - 1 + 2, "each is counted");
    harm(&store, "DELETE FROM audiences");
    assert!(verified(&store).is_err(), "an error of a thread is the verification's");
}

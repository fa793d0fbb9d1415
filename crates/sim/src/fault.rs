// SPDX-License-Identifier: Apache-2.0
//! Faults of the engine, at any statement that writes: a trigger makes it fail, in mid-transaction or at
//! the commit itself. Nothing of the store has to know of it.

use ledger::sql::{EngineError, Tx};
use store::Store;

/// Where the engine fails: at a statement of this sort on this table, or at COMMIT.
const POINTS: &[(&str, &str)] = &[
    ("INSERT", "audiences"),
    ("INSERT", "records"),
    ("INSERT", "refs"),
    ("INSERT", "bodies"),
    ("INSERT", "subjects"),
    ("INSERT", "definitions"),
    ("INSERT", "placed"),
    ("INSERT", "placements"),
    ("UPDATE", "placements"),
    ("DELETE", "placements"),
    ("INSERT", "communities"),
    ("INSERT", "community_members"),
    ("INSERT", "hunt_indicators"),
    ("DELETE", "hunt_indicators"),
    ("DELETE", "bodies"),
    ("DELETE", "subjects"),
    ("UPDATE", "records"),
    ("INSERT", "tombstones"),
    ("INSERT", "tiles"),
    ("UPDATE", "tiles"),
    ("UPDATE", "logs"),
    ("DELETE", "checkpoints"),
    ("INSERT", "checkpoints"),
    ("UPDATE", "views"),
    ("INSERT", "tokens"),
    ("UPDATE", "tokens"),
    // What is inserted here is refused by a constraint that is looked at when the transaction commits.
    ("COMMIT", "checkpoints"),
    ("COMMIT", "tokens"),
];

fn point(at: u8) -> (&'static str, &'static str) {
    POINTS[usize::from(at) % POINTS.len()]
}

/// The point in words.
pub fn told(at: u8) -> String {
    match point(at) {
        ("COMMIT", table) => format!("at COMMIT of what was written to {table}"),
        (sort, table) => format!("at {sort} of {table}"),
    }
}

/// Lays the fault.
pub fn lay(store: &Store, at: u8, server: bool) -> Result<(), EngineError> {
    let (sort, table) = point(at);
    store.local(|tx| match (sort, server) {
        ("COMMIT", false) => {
            run(tx, "CREATE TABLE sim_parent (id INTEGER PRIMARY KEY)")?;
            run(
                tx,
                "CREATE TABLE sim_child (parent INTEGER REFERENCES sim_parent (id) DEFERRABLE INITIALLY DEFERRED)",
            )?;
            let sql = format!(
                "CREATE TRIGGER sim_fault AFTER INSERT ON {table} BEGIN INSERT INTO sim_child VALUES (1); END"
            );
            run(tx, &sql)
        }
        ("COMMIT", true) => {
            run(tx, "CREATE TABLE sim_parent (id BIGINT PRIMARY KEY)")?;
            run(
                tx,
                "CREATE TABLE sim_child (parent BIGINT REFERENCES sim_parent (id) DEFERRABLE INITIALLY DEFERRED)",
            )?;
            on_server(tx, "INSERT INTO sim_child VALUES (1); RETURN NEW", "AFTER INSERT", table)
        }
        (_, false) => {
            let sql = format!(
                "CREATE TRIGGER sim_fault BEFORE {sort} ON {table} BEGIN SELECT RAISE(ABORT, 'a fault that was laid'); END"
            );
            run(tx, &sql)
        }
        // The connection dies in mid-transaction.
        (_, true) => {
            let body = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL";
            on_server(tx, body, &format!("BEFORE {sort}"), table)
        }
    })
}

fn on_server(tx: &mut dyn Tx, body: &str, when: &str, table: &str) -> Result<(), EngineError> {
    run(tx, &format!("CREATE FUNCTION sim_fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body}; END'"))?;
    run(tx, &format!("CREATE TRIGGER sim_fault {when} ON {table} FOR EACH ROW EXECUTE FUNCTION sim_fault()"))
}

/// Takes it away.
pub fn lift(store: &Store, at: u8, server: bool) -> Result<(), EngineError> {
    let (sort, table) = point(at);
    store.local(|tx| {
        if server {
            run(tx, &format!("DROP TRIGGER sim_fault ON {table}"))?;
            run(tx, "DROP FUNCTION sim_fault()")?;
        } else {
            run(tx, "DROP TRIGGER sim_fault")?;
        }
        if sort == "COMMIT" {
            run(tx, "DROP TABLE sim_child")?;
            run(tx, "DROP TABLE sim_parent")?;
        }
        Ok(())
    })
}

fn run(tx: &mut dyn Tx, sql: &str) -> Result<(), EngineError> {
    tx.execute(crate::sql::kept(sql), &[]).map(|_| ())
}

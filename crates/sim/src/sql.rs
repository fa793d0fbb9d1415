// SPDX-License-Identifier: Apache-2.0
//! Statements of the simulator's own, and all rows of all tables as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use ledger::sql::{EngineError, Flow, Read, Table, TableKind};
use store::Store;

/// Statements are static by their type; there are a few dozen, each kept once.
pub fn kept(sql: &str) -> &'static str {
    static KEPT: LazyLock<Mutex<BTreeSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = all.get(sql) {
        return kept;
    }
    let leaked: &'static str = Box::leak(sql.to_owned().into_boxed_str());
    all.insert(leaked);
    leaked
}

/// All rows of the tables of these kinds, sorted.
pub fn dump(store: &Store, kinds: &[TableKind]) -> Result<Vec<String>, EngineError> {
    store.read(|read| {
        let mut rows = Vec::new();
        for table in store.tables().into_iter().filter(|table| kinds.contains(&table.kind)) {
            dump_table(read, table, &mut rows)?;
        }
        rows.sort_unstable();
        Ok(rows)
    })
}

fn dump_table(read: &mut dyn Read, table: &'static Table, rows: &mut Vec<String>) -> Result<(), EngineError> {
    let sql = kept(&format!("SELECT {} FROM {}", table.columns.join(", "), table.name));
    read.query(sql, &[], &mut |row| {
        let mut line = table.name.to_owned();
        for (nth, column) in table.columns.iter().enumerate() {
            // Writing to memory cannot fail.
            let _ = match (row.int_opt(nth), row.text_opt(nth), row.blob(nth)) {
                (Ok(Some(int)), ..) => write!(line, " {column}={int}"),
                (Ok(None), ..) | (_, Ok(None), _) => write!(line, " {column}=null"),
                (_, Ok(Some(text)), _) => write!(line, " {column}={text:?}"),
                (_, _, Ok(blob)) => write!(line, " {column}={}", model::id::hex(blob)),
                (_, _, Err(error)) => write!(line, " {column}: {error}"),
            };
        }
        rows.push(line);
        Ok(Flow::Continue)
    })
}

/// The first difference of two dumps, for people.
pub fn difference(expected: &[String], got: &[String]) -> (String, String) {
    let missing = expected.iter().find(|row| got.binary_search(row).is_err());
    let surplus = got.iter().find(|row| expected.binary_search(row).is_err());
    let told = |row: Option<&String>| {
        row.map_or("nothing more".to_owned(), |row| row.chars().take(400).collect::<String>())
    };
    (told(missing), told(surplus))
}

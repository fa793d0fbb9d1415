// SPDX-License-Identifier: Apache-2.0
//! Other names for tables: how a view is built beside the one that answers, by the same code.
//!
//! Rooms write their statements as fixed texts with plain names. [`Renamed`] is a transaction that puts
//! other names in their place before the engine sees them, on whatever engine.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex};

use ledger::sql::{EngineError, Flow, Push, Read, Row, Table, Tx, Value};

use crate::open::lock;

/// Behind the names of a view's tables, and behind its own, while it is built.
pub(crate) const NEXT: &str = "__next";
/// Behind the names of tables that were switched away and are not dropped yet.
pub(crate) const OLD: &str = "__old";

/// A view's tables under the names that they have while they are built.
pub(crate) struct Names {
    words: HashMap<&'static str, &'static str>,
    tables: HashMap<&'static str, &'static Table>,
    // Statements are fixed texts of the program, so there are only so many.
    texts: Mutex<HashMap<&'static str, &'static str>>,
}

impl Names {
    /// Of these tables, with [`NEXT`] behind each name.
    pub(crate) fn next(tables: &[&'static Table]) -> Names {
        let mut names =
            Names { words: HashMap::new(), tables: HashMap::new(), texts: Mutex::new(HashMap::new()) };
        for table in tables {
            let name = kept(format!("{}{NEXT}", table.name));
            names.words.insert(table.name, name);
            names.tables.insert(table.name, renamed(table, name));
        }
        names
    }

    /// The statement with these names in it.
    fn text(&self, sql: &'static str) -> &'static str {
        let mut texts = lock(&self.texts);
        texts.entry(sql).or_insert_with(|| kept(rewrite(sql, |word| self.words.get(word).copied())))
    }

    fn table(&self, table: &'static Table) -> &'static Table {
        self.tables.get(table.name).copied().unwrap_or(table)
    }
}

static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
static TABLES: LazyLock<Mutex<Vec<&'static Table>>> = LazyLock::new(Mutex::default);

/// A text that lives as long as the program, each one kept once. Only names and statements made of the
/// program's own fixed texts come here, so what is kept is bounded.
pub(crate) fn kept(text: String) -> &'static str {
    let mut texts = lock(&TEXTS);
    match texts.get(text.as_str()) {
        Some(known) => known,
        None => {
            let text: &'static str = text.leak();
            texts.insert(text);
            text
        }
    }
}

/// The declaration of a table under another name, kept once for each name.
fn renamed(table: &'static Table, name: &'static str) -> &'static Table {
    let mut tables = lock(&TABLES);
    if let Some(known) = tables.iter().find(|known| known.name == name && known.columns == table.columns) {
        return known;
    }
    let other: &'static Table = Box::leak(Box::new(Table { name, ..*table }));
    tables.push(other);
    other
}

/// The text with other words in it, wherever a whole word stands outside of quotes and comments.
pub(crate) fn rewrite<'w>(sql: &str, other: impl Fn(&str) -> Option<&'w str>) -> String {
    let mut out = String::with_capacity(sql.len() + 32);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphabetic() || first == '_';
        let length = if is_word {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if first == '\'' || first == '"' {
            // A doubled quote ends one text and begins the next: both are left alone.
            rest.get(1..).and_then(|inner| inner.find(first)).map_or(rest.len(), |at| at + 2)
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if first.is_ascii_digit() {
            // `1e5` is a number, not a word.
            rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at(length);
        out.push_str(if is_word { other(token).unwrap_or(token) } else { token });
        rest = behind;
    }
    out
}

/// The name of the index that a statement makes.
pub(crate) fn index_name(sql: &str) -> Option<&str> {
    let mut words = sql.split_whitespace();
    (words.next()? == "CREATE").then_some(())?;
    let what = words.next()?;
    let is_index = what == "INDEX" || what == "UNIQUE" && words.next()? == "INDEX";
    is_index.then(|| words.next())?
}

/// A transaction in which some tables have other names.
pub(crate) struct Renamed<'t> {
    tx: &'t mut dyn Tx,
    names: &'t Names,
}

impl<'t> Renamed<'t> {
    pub(crate) fn new(tx: &'t mut dyn Tx, names: &'t Names) -> Renamed<'t> {
        Renamed { tx, names }
    }
}

impl Read for Renamed<'_> {
    fn query(
        &mut self,
        sql: &'static str,
        args: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError> {
        self.tx.query(self.names.text(sql), args, each)
    }
}

impl Tx for Renamed<'_> {
    fn execute(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, EngineError> {
        self.tx.execute(self.names.text(sql), args)
    }

    fn insert_many(
        &mut self,
        table: &'static Table,
        rows: &mut dyn FnMut(&mut Push<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.tx.insert_many(self.names.table(table), rows)
    }

    fn as_read(&mut self) -> &mut dyn Read {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(sql: &str) -> String {
        rewrite(sql, |word| (word == "placed").then_some("placed__next"))
    }

    #[test]
    fn whole_words_outside_of_quotes_are_renamed() {
        for (sql, expected) in [
            ("SELECT placed.seq FROM placed", "SELECT placed__next.seq FROM placed__next"),
            ("DELETE FROM placed", "DELETE FROM placed__next"),
            ("INSERT INTO placed(seq) VALUES (?1)", "INSERT INTO placed__next(seq) VALUES (?1)"),
            (
                "SELECT placed_by, replaced, placed2, x FROM t",
                "SELECT placed_by, replaced, placed2, x FROM t",
            ),
            ("SELECT 'placed', 'it''s placed', \"placed\"", "SELECT 'placed', 'it''s placed', \"placed\""),
            ("SELECT 1 -- placed\nFROM placed", "SELECT 1 -- placed\nFROM placed__next"),
            ("SELECT /* placed */ 1 FROM placed", "SELECT /* placed */ 1 FROM placed__next"),
            ("SELECT x'00', 1e5 FROM\tplaced;", "SELECT x'00', 1e5 FROM\tplaced__next;"),
            ("'placed", "'placed"),
            ("SELECT 'é placed' FROM placed", "SELECT 'é placed' FROM placed__next"),
        ] {
            assert_eq!(changed(sql), expected);
        }
    }

    #[test]
    fn indexes_have_names() {
        assert_eq!(index_name("CREATE INDEX a_by_b ON a (b)"), Some("a_by_b"));
        assert_eq!(index_name("CREATE UNIQUE INDEX a_once ON a\n (b)"), Some("a_once"));
        assert_eq!(index_name("CREATE TABLE a (b INTEGER)"), None);
    }

    #[test]
    fn a_text_is_kept_once() {
        let one = kept("a text of this test".to_owned());
        assert!(std::ptr::eq(one, kept("a text of this test".to_owned())));
    }
}

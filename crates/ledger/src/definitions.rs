// SPDX-License-Identifier: Apache-2.0
//! The view of marking definitions: what each author's definitions mean.

use model::diagnostic::Diagnostic;
use model::id::{MemberId, type_code};
use model::stix::{Definition, Definitions, Object};

use crate::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use crate::view::{Body, Record, View};

/// Marking definitions by author and id; one that was shared with several audiences stands there for each.
pub static DEFINITIONS: Table = Table {
    name: "definitions",
    kind: TableKind::View,
    columns: &["author", "id", "code", "seq"],
    sqlite: &["CREATE TABLE definitions (
        author BLOB NOT NULL, id TEXT NOT NULL, code INTEGER NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (author, id, seq)) STRICT, WITHOUT ROWID"],
};

static TABLES: &[&Table] = &[&DEFINITIONS];

/// Keeps [`DEFINITIONS`].
#[derive(Debug)]
pub struct DefinitionView;

impl View for DefinitionView {
    fn name(&self) -> &'static str {
        "definitions"
    }

    fn version(&self) -> i64 {
        2
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
        let code = type_code("marking-definition");
        for record in records.iter().filter(|r| r.head.kind.is_stix()) {
            let body = match record.body {
                // What the definition meant is gone with it: what it marks is restricted from now on.
                Body::Erased => {
                    tx.execute("DELETE FROM definitions WHERE seq = ?1", &[Value::Int(record.seq)])?;
                    continue;
                }
                Body::Present(_) if Some(record.subject.type_code()) != code => continue,
                Body::Present(body) => body,
            };
            let definition = Object::parse(body, record.id, &mut Vec::<Diagnostic>::new())
                .and_then(|object| object.definition)
                .unwrap_or(Definition::Unknown);
            tx.execute(
                "INSERT INTO definitions (author, id, code, seq) VALUES (?1, ?2, ?3, ?4)",
                &[
                    Value::Blob(&record.head.author.0),
                    Value::Text(record.id),
                    Value::Int(definition.code()),
                    Value::Int(record.seq),
                ],
            )?;
        }
        Ok(())
    }
}

/// The definitions that an author has made or handed on. Nobody else's count: a definition could
/// otherwise loosen what its author marked.
pub fn of_author(read: &mut dyn Read, author: MemberId) -> Result<Definitions, EngineError> {
    let mut definitions = Definitions::default();
    read.query(
        "SELECT id, code FROM definitions WHERE author = ?1",
        &[Value::Blob(&author.0)],
        &mut |row| {
            definitions.add(row.text(0)?, Definition::from_code(row.int(1)?));
            Ok(Flow::Continue)
        },
    )?;
    Ok(definitions)
}

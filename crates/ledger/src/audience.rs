// SPDX-License-Identifier: Apache-2.0
//! Distinct heads of records, and their rows.

use std::collections::HashMap;

use model::head::{Audience, Head};
use model::id::MemberId;
use model::kind::Kind;
use model::marking::Marking;

use crate::sql::{EngineError, Flow, Read, Row, Tx, Value};

/// All heads with the number of their row, in the order of the rows.
pub fn heads(read: &mut dyn Read) -> Result<Vec<(i64, Head)>, EngineError> {
    heads_after(read, 0)
}

/// The heads of the rows after one row. Rows are numbered from 1 and never change, so whoever knows all
/// up to a row needs these alone.
pub fn heads_after(read: &mut dyn Read, row: i64) -> Result<Vec<(i64, Head)>, EngineError> {
    let mut heads = Vec::new();
    let sql = "SELECT id, author, kind, marking, spec FROM audiences WHERE id > ?1 ORDER BY id";
    read.query(sql, &[Value::Int(row)], &mut |row| {
        heads.push((row.int(0)?, head(row)?));
        Ok(Flow::Continue)
    })?;
    Ok(heads)
}

/// Number of the newest row; 0 if there is none.
pub fn newest(read: &mut dyn Read) -> Result<i64, EngineError> {
    let mut newest = 0;
    read.query("SELECT id FROM audiences ORDER BY id DESC LIMIT 1", &[], &mut |row| {
        newest = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    Ok(newest)
}

fn head(row: &dyn Row) -> Result<Head, EngineError> {
    let author =
        row.blob(1)?.try_into().map_err(|_| EngineError::shape("audiences.author is not 32 bytes"))?;
    let code =
        u16::try_from(row.int(2)?).map_err(|_| EngineError::shape("audiences.kind is out of range"))?;
    let audience = Audience::parse(row.text(4)?).ok_or_else(|| {
        EngineError::shape(format!("audiences.spec of row {}", row.int(0).unwrap_or_default()))
    })?;
    Ok(Head {
        author: MemberId(author),
        kind: Kind::from_code(code),
        marking: Marking::from_code(row.int(3)?),
        audience,
    })
}

/// Heads by row and rows by head, for one transaction.
#[derive(Debug, Default)]
pub struct Heads {
    rows: HashMap<(MemberId, Kind, i64, Audience), i64>,
    by_row: HashMap<i64, Head>,
}

impl Heads {
    /// Reads all.
    pub fn load(read: &mut dyn Read) -> Result<Heads, EngineError> {
        let mut all = Heads::default();
        for (row, head) in heads(read)? {
            all.rows.insert(key(&head), row);
            all.by_row.insert(row, head);
        }
        Ok(all)
    }

    /// Head of a row.
    pub fn of(&self, row: i64) -> Result<&Head, EngineError> {
        self.by_row.get(&row).ok_or_else(|| EngineError::shape(format!("no row {row} in audiences")))
    }

    /// Row of a head, made if it is new.
    pub fn row(&mut self, tx: &mut dyn Tx, head: &Head) -> Result<i64, EngineError> {
        if let Some(row) = self.rows.get(&key(head)) {
            return Ok(*row);
        }
        let row = self.by_row.keys().max().copied().unwrap_or(0) + 1;
        tx.execute(
            "INSERT INTO audiences (id, author, kind, marking, spec) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[
                Value::Int(row),
                Value::Blob(&head.author.0),
                Value::Int(i64::from(head.kind.code())),
                Value::Int(head.marking.code()),
                Value::Text(&head.audience.to_string()),
            ],
        )?;
        self.rows.insert(key(head), row);
        self.by_row.insert(row, head.clone());
        Ok(row)
    }
}

fn key(head: &Head) -> (MemberId, Kind, i64, Audience) {
    (head.author, head.kind, head.marking.code(), head.audience.clone())
}

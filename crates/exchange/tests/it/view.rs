// SPDX-License-Identifier: Apache-2.0
//! The view: fold of all records equals what was kept step by step, in any batches.

use exchange::view::{CollectionView, TABLES};
use ledger::sql::{EngineError, Flow, Table, Tx};
use ledger::view::View;
use model::marking::Tlp;
use proptest::prelude::*;

use crate::model_of_pages::{Step, steps};
use crate::node::{Item, Node, START, apply, id, tlp, to_community};

/// Every row of a table of integers, texts and blobs, as text.
fn dump(node: &Node, table: &'static Table) -> Vec<String> {
    let sql: &'static str = match table.name {
        "collections" => "SELECT id, uuid, audience, created FROM collections ORDER BY id",
        "placements" => {
            "SELECT collection, seq, record || ' ' || audience || ' ' || type || ' ' || hex(subject), \
             version || ' ' || spec || ' ' || sole FROM placements ORDER BY collection, seq"
        }
        "placed" => {
            "SELECT collection, seq, hex(subject), version || ' ' || record || ' ' || audience || ' ' || spec \
             FROM placed ORDER BY collection, subject, version, seq"
        }
        "communities" => {
            "SELECT version, seq, uuid || name, hex(author) || hex(terms) FROM communities ORDER BY uuid"
        }
        "terms_accepted" => "SELECT version, seq, uuid, hex(member) FROM terms_accepted ORDER BY seq",
        "clients" => "SELECT version, seq, ended, hex(of_member) || hex(client) FROM clients ORDER BY seq",
        "community_members" => {
            "SELECT role, 0, uuid, hex(member) FROM community_members ORDER BY uuid, member"
        }
        "removed" => "SELECT collection, seq, '', '' FROM removed ORDER BY collection, seq",
        _ => "SELECT seq, 0, code, '' FROM exchange_skipped ORDER BY seq",
    };
    let mut rows = Vec::new();
    node.read(|read| {
        read.query(sql, &[], &mut |row| {
            let cell = |n: usize| match (row.int(n), row.text(n)) {
                (Ok(int), _) => int.to_string(),
                (_, Ok(text)) => text.to_owned(),
                _ => "?".to_owned(),
            };
            rows.push((0..4).map(cell).collect::<Vec<_>>().join("|"));
            Ok(Flow::Continue)
        })
    })
    .unwrap();
    rows
}

fn rebuild(tx: &mut dyn Tx, node: &[crate::node::Kept], batch: usize) -> Result<(), EngineError> {
    for sql in [
        "DELETE FROM collections",
        "DELETE FROM placements",
        "DELETE FROM placed",
        "DELETE FROM communities",
        "DELETE FROM community_members",
        "DELETE FROM terms_accepted",
        "DELETE FROM clients",
        "DELETE FROM removed",
        "DELETE FROM exchange_skipped",
    ] {
        tx.execute(sql, &[])?;
    }
    node.chunks(batch).try_for_each(|chunk| apply(tx, chunk))
}

#[test]
fn the_tables_are_declared_as_views() {
    assert_eq!(CollectionView.tables().len(), TABLES.len());
    for table in TABLES {
        assert_eq!(table.kind, ledger::sql::TableKind::View, "{}", table.name);
        assert!(table.sqlite[0].starts_with(&format!("CREATE TABLE {} ", table.name)));
        assert!(table.columns.iter().all(|column| table.sqlite[0].contains(column)));
        assert!(table.postgres[0].starts_with(&format!("CREATE TABLE {} ", table.name)), "{}", table.name);
        assert!(table.columns.iter().all(|column| table.postgres[0].contains(column)), "{}", table.name);
    }
}

#[test]
fn sole_says_whether_an_object_has_one_record() {
    let mut node = Node::new();
    let item = |n, version| Item::new(1, to_community(1), tlp(Tlp::Green), &id("tool", n), version);
    node.append(&[item(1, START), item(2, START), item(2, START + 1), item(3, START)]);
    node.append(&[item(3, START + 1), item(4, START)]);
    let sole = |node: &Node| {
        let rows = dump(node, &exchange::view::PLACEMENTS);
        rows.iter().map(|row| row.ends_with(" 1")).collect::<Vec<_>>()
    };
    assert_eq!(sole(&node), [true, false, false, false, false, true]);
    node.erase(5);
    assert_eq!(sole(&node), [true, false, false, true, true]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rebuilt_is_kept(steps in steps(60), batch in 1usize..40) {
        let mut node = Node::new();
        for step in &steps {
            match step {
                Step::Append(items) => { node.append(items); }
                Step::Erase(nth) => {
                    let seqs: Vec<i64> = node.kept.iter().filter(|k| !k.erased).map(|k| k.seq).collect();
                    if let Some(seq) = seqs.get(nth % seqs.len().max(1)) {
                        node.erase(*seq);
                    }
                }
            }
        }
        let before: Vec<_> = TABLES.iter().map(|table| dump(&node, table)).collect();
        let kept = node.kept.clone();
        node.store.local(|tx| rebuild(tx, &kept, batch)).unwrap();
        let after: Vec<_> = TABLES.iter().map(|table| dump(&node, table)).collect();
        prop_assert_eq!(before, after);
    }
}

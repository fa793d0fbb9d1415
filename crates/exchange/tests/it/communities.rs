// SPDX-License-Identifier: Apache-2.0
//! Communities as their newest records say.

use exchange::command::{Draft, new_community, with_member};
use exchange::query;
use model::id::MemberId;
use model::marking::Tlp;

use crate::node::{Item, Node, START, community, member, reader, tlp, to_community};

fn item(author: u8, draft: &Draft, version: i64) -> Item {
    let item = Item::new(author, to_community(1), tlp(Tlp::Green), &draft.subject, version).body(&draft.body);
    Item { kind: draft.kind, ..item }
}

fn members(node: &Node) -> Vec<MemberId> {
    node.read(|read| query::community(read, community(1)))
        .unwrap()
        .unwrap()
        .members
        .into_iter()
        .map(|(member, _)| member)
        .collect()
}

fn skipped(node: &Node) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    node.read(|read| {
        read.query("SELECT seq, code FROM exchange_skipped ORDER BY seq", &[], &mut |row| {
            all.push((row.int(0)?, row.text(1)?.to_owned()));
            Ok(ledger::sql::Flow::Continue)
        })
    })
    .unwrap();
    all
}

#[test]
fn the_newest_version_counts_whenever_it_comes() {
    let mut node = Node::new();
    let one = new_community(community(1), "makers", [member(1)].into(), "").unwrap();
    let two = with_member(&one.body, member(2)).unwrap();
    node.append(&[item(1, &two, START + 1)]);
    node.append(&[item(1, &one, START)]);
    assert_eq!(members(&node), [member(1), member(2)]);
    let document = node.read(|read| query::community_document(read, community(1))).unwrap();
    assert_eq!(document, Some(two.body));
    let all = node.read(query::communities).unwrap();
    assert_eq!((all.len(), all[0].name.as_str(), all[0].author), (1, "makers", member(1)));
    // Its collection is there before anything stands in it, by name for its members.
    let collection = node.collection(&reader(2, Tlp::Green, &[1]), &to_community(1)).unwrap();
    assert_eq!((collection.title.as_str(), collection.created), ("makers", node.time(1)));
    assert!(node.collection(&reader(3, Tlp::Green, &[]), &to_community(1)).is_err());
}

#[test]
fn nobody_else_changes_a_community() {
    let mut node = Node::new();
    let one = new_community(community(1), "makers", [member(1)].into(), "").unwrap();
    let taken = with_member(&one.body, member(9)).unwrap();
    node.append(&[item(1, &one, START), item(9, &taken, START + 5)]);
    assert_eq!(members(&node), [member(1)]);
    assert_eq!(skipped(&node), [(2, "community-author-differs".to_owned())]);
}

#[test]
fn what_cannot_be_used_is_skipped_with_a_code() {
    let mut node = Node::new();
    let good = new_community(community(1), "makers", [member(1)].into(), "").unwrap();
    let other = new_community(community(2), "makers", [member(1)].into(), "").unwrap();
    let broken = Draft { body: b"{".to_vec(), ..good.clone() };
    let misnamed = Draft { body: other.body.clone(), ..good.clone() };
    let unnamed = Draft { subject: "x-polder-community--1".into(), ..good.clone() };
    node.append(&[
        item(1, &broken, START),
        item(1, &misnamed, START),
        item(1, &unnamed, START),
        item(1, &good, START),
    ]);
    let codes: Vec<String> = skipped(&node).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["community-json", "community-id-differs", "community-subject"]);
    assert_eq!(members(&node), [member(1)]);
}

#[test]
fn an_erased_newest_version_leaves_no_members() {
    let mut node = Node::new();
    let one = new_community(community(1), "makers", [member(1)].into(), "").unwrap();
    let two = with_member(&one.body, member(2)).unwrap();
    node.append(&[item(1, &one, START), item(1, &two, START + 1)]);
    node.erase(2);
    assert_eq!(members(&node), [], "an older list does not come back");
    node.append(&[item(1, &one, START + 2)]);
    assert_eq!(members(&node), [member(1)]);
}

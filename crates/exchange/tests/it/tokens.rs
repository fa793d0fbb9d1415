// SPDX-License-Identifier: Apache-2.0
//! Tokens over a store.

use exchange::token::{IssueError, Order, authenticate, issue, list, reader, revoke};
use model::marking::Tlp;
use model::time::Timestamp;

use crate::node::{Item, Node, START, community, member, tlp, to_community};

const KEY: [u8; 32] = [3; 32];

fn order(name: &str, of: u8, ceiling: Option<Tlp>) -> Order<'_> {
    Order { name, member: member(of), own: member(1), ceiling, person: None }
}

fn new_token(node: &Node, order: &Order<'_>, n: u8) -> Result<String, IssueError> {
    node.store
        .local(|tx| issue(tx, &KEY, order, [n; 6], [n; 32], Timestamp::from_micros(START + i64::from(n))))
}

#[test]
fn a_token_is_who_it_was_issued_for() {
    let node = Node::new();
    let text = new_token(&node, &order("hunt", 1, None), 1).unwrap();
    assert_eq!((text.len(), &text[..20]), (63, "polder_010101010101_"));
    let credential = node.store.read(|read| authenticate(read, &KEY, &text)).unwrap().unwrap();
    assert_eq!((credential.name.as_str(), credential.member), ("hunt", member(1)));
    assert_eq!(credential.ceiling, Tlp::AmberStrict, "the own organisation's default");
    let other = new_token(&node, &order("peer", 2, None), 2).unwrap();
    let credential = node.store.read(|read| authenticate(read, &KEY, &other)).unwrap().unwrap();
    assert_eq!(credential.ceiling, Tlp::Green, "another organisation's default");
    let nobody = |text: &str| node.store.read(|read| authenticate(read, &KEY, text)).unwrap().is_none();
    let mut wrong = text.clone();
    wrong.replace_range(30..31, if &text[30..31] == "A" { "B" } else { "A" });
    assert!(nobody(&wrong), "another secret");
    assert!(nobody(&text.replacen("0101", "0909", 1)), "another id");
    assert!(nobody(&format!("polder_020202020202_{}", &text[20..])), "another token's id");
    assert!(nobody("") && nobody("polder_") && nobody(&text[..62]));
    let other_key = node.store.read(|read| authenticate(read, &[4; 32], &text)).unwrap();
    assert!(other_key.is_none(), "another node's key");
}

#[test]
fn a_token_row_holds_no_secret() {
    let node = Node::new();
    let text = new_token(&node, &order("hunt", 1, None), 1).unwrap();
    let mut mac = Vec::new();
    node.read(|read| {
        read.query("SELECT mac FROM tokens", &[], &mut |row| {
            mac = row.blob(0)?.to_vec();
            Ok(ledger::sql::Flow::Stop)
        })
    })
    .unwrap();
    assert_eq!(mac.len(), 32);
    assert_ne!(mac, [1; 32]);
    assert!(!format!("{:?}", node.store.read(list).unwrap()).contains(&text[20..]));
}

#[test]
fn ceilings_names_and_ids_are_guarded() {
    let node = Node::new();
    assert!(matches!(new_token(&node, &order("r", 1, Some(Tlp::Red)), 1), Err(IssueError::Red)));
    assert!(matches!(new_token(&node, &order("", 1, None), 1), Err(IssueError::Name)));
    assert!(matches!(new_token(&node, &order("a\nb", 1, None), 1), Err(IssueError::Name)));
    assert!(new_token(&node, &order(&"n".repeat(200), 1, None), 7).is_ok());
    assert!(matches!(new_token(&node, &order(&"n".repeat(201), 1, None), 8), Err(IssueError::Name)));
    new_token(&node, &order("a", 1, Some(Tlp::Clear)), 1).unwrap();
    let again = new_token(&node, &order("a", 2, None), 2).unwrap_err();
    assert!(again.to_string().contains("revoke it first"), "{again}");
    assert!(matches!(new_token(&node, &order("b", 1, None), 1), Err(IssueError::IdTaken(_))));
}

#[test]
fn a_revoked_token_is_nobody_and_its_name_is_free() {
    let node = Node::new();
    let text = new_token(&node, &order("a", 1, None), 1).unwrap();
    let now = Timestamp::from_micros(START + 50);
    let revoked = node.store.local(|tx| revoke(tx, "a", now)).unwrap().unwrap();
    assert_eq!(revoked.revoked, Some(now));
    assert!(node.store.read(|read| authenticate(read, &KEY, &text)).unwrap().is_none());
    assert_eq!(node.store.local(|tx| revoke(tx, "a", now)).unwrap(), None, "only once");
    new_token(&node, &order("a", 1, None), 2).unwrap();
    let all = node.store.read(list).unwrap();
    assert_eq!(
        all.iter().map(|t| (t.name.as_str(), t.revoked.is_some())).collect::<Vec<_>>(),
        [("a", true), ("a", false)]
    );
    assert!(node.store.local(|tx| revoke(tx, "020202020202", now)).unwrap().is_some(), "by id");
}

#[test]
fn a_reader_is_in_the_communities_of_its_member() {
    let mut node = Node::new();
    let draft =
        exchange::command::new_community(community(1), "makers", [member(1), member(2)].into(), "").unwrap();
    let mut item = Item::new(1, to_community(1), tlp(Tlp::Green), &draft.subject, START).body(&draft.body);
    item.kind = draft.kind;
    node.append(&[item]);
    for (of, communities) in [(1, vec![community(1)]), (2, vec![community(1)]), (3, vec![])] {
        let text = new_token(&node, &order(&format!("t{of}"), of, Some(Tlp::Amber)), of).unwrap();
        let credential = node.store.read(|read| authenticate(read, &KEY, &text)).unwrap().unwrap();
        let reader = node.store.read(|read| reader(read, &credential)).unwrap();
        assert_eq!(reader.communities.into_iter().collect::<Vec<_>>(), communities);
        assert_eq!((reader.member, reader.ceiling, reader.person), (member(of), Tlp::Amber, None));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Pages by example; the reference model of `model_of_pages` covers the rest.

use exchange::limits::{AUDIENCES_PER_READER_MAX, PAGE_BYTES_MAX, RANGES_FEW_MAX};
use exchange::query::{self, Gate, ObjectsPage, Permitted, QueryError, Way};
use model::head::Audience;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use policy::Reader;

use crate::node::{Item, Node, START, community, id, member, reader, tlp, to_community, wish};

fn objects(node: &Node, reader: &Reader, audience: &Audience, pairs: &[(&str, &str)]) -> ObjectsPage {
    node.ask(reader, audience, |read, question| query::objects(read, question, &wish(pairs))).unwrap()
}

fn text(page: &ObjectsPage) -> String {
    String::from_utf8(page.pieces.concat()).unwrap()
}

/// Five labels, unmarked and unknown, one object each, by member 1 for community 1.
fn five_labels() -> Node {
    let mut node = Node::new();
    let unknown = Marking { unknown: true, ..Marking::tlp(Tlp::Clear) };
    let markings: Vec<Marking> = Tlp::ALL.into_iter().map(tlp).chain([Marking::NONE, unknown]).collect();
    let items: Vec<Item> = markings
        .into_iter()
        .enumerate()
        .map(|(n, marking)| Item::new(1, to_community(1), marking, &id("indicator", n as u8), START))
        .collect();
    node.append(&items);
    node
}

#[test]
fn each_reader_is_given_what_the_gate_releases_and_nothing_tells_of_the_rest() {
    let node = five_labels();
    // CLEAR 1, GREEN 2, AMBER 3, AMBER+STRICT 4, RED 5, unmarked 6, unknown 7.
    for (reader, seqs) in [
        (reader(1, Tlp::AmberStrict, &[1]), vec![1, 2, 3, 4, 6, 7]),
        (reader(1, Tlp::Green, &[1]), vec![1, 2, 7]),
        (reader(2, Tlp::AmberStrict, &[1]), vec![1, 2, 3, 4]),
        (reader(2, Tlp::Green, &[1]), vec![1, 2]),
        (reader(2, Tlp::Clear, &[1]), vec![1]),
        (reader(3, Tlp::AmberStrict, &[]), vec![1]),
        (reader(3, Tlp::AmberStrict, &[2]), vec![1]),
    ] {
        let page = objects(&node, &reader, &to_community(1), &[]);
        assert_eq!(page.count, seqs.len());
        let times = (node.time(seqs[0]), node.time(*seqs.last().unwrap()));
        assert_eq!((page.added_first, page.added_last), times, "headers are made of what is shown");
        assert_eq!(page.next, None);
        let manifest = node.ask(&reader, &to_community(1), |r, q| query::manifest(r, q, &wish(&[]))).unwrap();
        let listed: Vec<_> = manifest.entries.iter().map(|entry| entry.added).collect();
        assert_eq!(listed, seqs.iter().map(|seq| node.time(*seq)).collect::<Vec<_>>());
        // One at a time: the last page says that it is the last, whatever hidden objects follow.
        let page = objects(&node, &reader, &to_community(1), &[("limit", &seqs.len().to_string())]);
        assert_eq!(page.next, None);
    }
}

#[test]
fn bodies_leave_as_they_came_with_their_markings_beside_them() {
    let mut node = Node::new();
    let odd = b"{ \"b\" : 1.00,\t\"a\":\"\\u0041\" }";
    let item = |n, marking| Item::new(1, to_community(1), marking, &id("tool", n), START);
    node.append(&[
        item(1, tlp(Tlp::Green)).body(odd),
        item(2, tlp(Tlp::Green)).body(b"{}"),
        item(3, Marking::NONE),
    ]);
    let page = objects(&node, &reader(1, Tlp::AmberStrict, &[1]), &to_community(1), &[]);
    let expected = [odd.as_slice(), b",{},", &node.kept[2].item.body].concat();
    assert_eq!(page.pieces.concat(), expected);
    let runs: Vec<_> = page.runs.iter().map(|run| (run.marking.label(), run.first, run.last)).collect();
    assert_eq!(runs, [(Tlp::Green, 0, 1), (Tlp::AmberStrict, 2, 2)]);
}

#[test]
fn headers_of_an_empty_page() {
    let mut node = five_labels();
    let stranger = reader(3, Tlp::AmberStrict, &[]);
    let empty = |node: &Node, pairs: &[(&str, &str)]| {
        let page = objects(node, &stranger, &to_community(1), pairs);
        assert_eq!((page.count, page.next.as_deref()), (0, None));
        assert_eq!(page.added_first, page.added_last);
        page.added_first
    };
    let after = "2030-01-01T00:00:00Z";
    assert_eq!(empty(&node, &[("added_after", after)]), Timestamp::parse(after).unwrap());
    let visible = node.time(1);
    assert_eq!(empty(&node, &[("match[type]", "malware")]), visible, "not that of what is hidden");
    // A second record of the same version is never served to him; its time is nobody's business.
    node.append(&[Item::new(2, to_community(1), tlp(Tlp::Clear), &id("indicator", 0), START)]);
    assert_eq!(empty(&node, &[("match[type]", "malware")]), visible);
    let member = reader(9, Tlp::Green, &[7]);
    assert!(matches!(node.collection(&member, &to_community(7)), Err(QueryError::NotFound)));
    let own = objects(&node, &member, &Audience::Organisation(member.member), &[]);
    assert_eq!((own.count, own.added_last), (0, Timestamp::EPOCH));
}

#[test]
fn an_empty_page_tells_no_time_of_a_hidden_record() {
    use exchange::command::new_community;
    let mut node = Node::new();
    let hidden = |audience: Audience, n| Item::new(1, audience, tlp(Tlp::AmberStrict), &id("tool", n), START);
    let own = Audience::Organisation(member(2));
    node.append(&[hidden(own.clone(), 1), hidden(to_community(7), 2), hidden(to_community(8), 3)]);
    let green = reader(2, Tlp::Green, &[7, 8]);
    for audience in [&own, &to_community(7), &to_community(8)] {
        let page = objects(&node, &green, audience, &[]);
        assert_eq!((page.count, page.added_first, page.added_last), (0, Timestamp::EPOCH, Timestamp::EPOCH));
        assert_eq!(node.collection(&green, audience).unwrap().created, Timestamp::EPOCH);
    }
    // A community is as old as its first document, whatever came into it before and after.
    let made = new_community(community(8), "ring", [member(1), member(2)].into(), "").unwrap();
    let document = Item::new(1, to_community(8), tlp(Tlp::Green), &made.subject, START).body(&made.body);
    node.append(&[Item { kind: made.kind, ..document }]);
    node.append(&[hidden(to_community(8), 4)]);
    assert_eq!(objects(&node, &green, &to_community(8), &[]).added_last, node.time(4));
    let permitted = node.permitted(&green);
    let all = node.read(|read| query::collections(read, &permitted)).unwrap();
    let listed: Vec<_> = all.into_iter().map(|collection| collection.audience).collect();
    assert_eq!(listed, [own, to_community(7), to_community(8)], "in an order that tells nothing hidden");
}

#[test]
fn collections_that_may_not_be_opened_are_not_there() {
    let mut node = five_labels();
    node.append(&[
        Item::new(1, Audience::Organisation(member(1)), tlp(Tlp::Clear), &id("tool", 1), START),
        Item::new(1, to_community(2), tlp(Tlp::Green), &id("tool", 2), START),
    ]);
    let titles = |reader: &Reader| {
        let permitted = node.permitted(reader);
        let all = node.read(|read| query::collections(read, &permitted)).unwrap();
        all.into_iter().map(|c| c.title).collect::<Vec<_>>()
    };
    assert_eq!(titles(&reader(1, Tlp::Green, &[])), ["Own records", "Released records", "Released records"]);
    assert_eq!(titles(&reader(2, Tlp::Green, &[2])), ["Own records", "Released records", "Community"]);
    assert_eq!(titles(&reader(3, Tlp::Green, &[])), ["Own records", "Released records"]);
    let stranger = reader(3, Tlp::AmberStrict, &[]);
    for hidden in [Audience::Organisation(member(1)), to_community(2), to_community(99)] {
        assert!(matches!(node.collection(&stranger, &hidden), Err(QueryError::NotFound)));
    }
    let permitted = node.permitted(&stranger);
    for odd in ["", "x", &community(1).0.simple().to_string(), &format!("{{{}}}", community(1))] {
        let found = node.read(|read| query::collection(read, &permitted, odd));
        assert!(matches!(found, Err(QueryError::NotFound)), "{odd}");
    }
}

#[test]
fn one_object_and_its_versions() {
    let mut node = Node::new();
    let name = id("malware", 1);
    let at = |version, marking| Item::new(1, to_community(1), marking, &name, version);
    node.append(&[
        at(START, tlp(Tlp::Green)),
        at(START + 2_000, tlp(Tlp::Amber)),
        at(START + 1_000, tlp(Tlp::Green)),
        Item::new(1, to_community(1), tlp(Tlp::Amber), &id("malware", 2), START),
    ]);
    let versions = |reader: &Reader, name: &str| {
        node.ask(reader, &to_community(1), |r, q| query::versions(r, q, name, &wish(&[])))
            .map(|page| page.versions.iter().map(|v| v.micros() - START).collect::<Vec<_>>())
    };
    let (amber, green) = (reader(2, Tlp::Amber, &[1]), reader(2, Tlp::Green, &[1]));
    assert_eq!(versions(&amber, &name).unwrap(), [0, 2_000, 1_000], "in the order of arrival");
    assert_eq!(versions(&green, &name).unwrap(), [0, 1_000]);
    assert!(matches!(versions(&green, &id("malware", 2)), Err(QueryError::NotFound)), "hidden is absent");
    assert!(matches!(versions(&green, &id("malware", 3)), Err(QueryError::NotFound)));
    let object = |reader: &Reader, name: &str, pairs: &[(&str, &str)]| {
        node.ask(reader, &to_community(1), |r, q| query::object(r, q, name, &wish(pairs)))
            .map(|page| page.count)
    };
    assert_eq!(object(&green, &name, &[]).unwrap(), 1);
    assert_eq!(object(&green, &name, &[("match[version]", "all")]).unwrap(), 2);
    assert_eq!(
        object(&green, &name, &[("match[version]", "1999-01-01T00:00:00Z")]).unwrap(),
        0,
        "there, but not so"
    );
    assert!(matches!(object(&green, &id("malware", 2), &[]), Err(QueryError::NotFound)));
    // The newest version is hidden from this reader, so his newest is another.
    let page = objects(&node, &green, &to_community(1), &[]);
    assert_eq!(text(&page), String::from_utf8(node.kept[2].item.body.clone()).unwrap());
    assert_eq!(objects(&node, &green, &to_community(1), &[("limit", "1")]).next, None);
}

#[test]
fn a_page_ends_at_its_bytes_and_goes_on_behind_them() {
    let mut node = Node::new();
    let third = vec![b' '; PAGE_BYTES_MAX / 3 + 1];
    let item = |n| Item::new(1, to_community(1), tlp(Tlp::Green), &id("tool", n), START).body(&third);
    node.append(&[item(1), item(2), item(3), item(4)]);
    let reader = reader(1, Tlp::Green, &[1]);
    let first = objects(&node, &reader, &to_community(1), &[]);
    assert_eq!(first.count, 2, "there is no room for a third");
    assert_eq!(first.added_last, node.time(2));
    let second = objects(&node, &reader, &to_community(1), &[("next", first.next.as_deref().unwrap())]);
    assert_eq!((second.count, second.next), (2, None));
}

#[test]
fn a_reader_who_sees_little_is_served_by_the_merge() {
    let mut node = Node::new();
    // Far more hidden rows than visible ones, three permitted audiences among them.
    let hidden: Vec<Item> = (0..5_000)
        .map(|n| Item::new(1, to_community(1), tlp(Tlp::Red), &format!("x-a--{n}"), START))
        .collect();
    let seen = |author, marking, n| Item::new(author, to_community(1), tlp(marking), &id("tool", n), START);
    node.append(&[seen(1, Tlp::Clear, 1)]);
    node.append(&hidden);
    let rest: Vec<Item> = (2..200).map(|n| seen(1 + n % 3, Tlp::ALL[usize::from(n % 2)], n)).collect();
    node.append(&rest);
    let reader = reader(2, Tlp::Green, &[1]);
    let expected: Vec<String> = node
        .kept
        .iter()
        .filter(|kept| kept.item.marking != tlp(Tlp::Red))
        .map(|kept| String::from_utf8(kept.item.body.clone()).unwrap())
        .collect();
    for limit in ["1", "7", "64", "198", "199", "200"] {
        let (mut all, mut next) = (Vec::new(), None::<String>);
        loop {
            let mut pairs = vec![("limit", limit)];
            pairs.extend(next.as_deref().map(|next| ("next", next)));
            let page = objects(&node, &reader, &to_community(1), &pairs);
            assert!(page.count > 0);
            all.push(text(&page));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(all.join(","), expected.join(","), "limit {limit}");
    }
}

#[test]
fn cursors_are_for_their_reader_and_filters() {
    let node = five_labels();
    let (one, two) = (reader(1, Tlp::AmberStrict, &[1]), reader(2, Tlp::AmberStrict, &[1]));
    let next = objects(&node, &one, &to_community(1), &[("limit", "1")]).next.unwrap();
    let ask = |reader: &Reader, pairs: &[(&str, &str)]| {
        node.ask(reader, &to_community(1), |r, q| query::objects(r, q, &wish(pairs))).map(|page| page.count)
    };
    assert_eq!(ask(&one, &[("next", &next)]).unwrap(), 5);
    assert_eq!(ask(&one, &[("next", &next), ("limit", "2")]).unwrap(), 2, "the limit may change");
    let late = node.time(3).to_string();
    assert_eq!(ask(&one, &[("next", &next), ("added_after", &late)]).unwrap(), 3, "the later of both counts");
    let early = "1999-01-01T00:00:00Z";
    assert_eq!(ask(&one, &[("next", &next), ("added_after", early)]).unwrap(), 5);
    assert!(matches!(ask(&two, &[("next", &next)]), Err(QueryError::Cursor(_))));
    assert!(matches!(ask(&one, &[("next", &next), ("match[type]", "tool")]), Err(QueryError::Cursor(_))));
    assert!(matches!(ask(&one, &[("next", "AQAA")]), Err(QueryError::Cursor(_))));
}

#[test]
fn added_after_is_exclusive_to_the_microsecond() {
    let node = five_labels();
    let one = reader(1, Tlp::AmberStrict, &[1]);
    for seq in 1..=7i64 {
        let later = [1, 2, 3, 4, 6, 7].into_iter().filter(|s| *s > seq).count();
        let count = |micros: i64| {
            let after = Timestamp::from_micros(node.time(seq).micros() + micros).to_string();
            objects(&node, &one, &to_community(1), &[("added_after", &after)]).count
        };
        assert_eq!(count(0), later, "strictly later than {seq}");
        assert_eq!(count(-1), later + usize::from(seq != 5));
    }
}

/// More permitted audiences than are merged in any case, scattered among hidden records; a few types.
fn many_audiences(authors: u32) -> Node {
    let mut node = Node::new();
    let items: Vec<Item> = (0..6 * authors)
        .map(|n| {
            let marking = if n % 3 == 0 { Tlp::Green } else { Tlp::Red };
            let kind = ["tool", "malware", "x-a"][(n / 3 % 7 % 3) as usize];
            let id = format!("{kind}--{}", uuid::Uuid::from_u128(u128::from(n)));
            let mut author = [0; 32];
            author[..4].copy_from_slice(&(n % authors).to_be_bytes());
            let item = Item::new(1, to_community(1), tlp(marking), &id, START);
            Item { author: model::id::MemberId(author), ..item }
        })
        .collect();
    node.append(&items);
    node
}

#[test]
fn every_way_through_many_audiences_finds_the_same() {
    let node = many_audiences(3 * RANGES_FEW_MAX as u32 + 2);
    let reader = reader(2, Tlp::Green, &[1]);
    let permitted = node.permitted(&reader);
    let collection = node.collection(&reader, &to_community(1)).unwrap();
    for pairs in [&[][..], &[("match[type]", "tool")], &[("match[type]", "tool,x-a,malware")]] {
        for limit in ["7", "100", "10000"] {
            let read_all = |way| {
                let permitted = permitted.clone().by(way);
                let question = query::Question {
                    permitted: &permitted,
                    collection: &collection,
                    credential: "r",
                    cursor_key: &crate::node::CURSOR_KEY,
                };
                let (mut all, mut next) = (Vec::new(), None::<String>);
                loop {
                    let mut pairs = [pairs, &[("limit", limit)]].concat();
                    pairs.extend(next.as_deref().map(|next| ("next", next)));
                    let page = node.read(|read| query::objects(read, &question, &wish(&pairs))).unwrap();
                    all.push(page.pieces.concat());
                    next = page.next;
                    if next.is_none() {
                        return all;
                    }
                }
            };
            let walked = read_all(Way::Order);
            assert_eq!(walked, read_all(Way::Ranges), "{pairs:?} {limit}");
            assert_eq!(walked, read_all(Way::Cheapest), "{pairs:?} {limit}");
        }
    }
}

#[test]
fn the_newest_of_many_audiences_dates_an_empty_page() {
    let mut node = many_audiences(3 * RANGES_FEW_MAX as u32 + 2);
    let reader = reader(2, Tlp::Green, &[1]);
    let dates =
        |node: &Node| objects(node, &reader, &to_community(1), &[("match[type]", "campaign")]).added_last;
    let newest = |node: &Node| node.kept.iter().rfind(|k| k.item.marking == tlp(Tlp::Green)).unwrap().seq;
    assert_eq!(dates(&node), node.time(newest(&node)));
    // Behind more hidden records than one step back passes.
    let hidden: Vec<Item> = (0..1_500)
        .map(|n| Item::new(1, to_community(1), tlp(Tlp::Red), &format!("x-a--{n}"), START))
        .collect();
    node.append(&hidden);
    assert_eq!(dates(&node), node.time(newest(&node)));
}

#[test]
fn kept_verdicts_are_those_that_would_be_asked_anew() {
    let mut node = five_labels();
    let gate = Gate::default();
    let rows = |permitted: &Permitted| format!("{permitted:?}");
    let ask = |node: &Node, reader: &Reader| {
        let kept = node.read(|read| gate.ask(read, reader)).unwrap();
        assert_eq!(rows(&kept), rows(&node.permitted(reader)));
        rows(&kept)
    };
    let (member, left) = (reader(2, Tlp::Green, &[1]), reader(2, Tlp::Green, &[]));
    let before = ask(&node, &member);
    assert_eq!(ask(&node, &member), before, "from memory");
    assert_ne!(ask(&node, &left), before, "who left the community is asked about anew");
    // A new audience counts with the very next request, whoever had asked before.
    node.append(&[Item::new(3, to_community(1), tlp(Tlp::Green), &id("tool", 9), START)]);
    assert_ne!(ask(&node, &member), before);
    node.append(&[Item::new(4, to_community(1), tlp(Tlp::Red), &id("tool", 8), START)]);
    let with_hidden = ask(&node, &member);
    for n in 0..200 {
        ask(&node, &reader(n, Tlp::Amber, &[1]));
    }
    assert_eq!(ask(&node, &member), with_hidden, "asked again after others took the room");
}

#[test]
fn verdicts_about_rows_that_a_transaction_does_not_see_are_not_used_in_it() {
    let (mut newer, older) = (five_labels(), five_labels());
    let (gate, member) = (Gate::default(), reader(2, Tlp::Green, &[1]));
    newer.append(&[Item::new(3, to_community(1), tlp(Tlp::Green), &id("tool", 9), START)]);
    newer.read(|read| gate.ask(read, &member)).unwrap();
    let seen = older.read(|read| gate.ask(read, &member)).unwrap();
    assert_eq!(format!("{seen:?}"), format!("{:?}", older.permitted(&member)));
}

/// A fail-over or a point-in-time restore under a running node: the same numbers, other rows.
#[test]
fn verdicts_of_a_history_that_went_back_are_not_used() {
    let (mut before, mut after) = (five_labels(), five_labels());
    let (gate, member) = (Gate::default(), reader(2, Tlp::Green, &[1]));
    let tool = |author, label, n| Item::new(author, to_community(1), tlp(label), &id("tool", n), START);
    before.append(&[tool(3, Tlp::Green, 9), tool(4, Tlp::Green, 8)]);
    after.wait();
    // The newest row of `audiences` is the same, the one before it is not.
    after.append(&[tool(3, Tlp::Red, 9), tool(4, Tlp::Green, 8)]);
    let known = before.read(|read| gate.ask(read, &member)).unwrap();
    assert_eq!(format!("{known:?}"), format!("{:?}", before.permitted(&member)));
    let seen = after.read(|read| gate.ask(read, &member)).unwrap();
    assert_eq!(format!("{seen:?}"), format!("{:?}", after.permitted(&member)));
    // Also where the other history is longer already.
    after.append(&[tool(5, Tlp::Green, 7)]);
    before.read(|read| gate.ask(read, &member)).unwrap();
    let seen = after.read(|read| gate.ask(read, &member)).unwrap();
    assert_eq!(format!("{seen:?}"), format!("{:?}", after.permitted(&member)));
}

/// A restored backup holds fewer records than the node that gave the cursor.
#[test]
fn a_cursor_beyond_the_newest_record_is_refused() {
    let (mut lost, restored) = (five_labels(), five_labels());
    let item = |n| Item::new(1, to_community(1), tlp(Tlp::Green), &id("tool", n), START);
    lost.append(&[item(1), item(2), item(3)]);
    let one = reader(1, Tlp::AmberStrict, &[1]);
    let next = objects(&lost, &one, &to_community(1), &[("limit", "7")]).next.unwrap();
    let ask = |node: &Node| {
        node.ask(&one, &to_community(1), |r, q| query::objects(r, q, &wish(&[("next", &next)])))
            .map(|page| page.count)
    };
    assert_eq!(ask(&lost).unwrap(), 2);
    assert!(matches!(ask(&restored), Err(QueryError::Cursor(_))));
}

#[test]
fn a_reader_of_too_many_audiences_is_refused() {
    use model::id::CommunityId;
    let mut node = Node::new();
    let audience = |n: usize| {
        let id = uuid::Builder::from_random_bytes((n as u128).to_be_bytes()).into_uuid();
        Audience::Community(CommunityId(id))
    };
    let item = |n: usize| Item::new(1, audience(n), tlp(Tlp::Clear), &format!("x-a--{n}"), START);
    let clear: Vec<Item> = (0..AUDIENCES_PER_READER_MAX).map(item).collect();
    node.append(&clear);
    // What other organisations keep for themselves does not count: nobody else may open it.
    node.append(&[Item::new(9, Audience::Organisation(member(9)), tlp(Tlp::Clear), &id("tool", 1), START)]);
    let stranger = reader(3, Tlp::Clear, &[]);
    let ask = |node: &Node| node.read(|read| Permitted::ask(read, &stranger)).map(|_| ());
    assert!(ask(&node).is_ok());
    node.append(&[item(AUDIENCES_PER_READER_MAX)]);
    assert!(matches!(ask(&node), Err(QueryError::TooManyAudiences)));
    let gate = Gate::default();
    assert!(node.read(|read| gate.ask(read, &stranger)).is_err());
}

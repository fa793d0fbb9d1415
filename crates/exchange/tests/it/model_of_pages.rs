// SPDX-License-Identifier: Apache-2.0
//! Pages against a model that computes them from all records, without an index, a cursor or a flag.

use std::collections::{BTreeMap, BTreeSet};

use exchange::filter::{Filters, Spec, Versions, Wish};
use exchange::query::{self, QueryError, Way};
use model::head::Audience;
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use policy::{Exit, Reader, may_open, release};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::node::{Item, Kept, Node, START, id, member, reader, to_community};

#[derive(Clone, Debug)]
pub enum Step {
    Append(Vec<Item>),
    /// Erases one of the records that are there.
    Erase(usize),
}

pub fn audiences() -> Vec<Audience> {
    vec![
        to_community(1),
        to_community(2),
        Audience::Organisation(member(1)),
        Audience::Organisation(member(2)),
    ]
}

fn ids() -> Vec<String> {
    let mut ids: Vec<String> = (1..5).map(|n| id("indicator", n)).collect();
    ids.extend((1..4).map(|n| id("ipv4-addr", n)));
    ids.extend([id("x-acme", 1), "indicator--ODD".to_owned(), id("x-zeta", 1)]);
    ids
}

fn markings() -> Vec<Marking> {
    let unknown = Marking { unknown: true, ..Marking::tlp(Tlp::Green) };
    Tlp::ALL.into_iter().map(Marking::tlp).chain([Marking::NONE, unknown]).collect()
}

fn item() -> impl Strategy<Value = Item> {
    (1u8..4, select(audiences()), select(markings()), select(ids()), 0i64..4, prop::bool::weighted(0.15))
        .prop_map(|(author, audience, marking, id, version, old)| {
            let version = if id.starts_with("ipv4") { 0 } else { START + version * 1_000 };
            let item = Item::new(author, audience, marking, &id, version);
            if old { item.spec_20() } else { item }
        })
}

/// Histories of records in batches, some erased later.
pub fn steps(records: usize) -> impl Strategy<Value = Vec<Step>> {
    let append = vec(item(), 1..12).prop_map(Step::Append);
    let erase = any::<usize>().prop_map(Step::Erase);
    vec(prop_oneof![6 => append, 1 => erase], 1..records / 6)
}

pub fn readers() -> impl Strategy<Value = Reader> {
    let communities = btree_set(1u8..3, 0..=2);
    (1u8..5, select(Tlp::ALL[..4].to_vec()), communities).prop_map(|(n, ceiling, communities)| {
        reader(n, ceiling, &communities.into_iter().collect::<Vec<_>>())
    })
}

fn filters() -> impl Strategy<Value = Filters> {
    // Version 0 is that of observables, which have no other.
    let time = prop_oneof![
        4 => (0i64..4).prop_map(|n| Timestamp::from_micros(START + n * 1_000)),
        1 => Just(Timestamp::EPOCH),
    ];
    let times = btree_set(time, 0..3);
    let versions = prop_oneof![
        3 => Just(Versions::last()),
        1 => Just(Versions::All),
        2 => (any::<bool>(), any::<bool>(), times).prop_map(|(first, last, times)| Versions::These { first, last, times }),
    ];
    let types = ["indicator", "ipv4-addr", "x-acme", "malware"].map(str::to_owned).to_vec();
    (
        option::weighted(0.2, btree_set(select(ids()), 1..4)),
        option::weighted(0.3, btree_set(select(types), 1..3)),
        versions,
        option::weighted(0.3, btree_set(select(vec![Spec::Stix20, Spec::Stix21]), 0..3)),
    )
        .prop_map(|(ids, types, versions, specs)| Filters { ids, types, versions, specs })
}

fn spec(kept: &Kept) -> Spec {
    if kept.item.kind == Kind::STIX_20 { Spec::Stix20 } else { Spec::Stix21 }
}

/// What the reader may see of a collection at all.
pub fn visible<'n>(kept: &'n [Kept], reader: &Reader, audience: &Audience) -> Vec<&'n Kept> {
    let released = |kept: &&Kept| release(&kept.item.head(), reader, Exit::Taxii).is_ok();
    kept.iter().filter(|k| !k.erased && k.item.audience == *audience).filter(released).collect()
}

/// What is served of it, in order: the definition, object by object.
pub fn expected<'n>(visible: &[&'n Kept], filters: &Filters) -> Vec<&'n Kept> {
    let mut objects: BTreeMap<&str, Vec<&'n Kept>> = BTreeMap::new();
    for kept in visible {
        objects.entry(&kept.item.id).or_default().push(kept);
    }
    let mut served = Vec::new();
    for (id, records) in objects {
        let kind = id.split_once("--").unwrap().0;
        if filters.ids.as_ref().is_some_and(|ids| !ids.contains(id))
            || filters.types.as_ref().is_some_and(|types| !types.contains(kind))
        {
            continue;
        }
        let versions: BTreeSet<i64> = records.iter().map(|k| k.item.version).collect();
        let wanted: BTreeSet<i64> = match &filters.versions {
            Versions::All => versions,
            Versions::These { first, last, times } => {
                let mut wanted: BTreeSet<i64> = versions
                    .iter()
                    .filter(|v| times.contains(&Timestamp::from_micros(**v)))
                    .copied()
                    .collect();
                wanted.extend(versions.first().filter(|_| *first));
                wanted.extend(versions.last().filter(|_| *last));
                wanted
            }
        };
        let records: Vec<&Kept> = records.into_iter().filter(|k| wanted.contains(&k.item.version)).collect();
        let newest_spec = records.iter().map(|k| spec(k)).max();
        let mut taken = BTreeSet::new();
        for kept in records {
            let fits = match &filters.specs {
                Some(specs) => specs.contains(&spec(kept)),
                None => Some(spec(kept)) == newest_spec,
            };
            if fits && taken.insert((kept.item.version, spec(kept))) {
                served.push(kept);
            }
        }
    }
    served.sort_by_key(|kept| kept.seq);
    served
}

fn joined(records: &[&Kept]) -> Vec<u8> {
    records.iter().map(|k| k.item.body.as_slice()).collect::<Vec<_>>().join(&b","[..])
}

/// Reads all pages and compares each with the model's slice.
fn check_pages(node: &Node, reader: &Reader, audience: &Audience, wish: &Wish) -> Result<(), TestCaseError> {
    let seen = visible(&node.kept, reader, audience);
    let released = !seen.is_empty();
    if !may_open(audience, reader, released)
        || (!node.kept.iter().any(|k| k.item.audience == *audience)
            && *audience != Audience::Organisation(reader.member))
    {
        prop_assert!(matches!(node.collection(reader, audience), Err(QueryError::NotFound)));
        return Ok(());
    }
    let mut left: Vec<&Kept> = expected(&seen, &wish.filters);
    left.retain(|kept| wish.added_after.is_none_or(|after| kept.time > after.micros()));
    let mut left = left.as_slice();
    let mut wish = wish.clone();
    loop {
        let page = node.ask(reader, audience, |read, q| query::objects(read, q, &wish)).unwrap();
        let manifest = node.ask(reader, audience, |read, q| query::manifest(read, q, &wish)).unwrap();
        let (now, later) = left.split_at(left.len().min(wish.limit));
        prop_assert_eq!(page.pieces.concat(), joined(now));
        prop_assert_eq!(page.count, now.len());
        prop_assert_eq!(page.next.is_some(), !later.is_empty(), "more is exact");
        prop_assert_eq!(&manifest.next, &page.next);
        let listed: Vec<_> = manifest
            .entries
            .iter()
            .map(|e| (e.id.as_str(), e.version.micros(), e.added.micros(), e.spec))
            .collect();
        let modelled: Vec<_> =
            now.iter().map(|k| (k.item.id.as_str(), k.item.version, k.time, spec(k))).collect();
        prop_assert_eq!(listed, modelled);
        let marked: Vec<Marking> =
            page.runs.iter().flat_map(|run| vec![run.marking; run.last + 1 - run.first]).collect();
        prop_assert_eq!(marked, now.iter().map(|k| k.item.marking).collect::<Vec<_>>());
        let dates = (page.added_first, page.added_last);
        prop_assert_eq!(dates, (manifest.added_first, manifest.added_last));
        match (now.first(), now.last()) {
            (Some(first), Some(last)) => {
                prop_assert_eq!((dates.0.micros(), dates.1.micros()), (first.time, last.time))
            }
            _ => check_empty_dates(&seen, wish.added_after, dates)?,
        }
        left = later;
        match page.next {
            Some(next) => wish.next = Some(next),
            None => return Ok(()),
        }
    }
}

fn check_empty_dates(
    seen: &[&Kept],
    added_after: Option<Timestamp>,
    dates: (Timestamp, Timestamp),
) -> Result<(), TestCaseError> {
    let newest = expected(seen, &Filters::everything()).last().map(|kept| kept.time);
    // No community here has a document, and nothing else dates a collection.
    let time = added_after.map_or(newest.unwrap_or(0), |after| after.micros());
    prop_assert_eq!((dates.0.micros(), dates.1.micros()), (time, time));
    Ok(())
}

fn check_object(
    node: &Node,
    reader: &Reader,
    audience: &Audience,
    id: &str,
    wish: &Wish,
) -> Result<(), TestCaseError> {
    let seen: Vec<&Kept> =
        visible(&node.kept, reader, audience).into_iter().filter(|kept| kept.item.id == id).collect();
    let object = node.ask(reader, audience, |read, q| query::object(read, q, id, wish));
    let versions = node.ask(reader, audience, |read, q| query::versions(read, q, id, wish));
    if seen.is_empty() {
        prop_assert!(matches!(object, Err(QueryError::NotFound)));
        prop_assert!(matches!(versions, Err(QueryError::NotFound)));
        return Ok(());
    }
    if node.collection(reader, audience).is_err() {
        return Ok(());
    }
    let filters = Filters { ids: None, types: None, ..wish.filters.clone() };
    let all = expected(&seen, &filters);
    let after = |kept: &&&Kept| wish.added_after.is_none_or(|after| kept.time > after.micros());
    let page: Vec<&Kept> = all.iter().filter(after).take(wish.limit).copied().collect();
    prop_assert_eq!(object.unwrap().pieces.concat(), joined(&page));
    let mut listed = BTreeSet::new();
    let all = expected(&seen, &Filters { versions: Versions::All, ..filters });
    let distinct: Vec<&Kept> = all.into_iter().filter(|kept| listed.insert(kept.item.version)).collect();
    let distinct: Vec<i64> = distinct.iter().filter(after).map(|kept| kept.item.version).collect();
    let versions = versions.unwrap();
    prop_assert_eq!(versions.next.is_some(), distinct.len() > wish.limit);
    let got: Vec<i64> = versions.versions.iter().map(|v| v.micros()).collect();
    prop_assert_eq!(got, distinct.into_iter().take(wish.limit).collect::<Vec<_>>());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn pages_are_what_the_definition_says(
        steps in steps(90),
        questions in vec((readers(), select(audiences()), filters(), 1usize..8, option::of(any::<Index>()), select(ids())), 12),
    ) {
        let mut node = Node::new();
        for step in steps {
            match step {
                Step::Append(items) => { node.append(&items); }
                Step::Erase(nth) => {
                    let seqs: Vec<i64> = node.kept.iter().filter(|k| !k.erased).map(|k| k.seq).collect();
                    if let Some(seq) = seqs.get(nth % seqs.len().max(1)) {
                        node.erase(*seq);
                    }
                }
            }
        }
        for (reader, audience, filters, limit, after, id) in questions {
            let added_after = after
                .filter(|_| !node.kept.is_empty())
                .map(|index| Timestamp::from_micros(node.kept[index.index(node.kept.len())].time));
            let wish = Wish { filters, added_after, limit, next: None };
            for way in [Way::Cheapest, Way::Order, Way::Ranges] {
                node.way = way;
                check_pages(&node, &reader, &audience, &wish)?;
            }
            // One big page is the union of the small ones: both are the model's.
            check_pages(&node, &reader, &audience, &Wish { limit: 10_000, ..wish.clone() })?;
            check_object(&node, &reader, &audience, &id, &wish)?;
        }
    }
}

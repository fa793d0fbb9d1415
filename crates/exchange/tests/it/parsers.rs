// SPDX-License-Identifier: Apache-2.0
//! Parsers of outside text take anything without a panic, and what they take they print again.

use exchange::cursor::{self, Bound};
use exchange::filter::{Fields, Filters, Versions, Wish, parse_time};
use exchange::standard::community::{Community, id_of_subject};
use exchange::standard::terms::Terms;
use model::id::{CommunityId, MemberId};
use model::time::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

const NAMES: [&str; 8] = [
    "added_after",
    "limit",
    "next",
    "match[id]",
    "match[type]",
    "match[version]",
    "match[spec_version]",
    "match[odd]",
];

/// What a value of `match[version]` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    All,
    At(i64),
    Bad,
    First,
    Last,
}

const VERSION_WORDS: [(&str, Word); 12] = [
    ("first", Word::First),
    ("last", Word::Last),
    ("all", Word::All),
    ("1970-01-01T00:00:00.000Z", Word::At(0)),
    ("1970-01-01T00:00:00Z", Word::At(0)),
    ("1970-01-01t00:00:01.0z", Word::At(1)),
    ("1970-01-01T00:00:01.000000000Z", Word::At(1)),
    ("1970-01-01T00:00:02+00:00", Word::At(2)),
    ("First", Word::Bad),
    (" last", Word::Bad),
    ("", Word::Bad),
    ("1970-01-01T01:00:00+01:00", Word::Bad),
];

proptest! {
    #[test]
    fn any_query_is_a_wish_or_an_error(pairs in vec((proptest::sample::select(NAMES.to_vec()), ".{0,40}"), 0..6)) {
        for fields in [Fields::Collection, Fields::Object, Fields::Versions] {
            let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
            if let Ok(wish) = Wish::parse(pairs, fields) {
                prop_assert!((1..=exchange::limits::PAGE_OBJECTS_MAX).contains(&wish.limit));
            }
        }
    }

    #[test]
    fn times_are_read_near_their_form(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,10})?([Zz]|[+-][0-9]{2}:[0-9]{2})?") {
        if let Some(time) = parse_time(&text) {
            prop_assert_eq!(parse_time(&time.to_string()), Some(time));
        }
    }

    #[test]
    fn version_lists_mean_what_they_say(list in vec(proptest::sample::select(VERSION_WORDS.to_vec()), 1..5)) {
        let text = list.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(",");
        let parsed = Wish::parse([("match[version]", text.as_str())], Fields::Object);
        let mut words: Vec<Word> = list.iter().map(|(_, word)| *word).collect();
        words.sort_unstable();
        let twice = words.windows(2).any(|pair| pair[0] == pair[1]);
        let alone = words.contains(&Word::All) && words.len() > 1;
        if twice || alone || words.contains(&Word::Bad) {
            prop_assert!(parsed.is_err(), "{}", text);
            return Ok(());
        }
        let wanted = if words == [Word::All] {
            Versions::All
        } else {
            let times = words.iter().filter_map(|word| match word {
                Word::At(second) => Some(Timestamp::from_micros(second * 1_000_000)),
                _ => None,
            });
            Versions::These {
                first: words.contains(&Word::First),
                last: words.contains(&Word::Last),
                times: times.collect(),
            }
        };
        prop_assert_eq!(parsed.unwrap().filters.versions, wanted);
    }

    #[test]
    fn no_text_but_our_own_is_a_cursor(text in "[A-Za-z0-9_-]{0,60}", any in ".{0,60}", position in any::<i64>()) {
        let filters = Filters::default();
        let bound = Bound { collection: "c", credential: "r", filters: &filters };
        prop_assert!(cursor::parse(&[1; 32], &text, &bound).is_err());
        prop_assert!(cursor::parse(&[1; 32], &any, &bound).is_err());
        let own = cursor::print(&[1; 32], position, &bound);
        prop_assert_eq!(cursor::parse(&[1; 32], &own, &bound), Ok(position));
    }

    #[test]
    fn communities_are_printed_as_they_were_read(
        id in any::<[u8; 16]>(),
        name in "[^\\p{Cc}]{1,40}",
        terms in ".{0,60}",
        members in btree_set(any::<[u8; 32]>().prop_map(MemberId), 0..5),
        other in vec(("[a-z]{8,10}", ".{0,10}"), 0..3),
    ) {
        let other = other.into_iter().map(|(name, value)| (name, value.into())).collect();
        let id = CommunityId(uuid::Builder::from_random_bytes(id).into_uuid());
        let roles = Default::default();
        let community = Community { id, name, members, roles, terms: Terms::new(&terms), other };
        let printed = community.print().unwrap();
        prop_assert_eq!(Community::parse(&printed), Ok(community));
        prop_assert_eq!(Community::parse(&printed).unwrap().print(), Ok(printed));
    }

    #[test]
    fn any_bytes_are_a_community_or_an_error(body in vec(any::<u8>(), 0..200), subject in ".{0,60}") {
        let _ = Community::parse(&body);
        let _ = id_of_subject(&subject);
    }
}

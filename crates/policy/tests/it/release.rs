// SPDX-License-Identifier: Apache-2.0
//! Who may have a record.

use std::collections::BTreeSet;

use model::head::{Audience, Head, Person};
use model::id::{CommunityId, MemberId};
use model::kind::Kind;
use model::marking::{Marking, Pap, Tlp};
use model::uuid::Uuid;
use policy::{Exit, Grounds, Reader, Reason, may_open, release};
use proptest::prelude::*;

const OWN: MemberId = MemberId([1; 32]);
const PARTNER: MemberId = MemberId([2; 32]);
const STRANGER: MemberId = MemberId([3; 32]);

fn ring() -> CommunityId {
    CommunityId(Uuid::from_u128(7))
}

fn head(marking: Marking, audience: Audience) -> Head {
    Head { author: OWN, kind: Kind::STIX_21, marking, audience }
}

fn reader(member: MemberId, ceiling: Tlp, communities: &[CommunityId]) -> Reader {
    Reader { communities: communities.iter().copied().collect(), ..Reader::service(member, ceiling) }
}

/// The table of DESIGN section 2, for a record of OWN shared with a community.
#[test]
fn five_labels_for_three_readers() {
    let own = reader(OWN, Tlp::AmberStrict, &[ring()]);
    let member = reader(PARTNER, Tlp::AmberStrict, &[ring()]);
    let stranger = reader(STRANGER, Tlp::AmberStrict, &[]);
    for (tlp, expected) in [
        (Tlp::Clear, [true, true, true]),
        (Tlp::Green, [true, true, false]),
        (Tlp::Amber, [true, true, false]),
        (Tlp::AmberStrict, [true, true, false]),
        (Tlp::Red, [false, false, false]),
    ] {
        let head = head(Marking::tlp(tlp), Audience::Community(ring()));
        let got = [&own, &member, &stranger].map(|r| release(&head, r, Exit::Taxii).is_ok());
        assert_eq!(got, expected, "{tlp}");
    }
}

/// It was at home while nobody had marked it, and an act that makes fewer see it must not bring it out.
#[test]
fn what_nobody_marked_is_not_shown_to_the_persons_it_names_once_it_is_narrowed_to_red() {
    let person = Person::new(PARTNER, "jo").unwrap();
    let named = Reader { person: Some("jo".to_owned()), ..reader(PARTNER, Tlp::Red, &[]) };
    let mut record = head(Marking::NONE, Audience::of_persons(BTreeSet::from([person])).unwrap());
    assert_eq!(release(&record, &named, Exit::Taxii), Err(Reason::Unmarked));
    record.marking = record.marking.as_strict_as(Marking::tlp(Tlp::Red));
    assert_eq!(release(&record, &named, Exit::Taxii), Err(Reason::UnknownMarking));
    let own = Reader { member: OWN, ..named };
    assert_eq!(release(&record, &own, Exit::Taxii), Ok(Grounds::Author));
}

/// Its id is its value, so what refers to it stays where it is.
#[test]
fn what_refers_to_an_unmarked_observable_stays_at_home_with_it() {
    let marking = Marking::tlp(Tlp::Green).as_strict_as(Marking::NONE);
    let member = reader(PARTNER, Tlp::Red, &[ring()]);
    let referring = head(marking, Audience::Community(ring()));
    assert_eq!(release(&referring, &member, Exit::Taxii), Err(Reason::UnknownMarking));
}

#[test]
fn unmarked_is_never_clear() {
    let shared = head(Marking::NONE, Audience::Community(ring()));
    let member = reader(PARTNER, Tlp::AmberStrict, &[ring()]);
    assert_eq!(release(&shared, &member, Exit::Taxii), Err(Reason::Unmarked), "it stays in its organisation");
    assert_eq!(release(&shared, &reader(OWN, Tlp::AmberStrict, &[ring()]), Exit::Taxii), Ok(Grounds::Author));
    let own_only = head(Marking::NONE, Audience::Organisation(OWN));
    assert_eq!(release(&own_only, &reader(OWN, Tlp::AmberStrict, &[]), Exit::Taxii), Ok(Grounds::Author));
    assert_eq!(release(&own_only, &reader(OWN, Tlp::Amber, &[]), Exit::Taxii), Err(Reason::AboveCeiling));
    assert_eq!(
        release(&own_only, &reader(STRANGER, Tlp::AmberStrict, &[]), Exit::Taxii),
        Err(Reason::Unmarked)
    );
}

#[test]
fn what_is_not_understood_stays_with_its_author() {
    let marking = Marking { unknown: true, ..Marking::tlp(Tlp::Clear) };
    let head = head(marking, Audience::Community(ring()));
    assert_eq!(release(&head, &reader(OWN, Tlp::AmberStrict, &[ring()]), Exit::Taxii), Ok(Grounds::Author));
    assert_eq!(
        release(&head, &reader(PARTNER, Tlp::AmberStrict, &[ring()]), Exit::Taxii),
        Err(Reason::UnknownMarking)
    );
}

#[test]
fn red_goes_to_no_file_and_no_service() {
    let red = head(Marking::tlp(Tlp::Red), Audience::Organisation(OWN));
    let person = Reader { person: Some("jo".into()), ..reader(OWN, Tlp::Red, &[]) };
    assert_eq!(release(&red, &person, Exit::Taxii), Ok(Grounds::Author));
    for exit in [Exit::Export, Exit::Proof] {
        assert_eq!(release(&red, &person, exit), Err(Reason::NamedPersonsOnly));
    }
    assert_eq!(release(&red, &reader(OWN, Tlp::Red, &[]), Exit::Taxii), Err(Reason::NamedPersonsOnly));
}

#[test]
fn kinds_that_are_not_known_stay() {
    let unknown =
        Head { kind: Kind::from_code(999), ..head(Marking::tlp(Tlp::Clear), Audience::Organisation(OWN)) };
    assert_eq!(release(&unknown, &reader(OWN, Tlp::AmberStrict, &[]), Exit::Taxii), Err(Reason::KindStays));
}

#[test]
fn collections_open_for_whom_they_are() {
    let (private, shared) = (Audience::Organisation(OWN), Audience::Community(ring()));
    let stranger = reader(STRANGER, Tlp::AmberStrict, &[]);
    assert!(may_open(&private, &reader(OWN, Tlp::Green, &[]), false));
    assert!(!may_open(&private, &stranger, true), "private is private, whatever it holds");
    assert!(may_open(&shared, &reader(PARTNER, Tlp::Green, &[ring()]), false));
    assert!(may_open(&shared, &stranger, true) && !may_open(&shared, &stranger, false));
}

/// TLP 2.0: AMBER may be passed on to clients, AMBER+STRICT may not.
#[test]
fn clients_see_up_to_amber() {
    let client = Reader {
        client_of: [PARTNER].into(),
        client_communities: [ring()].into(),
        ..Reader::service(STRANGER, Tlp::AmberStrict)
    };
    let to = [
        Audience::Community(ring()),
        Audience::Organisation(PARTNER),
        Audience::Members([PARTNER, MemberId([7; 32])].into()),
    ];
    for audience in to {
        for (tlp, sees) in [(Tlp::Green, true), (Tlp::Amber, true), (Tlp::AmberStrict, false)] {
            let got = release(&head(Marking::tlp(tlp), audience.clone()), &client, Exit::Taxii);
            assert_eq!(got, if sees { Ok(Grounds::Client) } else { Err(Reason::NotARecipient) }, "{tlp}");
        }
    }
    let persons = Audience::Persons([Person::new(PARTNER, "jo").unwrap()].into());
    assert!(release(&head(Marking::tlp(Tlp::Amber), persons), &client, Exit::Taxii).is_err());
}

/// What is blocked, or looked up, by machines is seen by others (PAP).
#[test]
fn permissible_actions_bind_lists_and_look_ups() {
    let own = reader(OWN, Tlp::AmberStrict, &[]);
    for (pap, acts) in
        [(None, true), (Some(Pap::Clear), true), (Some(Pap::Green), true), (Some(Pap::Amber), false)]
    {
        let marking = Marking { pap, ..Marking::tlp(Tlp::Green) };
        let head = head(marking, Audience::Organisation(OWN));
        for exit in [Exit::BlockList, Exit::Lookup] {
            let expected = if acts { Ok(Grounds::Author) } else { Err(Reason::ActionsNotPermitted) };
            assert_eq!(release(&head, &own, exit), expected, "{pap:?}");
        }
        assert!(release(&head, &own, Exit::Taxii).is_ok());
    }
}

/// Nothing of a community reaches a member that has not accepted its terms, not even what is CLEAR: it would
/// miss behind its cursor what it could not see meanwhile.
#[test]
fn terms_come_first() {
    let reader = Reader { unaccepted: [ring()].into(), ..Reader::service(PARTNER, Tlp::AmberStrict) };
    for tlp in [Tlp::Clear, Tlp::Green] {
        let head = head(Marking::tlp(tlp), Audience::Community(ring()));
        assert_eq!(release(&head, &reader, Exit::Taxii), Err(Reason::TermsNotAccepted));
        assert!(!may_open(&head.audience, &reader, true));
        let author = Reader { member: OWN, ..reader.clone() };
        assert_eq!(release(&head, &author, Exit::Taxii), Ok(Grounds::Author));
    }
}

/// A thousand names are as good as one, and RED knows persons.
#[test]
fn named_members_and_persons() {
    let both = Audience::Members([PARTNER, STRANGER].into());
    assert_eq!(
        release(
            &head(Marking::tlp(Tlp::AmberStrict), both),
            &reader(STRANGER, Tlp::AmberStrict, &[]),
            Exit::Taxii
        ),
        Ok(Grounds::Recipient)
    );
    let jo = Audience::Persons([Person::new(PARTNER, "jo").unwrap()].into());
    let red = head(Marking::tlp(Tlp::Red), jo);
    let person = |name: &str| Reader { person: Some(name.into()), ..reader(PARTNER, Tlp::Red, &[]) };
    assert_eq!(release(&red, &person("jo"), Exit::Taxii), Ok(Grounds::Person));
    assert_eq!(release(&red, &person("al"), Exit::Taxii), Err(Reason::NamedPersonsOnly));
    assert_eq!(release(&red, &person("jo"), Exit::Export), Err(Reason::NamedPersonsOnly));
    assert_eq!(release(&red, &reader(PARTNER, Tlp::Red, &[]), Exit::Taxii), Err(Reason::NamedPersonsOnly));
}

fn any_head() -> impl Strategy<Value = Head> {
    let marking = (
        prop::option::of(prop::sample::select(Tlp::ALL.to_vec())),
        prop::option::of(prop::sample::select(vec![Pap::Clear, Pap::Green, Pap::Amber, Pap::Red])),
        any::<bool>(),
    );
    let audience = prop_oneof![
        (1u8..4).prop_map(|m| Audience::Organisation(MemberId([m; 32]))),
        (1u128..4).prop_map(|c| Audience::Community(CommunityId(Uuid::from_u128(c)))),
        (1u8..3).prop_map(|m| Audience::Members([MemberId([m; 32]), MemberId([m + 1; 32])].into())),
        (1u8..4).prop_map(|m| Audience::Persons([Person::new(MemberId([m; 32]), "jo").unwrap()].into())),
    ];
    (1u8..4, 1u16..6, marking, audience).prop_map(|(author, kind, (tlp, pap, unknown), audience)| Head {
        author: MemberId([author; 32]),
        kind: Kind::from_code(kind),
        marking: Marking { tlp, pap, unknown },
        audience,
    })
}

fn any_reader() -> impl Strategy<Value = Reader> {
    let communities = prop::collection::btree_set(1u128..4, 0..3);
    (1u8..5, prop::sample::select(Tlp::ALL.to_vec()), communities, any::<bool>()).prop_map(
        |(m, ceiling, set, person)| {
            let communities: BTreeSet<CommunityId> =
                set.into_iter().map(|c| CommunityId(Uuid::from_u128(c))).collect();
            let person = person.then(|| "jo".to_owned());
            let client_of = if m % 2 == 0 { [MemberId([1; 32])].into() } else { BTreeSet::new() };
            Reader { communities, client_of, person, ..Reader::service(MemberId([m; 32]), ceiling) }
        },
    )
}

fn any_exit() -> impl Strategy<Value = Exit> {
    prop::sample::select(vec![Exit::BlockList, Exit::Export, Exit::Lookup, Exit::Proof, Exit::Taxii])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law 1 in small: a stricter marking never lets anyone see more.
    #[test]
    fn stricter_never_widens(head in any_head(), more in any_head(), reader in any_reader(), exit in any_exit()) {
        let labelled = Marking { tlp: Some(head.marking.label()), ..head.marking };
        let loose = Head { marking: labelled, ..head.clone() };
        let stricter = Head { marking: labelled.strictest(more.marking), ..head.clone() };
        if release(&stricter, &reader, exit).is_ok() {
            prop_assert!(release(&loose, &reader, exit).is_ok(), "{loose:?} {stricter:?}");
        }
        // What nobody marked goes no further than what says AMBER+STRICT.
        if release(&head, &reader, exit).is_ok() {
            prop_assert!(release(&loose, &reader, exit).is_ok(), "{head:?}");
        }
    }

    /// A lower ceiling and fewer communities never let anyone see more.
    #[test]
    fn fewer_rights_never_widen(head in any_head(), reader in any_reader(), exit in any_exit()) {
        let fewer = Reader { communities: BTreeSet::new(), person: None, ceiling: reader.ceiling.min(Tlp::Amber), ..reader.clone() };
        if release(&head, &fewer, exit).is_ok() {
            prop_assert!(release(&head, &reader, exit).is_ok());
        }
    }

    /// Whoever is neither author nor recipient gets CLEAR and nothing else.
    #[test]
    fn strangers_get_clear_alone(head in any_head(), ceiling in prop::sample::select(Tlp::ALL.to_vec()), exit in any_exit()) {
        let stranger = Reader::service(MemberId([9; 32]), ceiling);
        if release(&head, &stranger, exit).is_ok() {
            prop_assert_eq!((head.marking.tlp, head.marking.unknown), (Some(Tlp::Clear), false));
        }
    }

    /// No service gets RED, and nothing passes the ceiling.
    #[test]
    fn ceilings_hold(head in any_head(), reader in any_reader(), exit in any_exit()) {
        if release(&head, &reader, exit).is_ok() {
            prop_assert!(head.marking.label() <= reader.ceiling);
            prop_assert!(head.marking.label() != Tlp::Red || (reader.person.is_some() && exit == Exit::Taxii));
        }
    }
}

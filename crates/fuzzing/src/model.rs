// SPDX-License-Identifier: Apache-2.0
//! STIX objects and bundles, markings, ids, times, observables, canonical JSON.

use std::collections::BTreeSet;

use model::diagnostic::{Diagnostic, Severity};
use model::head::Audience;
use model::id::{MemberId, SubjectKey, hex, hex_decode, is_stix_id};
use model::limits::{BODY_BYTES_MAX, ID_BYTES_MAX, JSON_DEPTH_MAX, OBSERVABLE_REFS_MAX};
use model::marking::{Marking, Pap, Tlp};
use model::observable::{
    Network, OBSERVABLE_BYTES_MAX, Observable, ObservableKind, address_text, name_to_ascii, parse_address,
    refang, reverse_labels,
};
use model::stix::{Definition, Definitions, Item, Object, SpecVersion, Splitter, revoke, runs, version20};
use model::time::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Dribble, broken, must};

/// Longest message of a diagnostic: what is quoted of the input is cut.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_000;

pub(crate) fn check_diagnostics(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        assert!(diagnostic.message.len() <= MESSAGE_BYTES_MAX, "{} is long", diagnostic.code);
        assert!(diagnostic.place.len() <= MESSAGE_BYTES_MAX, "the place of {} is long", diagnostic.code);
        assert!(!diagnostic.to_string().contains(char::is_control), "it could move a cursor");
    }
}

// --- objects ---

pub(crate) fn stix_object(data: &[u8]) {
    let mut diagnostics = Vec::new();
    let Some(object) = Object::parse(data, "here", &mut diagnostics) else {
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        assert_eq!((errors, diagnostics.len()), (1, 1), "what is refused has one reason");
        return check_diagnostics(&diagnostics);
    };
    check_diagnostics(&diagnostics);
    assert!(diagnostics.iter().all(|d| d.severity == Severity::Warning && d.place == object.id));
    assert!(data.len() <= BODY_BYTES_MAX && depth(data) <= JSON_DEPTH_MAX);
    assert!(is_stix_id(&object.id) && object.key == SubjectKey::of(&object.id));
    assert!(object.observable_refs.len() <= OBSERVABLE_REFS_MAX || object.unreadable_marking);
    // Another reader sees the same.
    let value: Value = must(serde_json::from_slice(data).ok(), "what is taken is JSON");
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    assert_eq!(text("id"), Some(object.id.as_str()));
    assert!(text("type").is_some_and(|kind| object.id.starts_with(&format!("{kind}--"))));
    assert_eq!(text("created_by_ref"), object.created_by_ref.as_deref());
    assert_eq!(value.get("revoked").and_then(Value::as_bool).unwrap_or(false), object.revoked);
    assert_eq!(text("modified").is_some(), object.has_modified);
    let named = value.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten();
    for reference in named.filter_map(Value::as_str) {
        assert!(object.marking_refs.iter().any(|known| known == reference), "{reference} is forgotten");
    }
    // How the JSON is spelled carries nothing.
    let canonical = must(model::jcs::canonical(data), "what is taken has a canonical form");
    let again = must(Object::parse(&canonical, "here", &mut Vec::new()), "the canonical form is taken");
    assert_eq!(
        (&again.id, again.spec, again.created, again.version, again.revoked, again.unreadable_marking),
        (&object.id, object.spec, object.created, object.version, object.revoked, object.unreadable_marking)
    );
    assert_eq!(marks(&again), marks(&object));
}

fn marks(object: &Object) -> (BTreeSet<&str>, BTreeSet<SubjectKey>) {
    let refs = object.marking_refs.iter().map(String::as_str).collect();
    let observables = object.observable_refs.iter().copied();
    // Beyond the limit it depends on the order which ones are kept.
    (
        refs,
        if object.observable_refs.len() > OBSERVABLE_REFS_MAX {
            BTreeSet::new()
        } else {
            observables.collect()
        },
    )
}

/// Deepest nesting of a JSON text.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

pub(crate) fn stix_20(data: &[u8]) {
    let Some(converted) = version20::to_21(data) else { return };
    let Some(before) = Object::parse(data, "here", &mut Vec::new()) else { return };
    if before.spec != SpecVersion::V20 {
        return;
    }
    let after = must(Object::parse(&converted, "here", &mut Vec::new()), "what was converted is an object");
    assert_eq!((&after.id, after.spec, after.revoked), (&before.id, SpecVersion::V21, before.revoked));
    assert_eq!((after.created, after.version), (before.created, before.version));
    assert_eq!(marks(&after), marks(&before), "conversion loses no marking");
    assert_eq!(after.unreadable_marking, before.unreadable_marking);
}

pub(crate) fn revoked(data: &[u8]) {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let Some(revoked) = revoke::revoked(data, now) else { return };
    let Some(before) = Object::parse(data, "here", &mut Vec::new()) else { return };
    let after = must(Object::parse(&revoked, "here", &mut Vec::new()), "what is revoked is an object");
    assert_eq!((&after.id, after.spec, after.created), (&before.id, before.spec, before.created));
    assert!(after.revoked && after.has_modified && after.version == now);
    assert_eq!(after.created_by_ref, before.created_by_ref);
    assert_eq!(marks(&after), marks(&before), "revoking loses no marking");
    assert_eq!(after.unreadable_marking, before.unreadable_marking);
    assert_eq!(revoke::revoked(&revoked, now), Some(revoked), "it is stable");
}

// --- bundles ---

/// An item, as far as it can be compared.
#[derive(Debug, PartialEq)]
enum Seen {
    Object(Vec<u8>),
    Drafts(Vec<u8>),
    Markings(Vec<u8>),
    Bad(&'static str, bool),
}

fn items(data: &[u8], step: usize) -> (Vec<Seen>, u64, u64) {
    let mut splitter = Splitter::new(Dribble { data, step });
    let mut items = Vec::new();
    while let Some(item) = must(splitter.next_item().ok(), "reading from memory does not fail") {
        items.push(match item {
            Item::Object(bytes) => Seen::Object(bytes),
            Item::Drafts(bytes) => Seen::Drafts(bytes),
            Item::Markings(bytes) => Seen::Markings(bytes),
            Item::Bad { diagnostic, counts } => {
                check_diagnostics(std::slice::from_ref(&diagnostic));
                Seen::Bad(diagnostic.code, counts)
            }
        });
        assert!(items.len() <= data.len() + 2, "the splitter goes round and round");
    }
    (items, splitter.objects(), splitter.values())
}

pub(crate) fn stix_split(data: &[u8]) {
    let whole = items(data, usize::MAX);
    // Each read prepares a buffer of many pages: few reads for a long input.
    for step in [1 + data.len() / 40, 7 + data.len() / 10] {
        assert_eq!(items(data, step), whole, "how the bytes arrive carries nothing");
    }
    let (items, objects, _) = whole;
    let counted = items.iter().filter(|i| matches!(i, Seen::Object(_) | Seen::Bad(_, true))).count();
    assert_eq!(counted as u64, objects, "every object is told");
    if !data.contains(&b'\\') {
        compare_with_serde(data, &items);
    }
}

/// What a general parser takes for a bundle is cut into the same objects.
fn compare_with_serde(data: &[u8], items: &[Seen]) {
    let text = std::str::from_utf8(data).ok();
    let members: Option<std::collections::BTreeMap<&str, &RawValue>> =
        text.and_then(|text| serde_json::from_str(text).ok());
    let name = b"\"objects\"";
    let once = data.windows(name.len()).filter(|window| window == name).count() == 1;
    let (Some(members), true) = (members, once) else { return };
    let Some(list) = members.get("objects") else { return };
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else { return };
    if members.values().any(|value| depth(value.get().as_bytes()) > JSON_DEPTH_MAX) {
        return;
    }
    let expected: Vec<&[u8]> = list.iter().map(|one| one.get().as_bytes()).collect();
    let found = items.iter().filter_map(|item| match item {
        Seen::Object(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    assert!(
        found.eq(expected.iter().copied().filter(|one| one.starts_with(b"{"))),
        "a general parser sees other objects"
    );
    let odd = expected.iter().filter(|one| !one.starts_with(b"{")).count();
    let told = items.iter().filter(|item| matches!(item, Seen::Bad("not-an-object", true))).count();
    assert_eq!(odd, told, "what is no object is told");
}

pub(crate) fn markings_member(data: &[u8]) {
    let Some(read) = runs::parse(data) else { return };
    let mut next = 0;
    for run in &read {
        assert!(run.first == next && run.last >= run.first, "runs have no gaps");
        next = run.last + 1;
    }
    let printed = runs::print(&read).to_string();
    let again = must(runs::parse(printed.as_bytes()), "what was printed can be read");
    assert_eq!(again.len(), read.len());
    for (again, read) in again.iter().zip(&read) {
        assert_eq!((again.first, again.last), (read.first, read.last));
        assert_eq!(again.marking, Marking { tlp: Some(read.marking.label()), ..read.marking });
    }
}

// --- markings ---

fn not_looser(strict: Marking, than: Marking) -> bool {
    strict.tlp >= than.tlp && strict.pap >= than.pap && strict.unknown >= than.unknown
}

pub(crate) fn marking(data: &[u8]) {
    let codes: Vec<Marking> = data.iter().take(3).map(|byte| Marking::from_code(i64::from(*byte))).collect();
    for a in &codes {
        assert_eq!(Marking::from_code(a.code()), *a);
        assert_eq!(Marking::parse(&a.to_string()), Some(*a));
        for b in &codes {
            let both = a.strictest(*b);
            assert!(both == b.strictest(*a) && not_looser(both, *a) && not_looser(both, *b));
            let referring = a.as_strict_as(*b);
            // A label that one of both says counts, even where it restricts less than saying none.
            let said = a.tlp.is_none() || !both.is_looser_than(*a);
            assert!(said, "{both} of {a} and {b}");
            let strict = !referring.is_looser_than(*a) && !referring.is_looser_than(*b);
            assert!(strict, "{referring} of {a} with {b}");
            // What nobody marked stays at home, and so does whatever becomes as strict as that.
            let stays = |m: Marking| m.unknown || m.tlp.is_none();
            assert!(stays(referring) || !stays(*a) && !stays(*b), "{referring} of {a} with {b}");
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(marking) = Marking::parse(text) {
        assert_eq!(marking.to_string(), text, "a marking has one spelling");
        assert_eq!(Marking::from_code(marking.code()), marking);
    }
    if let Some(tlp) = Tlp::parse(text) {
        assert_eq!((Tlp::parse(tlp.name()), Tlp::from_stix_id(tlp.stix_id())), (Some(tlp), Some(tlp)));
    }
    if let Some(tlp) = Tlp::from_stix_id(text) {
        assert!(is_stix_id(text) && Tlp::ALL.contains(&tlp));
    }
    if let Some(pap) = Pap::parse(text) {
        assert_eq!(Pap::parse(pap.name()), Some(pap));
    }
    if let Some(audience) = Audience::parse(text) {
        assert_eq!(audience.to_string(), text, "an audience has one spelling");
        assert!(audience.is_within(&audience));
    }
}

/// Marking definitions, one a line: together they never say less than each.
pub(crate) fn marking_definition(data: &[u8]) {
    let objects = data.split(|byte| *byte == b'\n').take(8);
    let read: Vec<(String, Definition)> = objects
        .filter_map(|line| Object::parse(line, "here", &mut Vec::new()))
        .filter_map(|object| Some((object.id, object.definition?)))
        .collect();
    let (mut forwards, mut backwards) = (Definitions::default(), Definitions::default());
    read.iter().for_each(|(id, definition)| forwards.add(id, *definition));
    read.iter().rev().for_each(|(id, definition)| backwards.add(id, *definition));
    for (id, definition) in &read {
        assert_eq!(Definition::from_code(definition.code()), *definition, "{id}");
        let (one, other) = (forwards.of(id).marking(), backwards.of(id).marking());
        assert_eq!(one, other, "the order of definitions carries nothing");
        if Tlp::from_stix_id(id).is_none() {
            assert!(not_looser(one, definition.marking()), "{one} is looser than {}", definition.marking());
        }
    }
}

// --- words ---

pub(crate) fn id(data: &[u8]) {
    assert_eq!(hex_decode(&hex(data)).as_deref(), Some(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let key = SubjectKey::of(text);
    if let Some(id) = key.id() {
        assert_eq!(id, text, "two ids have one key");
    }
    if is_stix_id(text) {
        assert!(text.len() <= ID_BYTES_MAX && text.is_ascii() && !text.contains(char::is_control));
        assert_eq!(text, text.to_ascii_lowercase(), "an id has one spelling");
    }
    if let Ok(member) = MemberId::parse(text) {
        assert_eq!(member.to_string(), text.to_ascii_lowercase());
    }
}

pub(crate) fn timestamp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = Timestamp::parse(text);
    let Ok(time) = parsed else { return };
    assert!(is_rfc_3339(data), "{text:?} is no time of RFC 3339");
    let printed = time.to_string();
    assert_eq!(printed.len(), 27, "{printed:?} is no time of TAXII");
    assert_eq!(Timestamp::parse(&printed), Ok(time));
}

/// The grammar of RFC 3339 section 5.6, in either case, with at most nine digits of a fraction.
fn is_rfc_3339(text: &[u8]) -> bool {
    let matches = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, wanted)| match wanted {
                b'9' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                b'Z' => matches!(byte, b'Z' | b'z'),
                b'+' => matches!(byte, b'+' | b'-'),
                wanted => byte == wanted,
            })
    };
    let Some((head, rest)) = text.split_at_checked(19) else { return false };
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        None => rest,
    };
    matches(head, b"9999-99-99T99:99:99") && (matches(rest, b"Z") || matches(rest, b"+99:99"))
}

pub(crate) fn observable(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let refanged = refang(text);
    assert!(refanged.len() <= text.len(), "refanging only takes away");
    for text in [text, &refanged] {
        for kind in ObservableKind::all() {
            if let Ok(observable) = Observable::parse(kind, text) {
                check_observable(&observable);
            }
        }
        if let Some(guessed) = Observable::guess(text) {
            check_observable(&guessed);
        }
        check_names(text);
    }
}

pub(crate) fn check_observable(observable: &Observable) {
    let (kind, display) = (observable.kind(), observable.display());
    assert!(observable.canonical().len() <= 2 * OBSERVABLE_BYTES_MAX);
    assert_eq!(&Observable::from_canonical(kind, observable.canonical()), observable);
    assert_eq!(Observable::parse(kind, &display).as_ref(), Ok(observable), "{display:?} reads otherwise");
    assert_eq!(ObservableKind::from_code(kind.code()), Some(kind));
    assert_eq!(ObservableKind::from_name(kind.name()), Some(kind));
    match Observable::from_stix(observable.stix_path(), &display) {
        Some(Ok(again)) => assert_eq!(&again, observable, "{display:?} reads otherwise from STIX"),
        other => broken(&format!("{display:?} at {} is {other:?}", observable.stix_path())),
    }
    observable.is_external();
}

fn check_names(text: &str) {
    if let Ok(name) = name_to_ascii(text) {
        assert_eq!(name_to_ascii(&name).as_ref(), Ok(&name), "{text:?}");
        assert_eq!(reverse_labels(&reverse_labels(&name)), name);
        assert!(name.len() <= 253 && name.is_ascii());
    }
    if let Some(address) = parse_address(text) {
        assert_eq!(parse_address(&address_text(address)), Some(address));
    }
    if let Some(network) = Network::parse(text) {
        assert!(network.contains(network.first()) && network.contains(network.last()));
        assert_eq!(Network::parse(&network.to_string()), Some(network), "{text:?}");
    }
}

pub(crate) fn jcs(data: &[u8]) {
    let Some(canonical) = model::jcs::canonical(data) else {
        assert!(model::jcs::same_content(data, data));
        return;
    };
    assert_eq!(model::jcs::canonical(&canonical).as_deref(), Some(canonical.as_slice()), "it is stable");
    assert!(model::jcs::same_content(data, &canonical));
    assert!(serde_json::from_slice::<Value>(&canonical).is_ok());
    assert!(!canonical.iter().any(|byte| *byte < 0x20), "no white space and no bare control characters");
}

// SPDX-License-Identifier: Apache-2.0
//! One STIX object: checked once, then carried as the bytes that were received.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::definition::{Definition, DefinitionWords, classify};
use crate::diagnostic::Diagnostic;
use crate::id::{SubjectKey, is_stix_id, type_code};
use crate::limits::{BODY_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, OBSERVABLE_REFS_MAX};
use crate::marking::Marking;
use crate::time::Timestamp;

/// Largest integer that every reader of JSON keeps exactly (RFC 7493 section 2.2).
const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Longest text that is looked at as a label, and most of them in one object.
const LABEL_BYTES_MAX: usize = 64;
const LABELS_MAX: usize = 16;
/// Members of one object up to which names are compared one by one.
const FEW_MEMBERS: usize = 24;

/// Version of the STIX specification that an object follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecVersion {
    /// STIX 2.0: kept as received, converted only on output.
    V20,
    /// STIX 2.1.
    V21,
}

/// A STIX object whose common properties have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `id`.
    pub id: String,
    /// Key of the id.
    pub key: SubjectKey,
    /// Version of the specification.
    pub spec: SpecVersion,
    /// `created`.
    pub created: Option<Timestamp>,
    /// `modified`, else `created`, else the epoch (TAXII 2.1 section 4.1, version; observables have none).
    pub version: Timestamp,
    /// Whether `modified` is there.
    pub has_modified: bool,
    /// `created_by_ref`.
    pub created_by_ref: Option<String>,
    /// `revoked` is true.
    pub revoked: bool,
    /// Ids in `object_marking_refs` and in granular markings.
    pub marking_refs: Vec<String>,
    /// Whether a granular marking is there that names no marking definition (`lang` aside).
    pub unreadable_marking: bool,
    /// Observables that the object refers to: it goes no further than its author lets them go.
    pub observable_refs: Vec<SubjectKey>,
    /// What it says, if it is a marking definition.
    pub definition: Option<Definition>,
}

impl Object {
    /// Checks an object's bytes. On success diagnostics may hold warnings; on failure they hold the reason.
    pub fn parse(bytes: &[u8], place: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Object> {
        let facts = match Facts::read(bytes) {
            Ok(facts) => facts,
            Err(problem) => {
                diagnostics.push(problem.diagnostic(place));
                return None;
            }
        };
        let place = facts.text(Field::Id).unwrap_or(place).to_owned();
        match facts.check() {
            Ok((object, warnings)) => {
                diagnostics.extend(warnings.into_iter().map(|(code, message, fix)| {
                    Diagnostic::warning(code, place.clone(), message).with_fix(fix)
                }));
                Some(object)
            }
            Err((code, message, fix)) => {
                diagnostics.push(Diagnostic::error(code, place, message).with_fix(fix));
                None
            }
        }
    }

    /// The marking that the object's own properties say.
    pub fn marking(&self, definitions: &super::Definitions) -> Marking {
        let said = definitions.combine(self.marking_refs.iter().map(String::as_str));
        said.strictest(Marking { unknown: self.unreadable_marking, ..Marking::NONE })
    }
}

type Fault = (&'static str, String, &'static str);

struct Problem {
    code: &'static str,
    message: String,
}

impl Problem {
    fn diagnostic(self, place: &str) -> Diagnostic {
        let fix = match self.code {
            "not-utf-8" => "save the file as UTF-8",
            "object-too-large" => "split the object",
            "nested-too-deep" => "flatten the object",
            "duplicate-name" => "give each member of an object one name",
            _ => "correct the JSON at that place",
        };
        Diagnostic::error(self.code, place, self.message).with_fix(fix)
    }
}

/// The properties that matter to every object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Created,
    CreatedBy,
    DefinitionType,
    Id,
    Modified,
    Name,
    SpecVersion,
    Type,
}

const FIELDS: [(&str, Field); 8] = [
    ("created", Field::Created),
    ("created_by_ref", Field::CreatedBy),
    ("definition_type", Field::DefinitionType),
    ("id", Field::Id),
    ("modified", Field::Modified),
    ("name", Field::Name),
    ("spec_version", Field::SpecVersion),
    ("type", Field::Type),
];

#[derive(Default)]
struct Facts<'a> {
    texts: [Option<Cow<'a, str>>; 8],
    wrong_type: Option<&'static str>,
    revoked: bool,
    markings: Vec<Cow<'a, str>>,
    unreadable_marking: bool,
    refs: Vec<SubjectKey>,
    known_refs: HashSet<SubjectKey>,
    words: DefinitionWords,
    values: usize,
    large_integer: bool,
    problem: Option<Problem>,
}

/// Where in the object a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Definition,
    DefinitionStatement,
    DefinitionTlp,
    Extension,
    Extensions,
    Granular,
    GranularMarking,
    GranularRef,
    MarkingRef,
    MarkingRefs,
    Plain,
    Ref,
    Revoked,
    Text(Field),
    TlpExtension,
    Top,
}

impl<'a> Facts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Facts<'a>, Problem> {
        if bytes.len() > BODY_BYTES_MAX {
            let message = format!("larger than {BODY_BYTES_MAX} bytes");
            return Err(Problem { code: "object-too-large", message });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Problem {
            code: "not-utf-8",
            message: format!("byte {} of the object is not UTF-8", error.valid_up_to()),
        })?;
        let mut facts = Facts::default();
        let mut json = serde_json::Deserializer::from_str(text);
        let walked = Walk { facts: &mut facts, at: At::Top, depth: 0 }
            .deserialize(&mut json)
            .and_then(|()| json.end());
        match (walked, facts.problem.take()) {
            (Ok(()), _) => Ok(facts),
            (Err(_), Some(problem)) => Err(problem),
            (Err(error), None) => {
                Err(Problem { code: "not-json", message: format!("not valid JSON: {error}") })
            }
        }
    }

    fn text(&self, field: Field) -> Option<&str> {
        self.texts.get(field as usize)?.as_deref()
    }

    fn time(&self, field: Field, name: &str) -> Result<Option<Timestamp>, Fault> {
        self.text(field).map(Timestamp::parse).transpose().map_err(|error| {
            ("bad-timestamp", format!("`{name}`: {error}"), "write it as 2024-01-31T08:30:00.000Z")
        })
    }

    fn check(mut self) -> Result<(Object, Vec<Fault>), Fault> {
        if let Some(name) = self.wrong_type {
            return Err((
                "wrong-type",
                format!("`{name}` has the wrong JSON type"),
                "see STIX 2.1 section 3.2",
            ));
        }
        let missing = |name: &str| {
            ("missing-property", format!("`{name}` is missing"), "add it (STIX 2.1 section 3.1)")
        };
        let id = self.text(Field::Id).ok_or_else(|| missing("id"))?.to_owned();
        let kind = self.text(Field::Type).ok_or_else(|| missing("type"))?.to_owned();
        if !is_stix_id(&id) {
            return Err(("bad-id", "`id` is not `type--UUID`".to_owned(), "see STIX 2.1 section 2.9"));
        }
        if kind == "bundle" {
            let message =
                "is a bundle where an object should be: what it holds would not be looked at".to_owned();
            return Err(("nested-bundle", message, "take the objects out of the inner bundle"));
        }
        if id.split_once("--").map(|(prefix, _)| prefix) != Some(kind.as_str()) {
            return Err((
                "bad-id",
                format!("`id` does not begin with the type `{kind}`"),
                "see STIX 2.1 section 2.9",
            ));
        }
        let created = self.time(Field::Created, "created")?;
        let modified = self.time(Field::Modified, "modified")?;
        let key = SubjectKey::of(&id);
        let spec = match self.text(Field::SpecVersion) {
            Some("2.1") => SpecVersion::V21,
            Some("2.0") => SpecVersion::V20,
            Some(other) => {
                let message =
                    format!("spec_version `{}` is not known", other.chars().take(16).collect::<String>());
                return Err(("bad-spec-version", message, "2.0 and 2.1 are read"));
            }
            // TAXII 2.1 section 3.4: without spec_version it is an observable of 2.1, or an object of 2.0.
            None if created.is_none() && modified.is_none() => SpecVersion::V21,
            None => SpecVersion::V20,
        };
        let is_marking = kind == "marking-definition";
        let dated = type_code(&kind).is_some_and(|_| !key.is_observable());
        if dated && created.is_none() {
            return Err(missing("created"));
        }
        if dated && modified.is_none() && !is_marking {
            return Err(missing("modified"));
        }
        let mut warnings = Vec::new();
        let definition = is_marking.then(|| {
            self.words.name = self.text(Field::Name).map(str::to_owned);
            self.words.definition_type = self.text(Field::DefinitionType).map(str::to_owned);
            let (definition, odd) = classify(&id, &self.words);
            if odd {
                let message =
                    "says TLP in a way that is not canonical; the strictest reading counts".to_owned();
                warnings.push((
                    "tlp-not-canonical",
                    message,
                    "refer to the canonical TLP 2.0 marking definition",
                ));
            }
            definition
        });
        if self.large_integer {
            let message = "holds an integer beyond 2^53 - 1, which other readers may change".to_owned();
            warnings.push(("integer-not-exact", message, "write it as a string (RFC 7493 section 2.2)"));
        }
        let object = Object {
            key,
            spec,
            created,
            version: modified.or(created).unwrap_or(Timestamp::EPOCH),
            has_modified: modified.is_some(),
            created_by_ref: self.text(Field::CreatedBy).map(str::to_owned),
            revoked: self.revoked,
            marking_refs: self.markings.into_iter().map(Cow::into_owned).collect(),
            unreadable_marking: self.unreadable_marking,
            observable_refs: self.refs,
            definition,
            id,
        };
        Ok((object, warnings))
    }
}

struct Walk<'f, 'a> {
    facts: &'f mut Facts<'a>,
    at: At,
    depth: usize,
}

impl<'a> Walk<'_, 'a> {
    fn child(&self, name: &str) -> At {
        match self.at {
            At::Top => match name {
                "definition" => At::Definition,
                "extensions" => At::Extensions,
                "granular_markings" => At::Granular,
                "object_marking_refs" => At::MarkingRefs,
                "revoked" => At::Revoked,
                _ => match FIELDS.iter().find(|(n, _)| *n == name) {
                    Some((_, field)) => At::Text(*field),
                    None if is_reference(name) => At::Ref,
                    None => At::Plain,
                },
            },
            At::Definition if name == "tlp" => At::DefinitionTlp,
            At::Definition if name == "statement" => At::DefinitionStatement,
            At::Extensions => At::Extension,
            At::Extension if name == "tlp_2_0" => At::TlpExtension,
            At::GranularMarking if name == "marking_ref" => At::GranularRef,
            _ if is_reference(name) => At::Ref,
            _ => At::Plain,
        }
    }

    fn fail<T, E: serde::de::Error>(self, code: &'static str, message: String) -> Result<T, E> {
        self.facts.problem = Some(Problem { code, message });
        Err(E::custom(code))
    }

    fn text(self, text: Cow<'a, str>) {
        let facts = self.facts;
        if says_label(&text) && facts.words.labels.len() < LABELS_MAX {
            facts.words.labels.push(text.as_ref().to_owned());
        }
        match self.at {
            At::Text(field) => {
                if let Some(slot) = facts.texts.get_mut(field as usize) {
                    *slot = Some(text);
                }
            }
            At::MarkingRef | At::GranularRef => facts.markings.push(text),
            At::MarkingRefs => facts.wrong_type = Some("object_marking_refs"),
            At::Ref => {
                // Other readers take upper case too: such a reference is one all the same.
                let key = SubjectKey::of(&text.to_ascii_lowercase());
                if key.is_observable() && facts.known_refs.insert(key) {
                    facts.refs.push(key);
                }
                // Beyond the limit nobody looks: what is referred to there may restrict most.
                facts.unreadable_marking |= facts.refs.len() > OBSERVABLE_REFS_MAX;
            }
            At::DefinitionTlp => facts.words.tlp = Some(text.into_owned()),
            At::TlpExtension => facts.words.tlp_2_0 = Some(text.into_owned()),
            At::Revoked => facts.wrong_type = Some("revoked"),
            At::Granular | At::GranularMarking => facts.wrong_type = Some("granular_markings"),
            _ => {}
        }
    }

    /// A value that is neither text nor a container.
    fn scalar(self) {
        self.facts.wrong_type = match self.at {
            At::Text(field) => FIELDS.iter().find(|(_, f)| *f == field).map(|(n, _)| *n),
            At::MarkingRef | At::MarkingRefs => Some("object_marking_refs"),
            At::Granular | At::GranularMarking | At::GranularRef => Some("granular_markings"),
            At::Revoked => Some("revoked"),
            At::Top => Some("(the object)"),
            _ => return,
        };
    }

    fn enter<E: serde::de::Error>(self) -> Result<Self, E> {
        self.facts.values += 1;
        if self.facts.values > JSON_VALUES_MAX {
            return self.fail("too-many-values", format!("more than {JSON_VALUES_MAX} values"));
        }
        if self.depth >= JSON_DEPTH_MAX {
            return self.fail("nested-too-deep", format!("nested deeper than {JSON_DEPTH_MAX} levels"));
        }
        Ok(self)
    }
}

/// Whether a text is a label of TLP or PAP, wherever it stands: some tools write it into properties of
/// their own.
fn says_label(text: &str) -> bool {
    let start = text.trim_start().get(..4).unwrap_or_default();
    text.len() <= LABEL_BYTES_MAX
        && (start.eq_ignore_ascii_case("tlp:") || start.eq_ignore_ascii_case("pap:"))
}

fn is_reference(name: &str) -> bool {
    name.ends_with("_ref") || name.ends_with("_refs")
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a STIX object")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        if self.at == At::Revoked {
            self.facts.revoked = value;
        } else {
            self.scalar();
        }
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.facts.large_integer |= value.unsigned_abs() > INTEGER_MAX;
        self.scalar();
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.facts.large_integer |= value > INTEGER_MAX;
        self.scalar();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let this = self.enter::<A::Error>()?;
        let at = match this.at {
            At::MarkingRefs => At::MarkingRef,
            At::Granular => At::GranularMarking,
            At::Ref => At::Ref,
            At::Text(_) | At::Revoked | At::GranularRef | At::GranularMarking | At::MarkingRef | At::Top => {
                Walk { facts: &mut *this.facts, at: this.at, depth: 0 }.scalar();
                At::Plain
            }
            _ => At::Plain,
        };
        let depth = this.depth + 1;
        while seq.next_element_seed(Walk { facts: &mut *this.facts, at, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let this = self.enter::<A::Error>()?;
        let odd = matches!(
            this.at,
            At::Text(_) | At::Revoked | At::GranularRef | At::MarkingRef | At::MarkingRefs | At::Granular
        );
        if odd {
            Walk { facts: &mut *this.facts, at: this.at, depth: 0 }.scalar();
        }
        let markings_before = this.facts.markings.len();
        let mut says_language = false;
        let mut names = Names::default();
        while let Some(Name(name)) = map.next_key()? {
            let at = this.child(&name);
            says_language |= name == "lang";
            match this.at {
                At::Extensions => {
                    let tlp = name == "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
                    this.facts.words.other_extension |= !tlp;
                }
                At::Definition => this.facts.words.statement |= name == "statement",
                _ => {}
            }
            if let Some(twice) = names.add(name) {
                let message = format!("the name `{}` stands twice in one object", shortened(&twice));
                return this.fail("duplicate-name", message);
            }
            map.next_value_seed(Walk { facts: &mut *this.facts, at, depth: this.depth + 1 })?;
        }
        if this.at == At::GranularMarking && this.facts.markings.len() == markings_before && !says_language {
            this.facts.unreadable_marking = true;
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// The names met in one object: serde_json does not report a name that stands twice.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Answers the name if it was there already.
    fn add(&mut self, name: Cow<'a, str>) -> Option<Cow<'a, str>> {
        if self.many.is_empty() {
            if self.few.contains(&name) {
                return Some(name);
            }
            self.few.push(name);
            if self.few.len() > FEW_MEMBERS {
                self.many = self.few.drain(..).collect();
            }
            return None;
        }
        (!self.many.insert(name.clone())).then_some(name)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What marking definitions mean.

use std::collections::HashMap;

use crate::marking::{Marking, Pap, Tlp};

/// What one marking definition says, as far as it is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definition {
    /// A text that travels along and restricts nothing (STIX 2.1 section 7.2.1.3).
    Statement,
    /// A label or permissible actions.
    Says(Marking),
    /// Not understood: it restricts until a person maps it.
    Unknown,
}

impl Definition {
    /// The part of a record's marking that comes from this definition.
    pub fn marking(self) -> Marking {
        match self {
            Definition::Statement => Marking::NONE,
            Definition::Says(marking) => marking,
            Definition::Unknown => Marking { unknown: true, ..Marking::NONE },
        }
    }

    /// Number in the store: -1 statement, -2 unknown, otherwise the marking's code.
    pub fn code(self) -> i64 {
        match self {
            Definition::Statement => -1,
            Definition::Unknown => -2,
            Definition::Says(marking) => marking.code(),
        }
    }

    /// Reads [`Definition::code`].
    pub fn from_code(code: i64) -> Definition {
        match code {
            -1 => Definition::Statement,
            code if code >= 0 => Definition::Says(Marking::from_code(code)),
            _ => Definition::Unknown,
        }
    }
}

/// The words of a marking definition that may say a label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinitionWords {
    /// `definition_type`.
    pub definition_type: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `definition.tlp`.
    pub tlp: Option<String>,
    /// `definition.statement` is there.
    pub statement: bool,
    /// `tlp_2_0` of the TLP 2.0 extension.
    pub tlp_2_0: Option<String>,
    /// Texts anywhere in it that begin with `TLP:` or `PAP:`.
    pub labels: Vec<String>,
    /// Whether there are extensions other than TLP 2.0, which may restrict in ways not known here.
    pub other_extension: bool,
}

/// Reads what a marking definition says. The second part is true where it says TLP in a way that is not
/// canonical: then the strictest reading counts and a person should look.
pub fn classify(id: &str, words: &DefinitionWords) -> (Definition, bool) {
    if let Some(tlp) = Tlp::from_stix_id(id) {
        return (Definition::Says(Marking::tlp(tlp)), false);
    }
    let said = [&words.tlp_2_0, &words.tlp, &words.name, &words.definition_type];
    let lower = |text: &str| text.trim().to_ascii_lowercase();
    let mut marking = Marking::NONE;
    let mut says_tlp = words.tlp_2_0.is_some() || words.tlp.is_some();
    for text in said.into_iter().flatten().chain(&words.labels) {
        let word = lower(text);
        says_tlp |= word.starts_with("tlp");
        if let Some(pap) = Pap::parse(&word) {
            marking.pap = marking.pap.max(Some(pap));
        }
    }
    if says_tlp {
        let named = [
            words.tlp_2_0.as_deref().map(Tlp::parse),
            words.tlp.as_deref().map(Tlp::parse),
            words.name.as_deref().filter(|n| lower(n).starts_with("tlp")).map(Tlp::parse),
            words.definition_type.as_deref().filter(|t| lower(t).starts_with("tlp:")).map(Tlp::parse),
        ];
        let anywhere = words.labels.iter().filter(|l| lower(l).starts_with("tlp")).map(|l| Tlp::parse(l));
        let labels: Vec<Option<Tlp>> = named.into_iter().flatten().chain(anywhere).collect();
        let readable: Vec<Tlp> = labels.iter().filter_map(|l| *l).collect();
        // A label that cannot be read may be the strictest of all.
        let unreadable = labels.iter().any(Option::is_none) || readable.is_empty();
        marking.tlp = if unreadable { Some(Tlp::Red) } else { readable.into_iter().max() };
    }
    if says_tlp || marking.pap.is_some() {
        marking.unknown = words.other_extension;
        return (Definition::Says(marking), says_tlp);
    }
    let plain_statement = words.statement && !words.other_extension;
    let typed_statement = words.definition_type.as_deref().is_none_or(|t| t == "statement");
    if plain_statement && typed_statement {
        (Definition::Statement, false)
    } else {
        (Definition::Unknown, false)
    }
}

/// What two definitions of one id say together: never less than either, in whatever order they come.
fn both(a: Definition, b: Definition) -> Definition {
    let says = |definition| matches!(definition, Definition::Says(_));
    let contradict = !(says(a) && says(b));
    let marking = a.marking().strictest(b.marking());
    let marking = Marking { unknown: marking.unknown || contradict, ..marking };
    match marking {
        Marking { tlp: None, pap: None, unknown: true } => Definition::Unknown,
        marking => Definition::Says(marking),
    }
}

/// Marking definitions that are known when an object is read.
#[derive(Clone, Debug, Default)]
pub struct Definitions(HashMap<String, Definition>);

impl Definitions {
    /// Adds one; of two for one id the stricter counts, since a definition never changes.
    pub fn add(&mut self, id: &str, definition: Definition) {
        let held = self.0.get(id).copied();
        let together = match held {
            Some(held) if held != definition => both(held, definition),
            _ => definition,
        };
        self.0.insert(id.to_owned(), together);
    }

    /// What an id means: canonical labels are known without their definition; an id that was never
    /// defined is unknown.
    pub fn of(&self, id: &str) -> Definition {
        match Tlp::from_stix_id(id) {
            Some(tlp) => Definition::Says(Marking::tlp(tlp)),
            None => self.0.get(id).copied().unwrap_or(Definition::Unknown),
        }
    }

    /// Strictest of several ids.
    pub fn combine<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Marking {
        ids.fold(Marking::NONE, |marking, id| marking.strictest(self.of(id).marking()))
    }

    /// All that are held.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Definition)> {
        self.0.iter().map(|(id, definition)| (id.as_str(), *definition))
    }
}

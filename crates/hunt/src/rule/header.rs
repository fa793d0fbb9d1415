// SPDX-License-Identifier: Apache-2.0
//! What a rule says of itself.

use crate::detection::Level;

/// What a document of Sigma is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A rule over matches of other rules.
    Correlation,
    /// Conditions that are added to other rules.
    Filter,
    /// A rule over single events.
    Rule,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Correlation => "correlation",
            Kind::Filter => "filter",
            Kind::Rule => "rule",
        }
    }
}

/// The log source that a rule is for, in lower case; an empty part is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// `windows`, `linux`, `azure` …
    pub product: String,
    /// `process_creation`, `proxy` …
    pub category: String,
    /// `security`, `sysmon` …
    pub service: String,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [&self.product, &self.category, &self.service].map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join("/"))
    }
}

/// The head of a rule (Sigma rules specification, components).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its UUID, or what stands for it: `sha256-` and the first half of the hash of its text.
    pub id: String,
    /// The name by which correlations may call it; may be empty.
    pub name: String,
    /// One line for a person.
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// How much a match matters.
    pub level: Level,
    /// `stable`, `test`, `experimental` …; may be empty.
    pub status: String,
    /// When it was last changed, as it says: the date of `modified`, or else of `date`.
    pub version: String,
    /// What it is about.
    pub description: String,
    /// Who wrote it.
    pub author: String,
    /// Under which licence; empty where the rule does not say.
    pub licence: String,
    /// Where to read more.
    pub references: Vec<String>,
    /// Techniques of ATT&CK that its tags name, `T1110.003`.
    pub techniques: Vec<String>,
    /// All of its tags.
    pub tags: Vec<String>,
    /// What else may look like this.
    pub falsepositives: Vec<String>,
    /// What to do on a match: the attribute `advice` of our own rules.
    pub advice: String,
    /// The logs that it is for.
    pub source: Source,
}

impl Header {
    /// Who is to be named with each match, and the licence (Detection Rule License 1.1, section 2).
    pub fn credit(&self) -> String {
        match (self.author.is_empty(), self.licence.is_empty()) {
            (true, true) => String::new(),
            (false, true) => self.author.clone(),
            (true, false) => self.licence.clone(),
            (false, false) => format!("{} ({})", self.author, self.licence),
        }
    }

    /// Whether this is a name by which the rule is called: its id or its name.
    pub fn is_called(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || !self.name.is_empty() && self.name == name
    }
}

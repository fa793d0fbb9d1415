// SPDX-License-Identifier: Apache-2.0
//! Detections: what a rule or a detector says of events, with all that a person needs to believe or reject
//! it. They stay home, like findings.

use model::time::Timestamp;

use crate::event::{Place, SourceKind};

/// How much a detection matters, in Sigma's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For context alone.
    #[default]
    Informational,
    /// Worth a look when there is time.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at today.
    High,
    /// Act now.
    Critical,
}

impl Level {
    /// All levels with their names, lowest first.
    pub const ALL: [(Level, &'static str); 5] = [
        (Level::Informational, "informational"),
        (Level::Low, "low"),
        (Level::Medium, "medium"),
        (Level::High, "high"),
        (Level::Critical, "critical"),
    ];

    /// Its name, as Sigma writes it.
    pub fn name(self) -> &'static str {
        Level::ALL.iter().find(|(level, _)| *level == self).map_or("", |(_, name)| *name)
    }

    /// The level of a name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(level, _)| *level)
    }
}

/// What detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Means {
    /// Code of ours, for what Sigma cannot say.
    Detector,
    /// A STIX pattern of more than one equality.
    Pattern,
    /// A Sigma rule or correlation.
    Rule,
}

/// Kinds of whom or what a detection is about ([`Detection::about`]); a hunt that goes on later knows no others.
pub const ABOUT: &[&str] = &[
    "account",
    "address",
    "application",
    "destination",
    "domain",
    "file",
    "host",
    "network",
    "process",
    "service",
    "share",
    "user-agent",
    "value",
];

/// A line that a detection rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The log, as it was named.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// Its time.
    pub time: Option<Timestamp>,
    /// The line, at most [`crate::limits::FINDING_TEXT_BYTES_MAX`] bytes of it.
    pub text: String,
}

/// A rule matched, or a detector's threshold was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// What detected.
    pub means: Means,
    /// Id of the rule (a UUID), the pattern's indicator, or the detector's short name (`spray-one-source`).
    pub id: String,
    /// One line for a person.
    pub title: String,
    /// How much it matters.
    pub level: Level,
    /// Techniques of ATT&CK, `T1110.003`.
    pub techniques: Vec<String>,
    /// Who wrote the rule and under which licence it is shown; empty for our own.
    pub credit: String,
    /// What kind of log it was seen in.
    pub source: SourceKind,
    /// Whom or what it is about: account, host, address; kind and value.
    pub about: Vec<(&'static str, String)>,
    /// Time of the first line.
    pub first: Option<Timestamp>,
    /// Time of the last line.
    pub last: Option<Timestamp>,
    /// Lines or attempts in all; `evidence` holds at most [`crate::limits::EVIDENCE_LINES_MAX`] of them.
    pub count: u64,
    /// Lines that it rests on.
    pub evidence: Vec<Evidence>,
    /// The threshold that was passed, in words and numbers.
    pub threshold: String,
    /// What is usual here, in words and numbers; empty where a rule has none.
    pub baseline: String,
    /// What would show that it is nothing.
    pub disproof: String,
    /// What to do.
    pub advice: String,
}

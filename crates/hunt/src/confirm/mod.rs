// SPDX-License-Identifier: Apache-2.0
//! From a match to a finding: the scan is loose on purpose, and what it found counts only after the event
//! that was read from the line agrees.
//!
//! In this order: the field that holds the value ([`field`]), the time for which the indicator holds, warning
//! lists ([`warning`]), the conditions under which its author calls the value legitimate ([`condition`]). How
//! often an indicator matches in one source is counted by [`rate::HitRate`]: what matches everywhere is suspect.

pub mod condition;
pub mod field;
pub mod rate;
pub mod warning;

use model::observable::{Observable, ObservableKind};

use crate::event::{Event, Format};
use crate::indicator::Indicator;
use crate::pattern;
use condition::{Condition, Judgement};
use warning::WarningLists;

/// What became of a match, and why; the reason is a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is no finding.
    Drop(String),
    /// It is one.
    Keep(String),
}

impl Verdict {
    /// Whether it is a finding.
    pub fn is_kept(&self) -> bool {
        matches!(self, Verdict::Keep(_))
    }

    /// Why.
    pub fn reason(&self) -> &str {
        match self {
            Verdict::Drop(reason) | Verdict::Keep(reason) => reason,
        }
    }
}

/// Confirms matches. Built once for a hunt; asked for each match.
#[derive(Debug, Default)]
pub struct Confirm {
    conditions: condition::Conditions,
    lists: WarningLists,
}

impl Confirm {
    /// With the conditions of all indicators, and the lists that the node holds.
    pub fn new(conditions: Vec<Condition>, lists: WarningLists) -> Confirm {
        Confirm { conditions: condition::Conditions::new(conditions), lists }
    }

    /// Conditions that are left out, and why.
    pub fn diagnostics(&self) -> &[model::diagnostic::Diagnostic] {
        self.conditions.diagnostics()
    }

    /// Whether the match of an indicator in an event is a finding. `value` is what was seen, as it prints: of a
    /// domain with its subdomains the whole name.
    ///
    /// ```
    /// use hunt::confirm::Confirm;
    /// use hunt::event::{Event, Format};
    /// use hunt::indicator::read_csv;
    ///
    /// let list = b"value,type\n339f6adf54e6076d069dcaac54fddc25,ja3\n";
    /// let indicator = read_csv(list, "list").indicators.remove(0);
    /// let mut event = Event::default();
    /// event.class.format = Format::Json;
    /// event.fields = serde_json::from_str(r#"{"md5":"339f6adf54e6076d069dcaac54fddc25"}"#).unwrap();
    /// let verdict = Confirm::default().confirm(&indicator, "339f6adf54e6076d069dcaac54fddc25", &event);
    /// assert_eq!(verdict.reason(), "field `md5` holds no ja3");
    /// ```
    pub fn confirm(&self, indicator: &Indicator, value: &str, event: &Event) -> Verdict {
        let kind = indicator.observable.kind();
        let place = if event.class.format == Format::Text || event.fields.is_empty() {
            "the line was not read into fields".to_owned()
        } else {
            match field::judge(kind, value, event) {
                field::Place::Fits(field) => format!("field `{field}` holds it"),
                field::Place::Foreign(field) => {
                    return Verdict::Drop(format!("field `{field}` holds no {}", kind.name()));
                }
                field::Place::Unnamed => "it stands in the line, in no field by itself".to_owned(),
            }
        };
        if let Some((time, until)) = event.time.zip(indicator.valid_until)
            && time >= until
        {
            return Verdict::Drop(format!("the indicator ceased to hold at {until}"));
        }
        if let Some(list) = self.warned(indicator, value) {
            return Verdict::Drop(format!("warning list `{list}` names it"));
        }
        let mut reasons = vec![place];
        if let Some((time, from)) = event.time.zip(indicator.valid_from)
            && time < from
        {
            reasons.push(format!("the line is from before {from}, from when the indicator holds"));
        }
        match self.condition(indicator, event) {
            Judgement::Legitimate(reason) => return Verdict::Drop(reason),
            Judgement::Open(reason) => reasons.push(reason),
            Judgement::Suspicious => {}
        }
        Verdict::Keep(reasons.join("; "))
    }

    /// The warning list that names what was seen, or the indicator itself.
    fn warned(&self, indicator: &Indicator, value: &str) -> Option<&str> {
        if self.lists.is_empty() {
            return None;
        }
        let kind = match indicator.observable.kind() {
            ObservableKind::Cidr => ObservableKind::Ip,
            kind => kind,
        };
        let seen = Observable::parse(kind, value).ok();
        seen.and_then(|seen| self.lists.warns(&seen)).or_else(|| self.lists.warns(&indicator.observable))
    }

    fn condition(&self, indicator: &Indicator, event: &Event) -> Judgement {
        if self.conditions.of(&indicator.id).is_empty() {
            return Judgement::Suspicious;
        }
        let observation = pattern::observation(event, model::time::Timestamp::EPOCH);
        self.conditions.judge(&indicator.id, &observation, &self.lists)
    }
}

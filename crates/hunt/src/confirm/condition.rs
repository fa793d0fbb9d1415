// SPDX-License-Identifier: Apache-2.0
//! Conditions of indicators: when a value is legitimate.
//!
//! The model case is the published JA3 of the COATHANGER trojan: FortiGates make the same TLS handshake when
//! they send their own logs. It is legitimate from a FortiGate, to port 541 or 514, to the vendor or one of
//! its devices. Ports stand in every log, and who is whose does not: that is asked of lists that the member
//! keeps, and where it keeps none the finding stays and says what could not be judged.
//!
//! In STIX a condition stands in the property `x_polder_legitimate` of an indicator, a list of objects:
//! `pattern`, a STIX pattern that the same event must match; `source_in` and `destination_in`, names of
//! lists; `reason`, why it is legitimate then. All that is given must hold.

use std::collections::BTreeMap;

use model::diagnostic::Diagnostic;
use model::observable::{Observable, ObservableKind};
use serde_json::Value;

use super::warning::WarningLists;
use crate::indicator::excerpt;
use crate::limits::{CONDITIONS_MAX, PATTERN_REGEX_BYTES_MAX, PATTERNS_REGEX_BYTES_MAX};
use crate::pattern::{Matcher, Observation, Pattern};

/// When the value of an indicator is legitimate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// STIX id of the indicator.
    pub indicator: String,
    /// What the event must match.
    pub pattern: Option<Pattern>,
    /// Lists of which one must hold the address that the connection comes from.
    pub source_in: Vec<String>,
    /// Lists of which one must hold where it goes.
    pub destination_in: Vec<String>,
    /// Why it is legitimate then.
    pub reason: String,
}

/// What conditions say of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is legitimate, and why.
    Legitimate(String),
    /// It would be, if what is not known here were so; what that is.
    Open(String),
    /// Nothing speaks for it.
    Suspicious,
}

/// Conditions that are ready, by indicator.
#[derive(Debug, Default)]
pub struct Conditions {
    by_indicator: BTreeMap<String, Vec<Ready>>,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Debug)]
struct Ready {
    condition: Condition,
    matcher: Option<Matcher>,
}

impl Conditions {
    /// Makes conditions ready. [`read_conditions`] has refused those whose pattern cannot be matched; one that
    /// comes otherwise is left out, so that it excuses nothing. So are those whose regular expressions are too large
    /// together with those of all before; they are told.
    pub fn new(conditions: Vec<Condition>) -> Conditions {
        Conditions::within(conditions, PATTERNS_REGEX_BYTES_MAX)
    }

    fn within(conditions: Vec<Condition>, most: usize) -> Conditions {
        let mut by_indicator: BTreeMap<String, Vec<Ready>> = BTreeMap::new();
        let (mut diagnostics, mut regex_bytes) = (Vec::new(), 0_usize);
        for condition in conditions {
            let size = condition.pattern.as_ref().map_or(0, Pattern::regex_bytes);
            if size > most.saturating_sub(regex_bytes) {
                let what = format!(
                    "the regular expressions of all conditions would take more than {most} bytes; \
                     one of this indicator is left out"
                );
                let diagnostic = Diagnostic::warning("condition-not-understood", condition.indicator, what);
                diagnostics.push(diagnostic.with_fix("the indicator is hunted for without it"));
                continue;
            }
            regex_bytes += size;
            let matcher = match condition.pattern.as_ref().map(Matcher::new) {
                Some(Err(_)) => continue,
                Some(Ok(matcher)) => Some(matcher),
                None => None,
            };
            let of = by_indicator.entry(condition.indicator.clone()).or_default();
            of.push(Ready { condition, matcher });
        }
        Conditions { by_indicator, diagnostics }
    }

    /// Conditions that are left out, and why.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    pub(super) fn of(&self, indicator: &str) -> &[impl Sized] {
        self.by_indicator.get(indicator).map_or(&[][..], Vec::as_slice)
    }

    /// What the conditions of an indicator say of an event.
    pub fn judge(&self, indicator: &str, observation: &Observation, lists: &WarningLists) -> Judgement {
        let mut judgement = Judgement::Suspicious;
        for ready in self.by_indicator.get(indicator).map_or(&[][..], Vec::as_slice) {
            match ready.judge(observation, lists) {
                Judgement::Legitimate(reason) => return Judgement::Legitimate(reason),
                open @ Judgement::Open(_) => judgement = open,
                Judgement::Suspicious => {}
            }
        }
        judgement
    }
}

impl Ready {
    fn judge(&self, observation: &Observation, lists: &WarningLists) -> Judgement {
        if let Some(matcher) = &self.matcher {
            let matched = matcher.matched(std::slice::from_ref(observation));
            if !matches!(matched, Ok(Some(_))) {
                return Judgement::Suspicious;
            }
        }
        let mut missing = Vec::new();
        for (end, names) in
            [("src_ref", &self.condition.source_in), ("dst_ref", &self.condition.destination_in)]
        {
            if names.is_empty() {
                continue;
            }
            let known: Vec<&str> = names.iter().map(String::as_str).filter(|name| lists.has(name)).collect();
            let is_in = |at: &Observable| known.iter().any(|name| lists.holds(name, at));
            if ends(observation, end).iter().any(is_in) {
                continue;
            }
            let unknown = names.iter().filter(|name| !lists.has(name)).map(|name| format!("`{name}`"));
            let before = missing.len();
            missing.extend(unknown);
            if missing.len() == before {
                return Judgement::Suspicious;
            }
        }
        let reason = &self.condition.reason;
        if missing.is_empty() {
            return Judgement::Legitimate(format!("legitimate: {reason}"));
        }
        Judgement::Open(format!(
            "could be legitimate ({reason}), which the list {} would tell; import one with `polder warninglists import`",
            missing.join(" and ")
        ))
    }
}

/// Addresses and names at one end of an event's connections.
fn ends(observation: &Observation, end: &str) -> Vec<Observable> {
    let value = |object: &Value| {
        let id = object.get(end)?.as_str()?;
        let value = observation.objects.get(id)?.get("value")?.as_str()?.to_owned();
        let address = Observable::parse(ObservableKind::Ip, &value);
        address.or_else(|_| Observable::parse(ObservableKind::Domain, &value)).ok()
    };
    observation.objects.values().filter_map(value).collect()
}

/// Reads `x_polder_legitimate` of an indicator object. Diagnostics: `condition-not-understood`; an indicator
/// whose condition is not understood is hunted for without it, as a finding too many is better than none.
pub fn read_conditions(object: &Value, indicator: &str) -> (Vec<Condition>, Vec<Diagnostic>) {
    let (mut conditions, mut diagnostics) = (Vec::new(), Vec::new());
    let Some(list) = object.get("x_polder_legitimate") else { return (conditions, diagnostics) };
    let mut refuse = |what: String| {
        diagnostics.push(
            Diagnostic::warning("condition-not-understood", indicator, what)
                .with_fix("the indicator is hunted for without it"),
        );
    };
    let Some(list) = list.as_array() else {
        refuse("x_polder_legitimate is no list".to_owned());
        return (conditions, diagnostics);
    };
    let mut regex_bytes = 0_usize;
    for (nth, value) in list.iter().enumerate() {
        if nth >= CONDITIONS_MAX {
            refuse(format!("x_polder_legitimate has more than {CONDITIONS_MAX} conditions"));
            break;
        }
        match Condition::from_json(value, indicator) {
            Ok(condition) => {
                let size = condition.pattern.as_ref().map_or(0, Pattern::regex_bytes);
                regex_bytes = regex_bytes.saturating_add(size);
                if regex_bytes > PATTERN_REGEX_BYTES_MAX {
                    refuse(format!(
                        "condition {}: the regular expressions of all would take more than {PATTERN_REGEX_BYTES_MAX} \
                         bytes",
                        nth + 1
                    ));
                    break;
                }
                conditions.push(condition);
            }
            Err(what) => refuse(format!("condition {}: {what}", nth + 1)),
        }
    }
    (conditions, diagnostics)
}

impl Condition {
    /// Reads one of `x_polder_legitimate`; the error says what is not understood.
    pub fn from_json(value: &Value, indicator: &str) -> Result<Condition, String> {
        let object = value.as_object().ok_or("it is no object")?;
        let known = ["pattern", "source_in", "destination_in", "reason"];
        // What is not understood could narrow the condition: then it would excuse too much.
        if let Some(key) = object.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`{}` is not known", excerpt(key)));
        }
        let names = |key: &str| match object.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(names)) => {
                let texts = names.iter().map(|name| name.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or(format!("{key} holds other than names of lists"))
            }
            Some(_) => Err(format!("{key} is no list")),
        };
        let pattern = match object.get("pattern") {
            None => None,
            Some(Value::String(text)) => {
                let pattern = Pattern::parse(text).map_err(|e| e.to_string())?;
                let matcher = Matcher::new(&pattern).map_err(|e| e.to_string())?;
                if !matcher.is_single() {
                    return Err("its pattern asks for more than one observation".to_owned());
                }
                Some(pattern)
            }
            Some(_) => return Err("pattern is no text".to_owned()),
        };
        let (source_in, destination_in) = (names("source_in")?, names("destination_in")?);
        if pattern.is_none() && source_in.is_empty() && destination_in.is_empty() {
            return Err("it asks for nothing".to_owned());
        }
        let reason = object.get("reason").and_then(Value::as_str).unwrap_or("its author says so");
        Ok(Condition {
            indicator: indicator.to_owned(),
            pattern,
            source_in,
            destination_in,
            reason: excerpt(reason),
        })
    }

    /// As it stands in `x_polder_legitimate`.
    pub fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        if let Some(pattern) = &self.pattern {
            object.insert("pattern".to_owned(), Value::from(pattern.to_string()));
        }
        for (key, names) in [("source_in", &self.source_in), ("destination_in", &self.destination_in)] {
            if !names.is_empty() {
                object.insert(key.to_owned(), Value::from(names.clone()));
            }
        }
        object.insert("reason".to_owned(), Value::from(self.reason.as_str()));
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A condition is a pattern, too, and an indicator may have a hundred.
    #[test]
    fn conditions_of_costly_expressions_are_bounded() {
        let costly = [r"[x:y MATCHES '\\w{15}']"; 9].join(" OR ");
        let condition = |pattern: &str| json!({ "pattern": pattern, "reason": "r" });
        let object = json!({ "x_polder_legitimate": [condition("[x:y = 1]"), condition(&costly), condition(&costly)] });
        let (read, said) = read_conditions(&object, "indicator--1");
        let said: Vec<_> = said.iter().map(|d| (d.code, d.place.as_str())).collect();
        assert_eq!((read.len(), said), (2, vec![("condition-not-understood", "indicator--1")]));
        let conditions = Conditions::within(read, 1024 * 1024);
        let said: Vec<_> = conditions.diagnostics().iter().map(|d| (d.code, d.place.as_str())).collect();
        assert_eq!(
            said,
            [("condition-not-understood", "indicator--1")],
            "nor may those of all indicators together"
        );
        assert_eq!(conditions.of("indicator--1").len(), 1, "it excuses nothing, and the other does");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Rules that are run together: correlations know their rules, filters are applied, each log source has its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::diagnostic::Diagnostic;

use super::correlator::Plan;
use super::header::{Header, Kind};
use super::load::Rule;
use super::prefilter::Prefilter;
use super::sigma::{self, Body, Compiled, Filter};
use super::sources::{Facets, facets, facets_of_class};
use super::view::View;
use crate::event::{Event, SourceClass};
use crate::limits::RULES_MAX;

/// Compiled rules, shared by all threads.
pub struct Rules {
    pub(super) entries: Vec<Entry>,
    pub(super) correlations: Vec<CorrelationEntry>,
    pub(super) plans: Arc<[Plan]>,
    routes: Mutex<HashMap<Facets, Arc<Route>>>,
}

/// A rule over single events.
pub(super) struct Entry {
    pub header: Header,
    pub compiled: Arc<Compiled>,
    /// Correlations that count its matches: (which, as which of their rules).
    pub feeds: Vec<(u32, u16)>,
    pub told: bool,
}

/// A correlation.
pub(super) struct CorrelationEntry {
    pub header: Header,
    pub told: bool,
}

/// The rules of one log source.
pub(super) struct Route {
    /// By their places in [`Rules::entries`].
    pub rules: Vec<u32>,
    pub prefilter: Prefilter,
}

/// What of the rules given is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Rules over single events.
    pub rules: usize,
    /// Correlations.
    pub correlations: usize,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("rules", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Rules {
    /// Puts rules together. What does not fit is left out with a diagnostic: an id that stands twice, a
    /// correlation that names a rule which is not there or itself, a filter for rules that are not there.
    pub fn new(rules: Vec<Rule>) -> (Rules, Vec<Diagnostic>) {
        let mut said = Vec::new();
        let rules = distinct(rules, &mut said);
        let mut filters: Vec<(&Header, &Filter)> = Vec::new();
        let mut correlations = Vec::new();
        let mut entries = Vec::new();
        for rule in &rules {
            match &rule.body {
                Body::Filter(filter) if rule.told => filters.push((&rule.header, filter)),
                Body::Filter(_) => {}
                Body::Correlation(correlation) => correlations.push((rule, Arc::clone(correlation))),
                Body::Rule(compiled, parsed) => {
                    entries.push((rule, Arc::clone(compiled), Arc::clone(parsed)))
                }
            }
        }
        for (rule, compiled, parsed) in &mut entries {
            let of: Vec<&Filter> = filters
                .iter()
                .filter(|(head, filter)| concerns(head, filter, &rule.header))
                .map(|(_, f)| *f)
                .collect();
            if of.is_empty() {
                continue;
            }
            match sigma::filtered(parsed, &of) {
                Ok(with_filters) => *compiled = Arc::new(with_filters),
                Err(message) => said.push(Diagnostic::error(
                    "rule-filter",
                    rule.header.id.clone(),
                    format!("its filters cannot be added: {message}; it runs without them"),
                )),
            }
        }
        let headers: Vec<&Header> = entries.iter().map(|(rule, ..)| &rule.header).collect();
        say_idle_filters(&filters, &headers, &mut said);
        let correlations = resolved(correlations, &headers, &mut said);
        let entries = entries.into_iter().map(|(rule, compiled, _)| Entry {
            header: rule.header.clone(),
            compiled,
            feeds: Vec::new(),
            told: rule.told,
        });
        let mut set = Rules::wired(entries.collect(), correlations);
        set.drop_idle();
        (set, said)
    }

    /// Tells each rule which correlations count it.
    fn wired(
        mut entries: Vec<Entry>,
        correlations: Vec<(&Rule, Arc<super::correlation::Correlation>)>,
    ) -> Rules {
        let mut plans: Vec<Plan> = correlations
            .iter()
            .map(|(_, correlation)| Plan { correlation: Arc::clone(correlation), parents: Vec::new() })
            .collect();
        // Who is named by a correlation is told by itself only if one of them says so.
        let mut generated: HashMap<String, bool> = HashMap::new();
        for (which, (rule, correlation)) in (0_u32..).zip(&correlations) {
            for (nth, name) in (0_u16..).zip(&correlation.rules) {
                if rule.told {
                    *generated.entry(name.clone()).or_default() |= correlation.generate;
                }
                for entry in entries.iter_mut().filter(|entry| entry.header.is_called(name)) {
                    entry.feeds.push((which, nth));
                }
                for ((child, _), plan) in correlations.iter().zip(&mut plans) {
                    if child.header.is_called(name) {
                        plan.parents.push((which, nth, name.clone()));
                    }
                }
            }
        }
        let is_silent =
            |header: &Header| generated.iter().any(|(name, generate)| header.is_called(name) && !generate);
        for entry in &mut entries {
            entry.told &= !is_silent(&entry.header);
        }
        let correlations = correlations
            .into_iter()
            .map(|(rule, _)| CorrelationEntry {
                header: rule.header.clone(),
                told: rule.told && !is_silent(&rule.header),
            })
            .collect();
        Rules { entries, correlations, plans: plans.into(), routes: Mutex::default() }
    }

    /// A rule that is neither told nor counted costs time for nothing.
    fn drop_idle(&mut self) {
        let mut used: Vec<bool> = self.correlations.iter().map(|c| c.told).collect();
        // A correlation serves another that comes to be used; as many rounds as they can be nested.
        for _ in 0..self.plans.len() {
            for (nth, plan) in self.plans.iter().enumerate() {
                let serves =
                    plan.parents.iter().any(|(parent, ..)| used.get(*parent as usize) == Some(&true));
                if let Some(one) = used.get_mut(nth) {
                    *one |= serves;
                }
            }
        }
        for entry in &mut self.entries {
            entry.feeds.retain(|(which, _)| used.get(*which as usize) == Some(&true));
        }
        self.entries.retain(|entry| entry.told || !entry.feeds.is_empty());
    }

    /// How many rules are run.
    pub fn size(&self) -> Size {
        Size {
            rules: self.entries.len(),
            correlations: self.correlations.iter().filter(|correlation| correlation.told).count(),
        }
    }

    /// Whether an event of this class can concern any rule. Where not, its line need not be read into fields.
    pub fn needs(&self, class: &SourceClass) -> bool {
        let facets = facets_of_class(class);
        self.entries.iter().any(|entry| facets.admit(&entry.header.source))
    }

    /// The rules of a log source, made ready at the first event of it.
    pub(super) fn route(&self, facets: &Facets) -> Arc<Route> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(facets) {
            return Arc::clone(route);
        }
        let rules: Vec<u32> = (0_u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| facets.admit(&entry.header.source))
            .map(|(nth, _)| nth)
            .collect();
        let needs = rules.iter().filter_map(|nth| self.entries.get(*nth as usize)).map(|e| &e.compiled.needs);
        let route = Arc::new(Route { prefilter: Prefilter::new(needs, facets.names), rules });
        routes.insert(*facets, Arc::clone(&route));
        route
    }

    /// Ids of all rules that hold of an event, each asked without a look at what it needs: the slow answer with
    /// which the fast one is compared.
    pub fn ask_all(&self, event: &Event, line: &[u8]) -> Vec<String> {
        let facets = facets(event);
        let view = View { event, line, names: facets.names };
        let concerned = self.entries.iter().filter(|entry| entry.told && facets.admit(&entry.header.source));
        concerned
            .filter(|entry| entry.compiled.matcher.matches(&view))
            .map(|entry| entry.header.id.clone())
            .collect()
    }

    /// Heads of all rules and correlations that are run.
    pub fn headers(&self) -> impl Iterator<Item = &Header> {
        self.entries.iter().map(|entry| &entry.header).chain(self.correlations.iter().map(|c| &c.header))
    }
}

/// The first of each id, no more than there may be.
fn distinct(rules: Vec<Rule>, said: &mut Vec<Diagnostic>) -> Vec<Rule> {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::with_capacity(rules.len().min(RULES_MAX));
    for rule in rules {
        let id = rule.header.id.clone();
        if kept.len() >= RULES_MAX {
            let message = format!("there are more than {RULES_MAX} rules; this one is left out");
            said.push(
                Diagnostic::error("rules-too-many", id, message).with_fix("disable what is not needed"),
            );
        } else if seen.insert(id.to_ascii_lowercase()) {
            kept.push(rule);
        } else {
            said.push(Diagnostic::warning(
                "rule-again",
                id,
                "a rule of this id is there already; the first is run",
            ));
        }
    }
    kept
}

/// Whether a filter is for a rule: it names it, or names none and has its log source.
fn concerns(head: &Header, filter: &Filter, rule: &Header) -> bool {
    if rule.kind != Kind::Rule {
        return false;
    }
    let same = |a: &str, b: &str| a.is_empty() || a == b;
    let source = same(&head.source.product, &rule.source.product)
        && same(&head.source.category, &rule.source.category)
        && same(&head.source.service, &rule.source.service);
    source && (filter.rules.is_empty() || filter.rules.iter().any(|name| rule.is_called(name)))
}

fn say_idle_filters(filters: &[(&Header, &Filter)], rules: &[&Header], said: &mut Vec<Diagnostic>) {
    for (head, filter) in filters {
        if !rules.iter().any(|rule| concerns(head, filter, rule)) {
            let message = format!("the filter `{}` fits none of the rules", head.title);
            said.push(
                Diagnostic::warning("rule-filter", head.id.clone(), message)
                    .with_fix("name the rules by their ids, and the log source as they do"),
            );
        }
    }
}

type Counting<'a> = (&'a Rule, Arc<super::correlation::Correlation>);

/// Correlations all of whose rules are there, and that do not rest on themselves.
fn resolved<'a>(
    mut all: Vec<Counting<'a>>,
    rules: &[&Header],
    said: &mut Vec<Diagnostic>,
) -> Vec<Counting<'a>> {
    loop {
        let there = |name: &String, all: &[Counting<'_>]| {
            rules.iter().any(|rule| rule.is_called(name)) || all.iter().any(|(c, _)| c.header.is_called(name))
        };
        let missing = all
            .iter()
            .position(|(_, correlation)| correlation.rules.iter().any(|name| !there(name, &all)))
            .map(|nth| (nth, "rule-unresolved"));
        let Some((nth, code)) = missing.or_else(|| {
            (0..all.len()).find(|nth| rests_on_itself(*nth, &all)).map(|nth| (nth, "rule-circle"))
        }) else {
            return all;
        };
        let (rule, correlation) = all.remove(nth);
        let (message, fix) = if code == "rule-circle" {
            (format!("the correlation `{}` counts itself", rule.header.title), "break the circle")
        } else {
            let names: Vec<&str> =
                correlation.rules.iter().filter(|name| !there(name, &all)).map(String::as_str).collect();
            let names = names.join("`, `");
            let message =
                format!("the correlation `{}` counts `{names}`, which is not there", rule.header.title);
            (message, "import the rule that it names too, or enable it")
        };
        said.push(Diagnostic::error(code, rule.header.id.clone(), message).with_fix(fix));
    }
}

fn rests_on_itself(nth: usize, all: &[Counting<'_>]) -> bool {
    let mut seen = vec![false; all.len()];
    let mut open = vec![nth];
    while let Some(one) = open.pop() {
        let Some((_, correlation)) = all.get(one) else { continue };
        for (child, (rule, _)) in all.iter().enumerate() {
            if !correlation.rules.iter().any(|name| rule.header.is_called(name)) {
                continue;
            }
            if child == nth {
                return true;
            }
            if seen.get(child) == Some(&false) {
                if let Some(mark) = seen.get_mut(child) {
                    *mark = true;
                }
                open.push(child);
            }
        }
    }
    false
}

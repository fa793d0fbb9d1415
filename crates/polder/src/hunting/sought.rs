// SPDX-License-Identifier: Apache-2.0
//! What a hunt looks for: indicators, patterns, rules, detectors; from the node, from files, from the packs that
//! ship with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use hunt::confirm::Confirm;
use hunt::confirm::condition::Condition;
use hunt::confirm::warning::{self, WarningLists};
use hunt::detection::Level;
use hunt::detector;
use hunt::indicator::{Indicator, Reading, SHIPPED, merge_entries, read_csv, read_list};
use hunt::limits::{LIST_BYTES_MAX, PLACE_FILE_BYTES_MAX, RULE_FILE_BYTES_MAX};
use hunt::pattern::{PatternIndicator, PatternSet};
use hunt::report::said::Said;
use hunt::report::{Sought, Summary};
use hunt::rule::{
    self, Choice, Engine, Exception, Kept, PACKS, RegexRoom, Rule, Rules, pack_rules, read_rules_within,
};
use hunt::scan::IndicatorSet;
use hunt::standard::{Markings, read_bundle};
use model::diagnostic::Diagnostic;
use model::id::{SubjectKey, is_stix_id};
use model::observable::ObservableKind;
use sha2::{Digest as _, Sha256};

use crate::cli;
use crate::failure::Failure;
use crate::input::{Input, read_small};
use crate::node::{Node, now};

/// Everything that is looked for.
pub struct Quarry {
    pub set: IndicatorSet,
    pub confirm: Confirm,
    pub patterns: PatternSet,
    /// The rules and how they are run.
    pub rules: (Arc<Rules>, rule::Options),
    /// From which workers are made; `None` where no rule is to be told.
    pub engine: Option<Engine>,
    pub detectors: Option<detector::Options>,
    /// The same for the report.
    pub sought: Sought,
    /// Ids of the patterns that files say or that came with the program, and that the ledger does not: nobody can take
    /// them back.
    pub patterns_of_nobody: BTreeSet<String>,
    /// Ids of the indicators that files say, sorted.
    of_files: Vec<SubjectKey>,
    /// What files say of the markings of their indicators.
    pub markings: Markings,
    /// Whether a file of indicators was named.
    pub from_files: bool,
    /// Whether all indicators came with the program.
    pub shipped: bool,
    /// Whether something of what was named could not be read.
    pub partial: bool,
    /// SHA-256 of all that decides what a log comes to, but for the indicators of the ledger, of which new ones look
    /// back anyway.
    pub asked: [u8; 32],
}

impl Quarry {
    /// Takes out the names of indicators that came from the ledger and that it holds no more: they were withdrawn since the
    /// hunt began.
    pub fn take_out_withdrawn_names(&self, summary: &mut Summary) {
        for (id, facts) in &mut summary.indicators {
            let is_of_file = || self.of_files.binary_search(&SubjectKey::of(id)).is_ok();
            if !facts.held && !facts.shipped && is_stix_id(id) && !is_of_file() {
                facts.name.clear();
            }
        }
    }

    /// What the files that were named say of objects; nothing where none was.
    pub fn said_of<'i>(&self, ids: impl Iterator<Item = &'i String>) -> Vec<Said> {
        if !self.from_files {
            return Vec::new();
        }
        let ids: BTreeSet<&String> = ids.filter(|id| is_stix_id(id)).collect();
        let said = |id: &&String| self.markings.of(id).map(|(marking, refs)| (marking, refs.to_vec()));
        ids.into_iter().map(|id| Said { indicator: id.clone(), marking: said(&id) }).collect()
    }
}

/// Gathers what the arguments and the node say.
pub fn quarry(args: &cli::Quarry, node: Option<&Node>) -> Result<Quarry, Failure> {
    let mut gathered = Gathered::default();
    let choice = Choice { min_level: args.min_level, without_packs: args.no_packs };
    match node {
        Some(node) => gathered.of_node(node, &choice)?,
        None => gathered.packs(&choice),
    }
    for path in &args.indicators {
        gathered.list(path)?;
    }
    for path in &args.rules {
        gathered.rules_below(path, args.min_level)?;
    }
    // Whoever has indicators has better ones, or has imported these.
    if !args.no_packs && gathered.indicators.is_empty() && gathered.patterns.is_empty() {
        gathered.shipped();
        gathered.only_shipped = true;
    }
    gathered.finish(args, node)
}

#[derive(Default)]
struct Gathered {
    indicators: Vec<Indicator>,
    patterns: Vec<PatternIndicator>,
    /// How many of the patterns, the first ones, are the ledger's.
    of_ledger: usize,
    /// The same of the indicators.
    indicators_of_ledger: usize,
    of_files: Vec<SubjectKey>,
    conditions: Vec<Condition>,
    markings: Markings,
    lists: WarningLists,
    rules: Vec<Rule>,
    exceptions: Vec<Exception>,
    sought: Sought,
    refused: BTreeMap<String, u64>,
    only_shipped: bool,
    partial: bool,
    /// For the rules that are named.
    regex_room: RegexRoom,
    /// Of lists and files with places.
    hash: Sha256,
}

impl Gathered {
    fn of_node(&mut self, node: &Node, choice: &Choice) -> Result<(), Failure> {
        self.indicators.extend(node.store.read(hunt::query::indicators)?);
        self.patterns.extend(node.store.read(hunt::query::patterns)?);
        self.of_ledger = self.patterns.len();
        self.indicators_of_ledger = self.indicators.len();
        self.conditions.extend(node.store.read(hunt::query::conditions)?);
        let (lists, said) = node.store.read(warning::load)?;
        said.iter().for_each(|d| eprintln!("{d}"));
        self.lists = lists;
        let chosen = node.store.read(|read| rule::chosen(read, choice, now()))?;
        self.said(&chosen.diagnostics);
        self.rules.extend(chosen.rules);
        self.exceptions = chosen.exceptions;
        self.sought.origins.push("the node's rules".to_owned());
        if !self.indicators.is_empty() || !self.patterns.is_empty() {
            self.sought.origins.push("the node's ledger".to_owned());
        }
        Ok(())
    }

    fn list(&mut self, path: &Path) -> Result<(), Failure> {
        let reading = read_indicators(path, &mut self.hash)?;
        reading.diagnostics.iter().for_each(|d| eprintln!("{d}"));
        self.partial |= reading.refused > 0;
        if reading.indicators.is_empty() && reading.patterns.is_empty() {
            return Err(Failure::usage(format!(
                "there is no indicator in {}; nothing was hunted",
                path.display()
            )));
        }
        let ids = reading.indicators.iter().map(|one| &one.id).filter(|id| is_stix_id(id));
        self.of_files.extend(ids.map(|id| SubjectKey::of(id)));
        self.indicators.extend(reading.indicators);
        self.patterns.extend(reading.patterns);
        self.conditions.extend(reading.conditions);
        self.markings.extend(&reading.markings);
        self.sought.origins.push(path.display().to_string());
        Ok(())
    }

    /// Rules that are named are told whatever their level, unless one is asked for.
    fn rules_below(&mut self, path: &Path, min_level: Option<Level>) -> Result<(), Failure> {
        let before = self.rules.len();
        let listed = super::files::collect(&[path.to_owned()])?;
        if let Some((_, why)) = listed.unlisted.first() {
            return Err(Failure::machine(why.clone()));
        }
        for file in listed.paths.iter().filter(|file| *file == path || is_yaml(file)) {
            let mut bytes = Vec::new();
            let fault = |e| Failure::io("read", file, &e);
            let limit = RULE_FILE_BYTES_MAX as u64 + 1;
            fs::File::open(file).map_err(fault)?.take(limit).read_to_end(&mut bytes).map_err(fault)?;
            let loading = read_rules_within(&bytes, &file.display().to_string(), &mut self.regex_room);
            self.said(&loading.diagnostics);
            self.rules.extend(loading.rules.into_iter().map(|mut rule| {
                rule.told = min_level.is_none_or(|least| rule.header.level >= least);
                rule
            }));
        }
        if self.rules.len() == before {
            return Err(Failure::usage(format!("there is no rule in {}", path.display())));
        }
        self.sought.origins.push(path.display().to_string());
        Ok(())
    }

    fn packs(&mut self, choice: &Choice) {
        for pack in PACKS {
            let (rules, said) = pack_rules(pack);
            self.said(&said);
            let origin = format!("pack {}", pack.name);
            for rule in rules {
                let mut kept = Kept { rule, origin: origin.clone(), imported: None };
                kept.rule.told = choice.tells(&kept, None);
                self.rules.push(kept.rule);
            }
            if !choice.without_packs {
                self.sought.origins.push(origin);
            }
        }
    }

    /// The indicators of the packs.
    fn shipped(&mut self) {
        for shipped in SHIPPED {
            let reading = shipped.read();
            self.indicators.extend(reading.indicators);
            self.patterns.extend(reading.patterns);
            self.conditions.extend(reading.conditions);
            self.sought.origins.push(format!("indicators of pack {}", shipped.pack));
        }
    }

    fn said(&mut self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            eprintln!("{diagnostic}");
            *self.refused.entry(diagnostic.code.to_owned()).or_default() += 1;
        }
    }

    fn finish(mut self, args: &cli::Quarry, node: Option<&Node>) -> Result<Quarry, Failure> {
        let told = self.rules.iter().filter(|rule| rule.told).count();
        self.hash.update(format!(
            "{} {} {:?}",
            env!("CARGO_PKG_VERSION"),
            self.only_shipped,
            self.exceptions
        ));
        for list in self.lists.lists() {
            self.hash.update(format!("{} {} {}\n", list.name, list.version, list.entries));
        }
        for rule in &self.rules {
            self.hash.update(format!("{} {} {}\n", rule.header.id, rule.told, rule.text.len()));
            self.hash.update(rule.text.as_bytes());
        }
        let (rules, said) = Rules::new(std::mem::take(&mut self.rules));
        self.said(&said);
        let set = IndicatorSet::build(match args.indicators.is_empty() {
            true => self.indicators,
            false => merge_entries(self.indicators, self.indicators_of_ledger, &mut self.markings),
        });
        set.diagnostics().iter().for_each(|d| eprintln!("{d}"));
        self.of_files.sort_unstable();
        let ids = |some: &[PatternIndicator]| some.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
        let (of_ledger, others) = self.patterns.split_at(self.of_ledger.min(self.patterns.len()));
        let patterns_of_nobody = &ids(others) - &ids(of_ledger);
        let patterns = PatternSet::build(self.patterns);
        patterns.diagnostics().iter().for_each(|d| eprintln!("{d}"));
        let confirm = Confirm::new(self.conditions, self.lists);
        confirm.diagnostics().iter().for_each(|d| eprintln!("{d}"));
        let mut kinds: BTreeMap<ObservableKind, u64> = BTreeMap::new();
        for indicator in set.indicators() {
            *kinds.entry(indicator.observable.kind()).or_default() += 1;
        }
        let hash = &mut self.hash;
        let detectors = (!args.no_packs).then(|| detectors(args, node, hash)).transpose()?;
        let asked = self.hash.finalize().into();
        let mut sought = self.sought;
        sought.indicators = kinds.into_iter().collect();
        sought.patterns = patterns.len() as u64;
        sought.rules = told as u64;
        sought.rules_refused = self.refused.into_iter().collect();
        if detectors.is_some() {
            let told = |d: &detector::Detector| (d.id.to_owned(), d.finds.to_owned());
            sought.detectors = detector::DETECTORS.iter().map(told).collect();
        }
        if sought.is_empty() && node.is_none() {
            return Err(Failure::usage(
                "name what to hunt for: --data DIR for a node's indicators, --indicators FILE for a list, --rules FILE \
                 for Sigma rules, or leave --no-packs out",
            ));
        }
        let options = rule::Options { exceptions: self.exceptions, ..rule::Options::archive(now()) };
        let rules = (Arc::new(rules), options);
        Ok(Quarry {
            confirm,
            // Without a rule that is told no line need be read for the rules.
            engine: (told > 0).then(|| Engine::new(Arc::clone(&rules.0), rules.1.clone())),
            rules,
            set,
            patterns,
            detectors,
            sought,
            patterns_of_nobody,
            of_files: self.of_files,
            markings: self.markings,
            from_files: !args.indicators.is_empty(),
            shipped: self.only_shipped,
            partial: self.partial,
            asked,
        })
    }
}

/// What the detectors are told besides events.
fn detectors(
    args: &cli::Quarry,
    node: Option<&Node>,
    hash: &mut Sha256,
) -> Result<detector::Options, Failure> {
    let mut options = detector::Options::default();
    if !args.places.is_empty() {
        let mut places = detector::PlaceFiles::default();
        for path in &args.places {
            let bytes = read_small(path, PLACE_FILE_BYTES_MAX)?;
            hash.update(&bytes);
            let added = places.add(&path.display().to_string(), bytes);
            added.map_err(|e| Failure::usage(e.to_string()))?;
        }
        options.places = Some(Arc::new(places));
    }
    options.exits.clone_from(&args.exits);
    if let Some(node) = node {
        options.crown = node.store.read(detector::crown::list)?;
        hash.update(format!("{:?}", options.crown));
    }
    Ok(options)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"))
}

fn read_indicators(path: &Path, hash: &mut Sha256) -> Result<Reading, Failure> {
    let mut input = Input::open(path, &std::env::temp_dir())?;
    let mut bytes = Vec::new();
    let limit = LIST_BYTES_MAX as u64 + 1;
    input.reader()?.take(limit).read_to_end(&mut bytes).map_err(|e| Failure::io("read", path, &e))?;
    hash.update(&bytes);
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let is_json = matches!(text.iter().find(|b| !b.is_ascii_whitespace()), Some(b'{' | b'['));
    let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    Ok(match (is_json, is_csv) {
        (true, _) => read_bundle(&bytes, &input.name),
        (false, true) => read_csv(&bytes, &input.name),
        (false, false) => read_list(&bytes, &input.name),
    })
}

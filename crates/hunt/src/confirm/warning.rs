// SPDX-License-Identifier: Apache-2.0
//! Warning lists (the format of MISP): values that are well known and harmless, so that an indicator with one
//! of them is a mistake. A list without `matching_attributes` warns of nothing; it is a list of the member's
//! own, which conditions may ask.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use aho_corasick::AhoCorasick;
use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value as Sql};
use model::diagnostic::Diagnostic;
use model::observable::{Network, Observable, ObservableKind};
use model::time::Timestamp;
use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::Value;

use crate::indicator::excerpt;
use crate::limits::{
    REGEX_BYTES_MAX, WARNING_LIST_BYTES_MAX, WARNING_LIST_ENTRIES_MAX, WARNING_LIST_REGEXES_MAX,
    WARNING_LISTS_MAX,
};

/// The lists that a node holds, as they were received.
static LISTS: Table = Table {
    name: "hunt_warninglists",
    kind: TableKind::Local,
    columns: &["name", "title", "version", "imported", "body"],
    sqlite: &["CREATE TABLE hunt_warninglists (
            name TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, version INTEGER NOT NULL,
            imported INTEGER NOT NULL, body BLOB NOT NULL
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_warninglists (
            name TEXT COLLATE "C" NOT NULL PRIMARY KEY, title TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL,
            imported BIGINT NOT NULL, body BYTEA NOT NULL
        )"#],
};

/// The tables of warning lists: local state.
pub static TABLES: &[&Table] = &[&LISTS];

/// One list.
#[derive(Debug)]
pub struct WarningList {
    /// Short name: that of its folder.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: i64,
    /// Kinds that it warns of; none for a member's own list.
    pub kinds: BTreeSet<ObservableKind>,
    /// Entries that were read.
    pub entries: usize,
    entry: Entries,
}

#[derive(Debug)]
enum Entries {
    Networks(Networks),
    /// Names, with all names under them.
    Hostnames(HashSet<String>),
    Regex(RegexSet),
    Strings(HashSet<String>),
    Substrings(Option<AhoCorasick>),
}

/// Networks, sorted, none inside another.
#[derive(Debug, Default)]
struct Networks(Vec<(u128, u128)>);

impl Networks {
    fn new(mut ranges: Vec<(u128, u128)>) -> Networks {
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Networks(merged)
    }

    fn hold(&self, first: u128, last: u128) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= first);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, end)| last <= *end)
    }
}

/// Reads one `list.json`; `name` is its folder's. The diagnostics name entries that were not read: of an error
/// nothing was.
///
/// ```
/// use hunt::confirm::warning::read_warning_list;
/// use model::observable::Observable;
///
/// let json = br#"{"name":"Known resolvers","type":"cidr","version":1,"list":["192.0.2.53/32"],
///   "matching_attributes":["ip-src","ip-dst"]}"#;
/// let (list, diagnostics) = read_warning_list(json, "resolvers");
/// assert!(diagnostics.is_empty() && list.unwrap().holds(&Observable::guess("192.0.2.53").unwrap()));
/// ```
pub fn read_warning_list(bytes: &[u8], name: &str) -> (Option<WarningList>, Vec<Diagnostic>) {
    let refuse = |code, what: String| (None, vec![Diagnostic::error(code, name, what)]);
    if bytes.len() > WARNING_LIST_BYTES_MAX {
        return refuse("list-too-large", format!("the list has more than {WARNING_LIST_BYTES_MAX} bytes"));
    }
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return refuse("not-json", format!("it is not JSON: {error}")),
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let Some(list) = value.get("list").and_then(Value::as_array) else {
        return refuse("warning-list-not-understood", "it has no `list`".to_owned());
    };
    if list.len() > WARNING_LIST_ENTRIES_MAX {
        return refuse("list-too-long", format!("the list has more than {WARNING_LIST_ENTRIES_MAX} entries"));
    }
    let mut diagnostics = Vec::new();
    let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    if texts.len() < list.len() {
        let what = format!("{} entries are no texts and were not read", list.len() - texts.len());
        diagnostics.push(Diagnostic::warning("warning-list-entry", name, what));
    }
    let kind = text("type").unwrap_or("string");
    let (entry, entries) = match entries(kind, &texts, name, &mut diagnostics) {
        Ok(read) => read,
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    let attributes = value.get("matching_attributes").and_then(Value::as_array);
    let kinds = attributes.into_iter().flatten().filter_map(Value::as_str).flat_map(kinds_of).collect();
    let list = WarningList {
        name: name.to_owned(),
        title: excerpt(text("name").unwrap_or(name)),
        version: value.get("version").and_then(Value::as_i64).unwrap_or(0),
        kinds,
        entries,
        entry,
    };
    (Some(list), diagnostics)
}

fn entries(
    kind: &str,
    texts: &[&str],
    name: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(Entries, usize), Diagnostic> {
    let too_large = |what: String| {
        Diagnostic::error("list-too-large", name, what)
            .with_fix("split the list into several of the same type")
    };
    let lower = || texts.iter().map(|text| text.trim().to_ascii_lowercase()).filter(|text| !text.is_empty());
    Ok(match kind {
        "cidr" => {
            let networks: Vec<_> = texts.iter().filter_map(|text| network(text)).collect();
            if networks.len() < texts.len() {
                let what =
                    format!("{} entries are no networks and were not read", texts.len() - networks.len());
                diagnostics.push(Diagnostic::warning("warning-list-entry", name, what));
            }
            let count = networks.len();
            (Entries::Networks(Networks::new(networks)), count)
        }
        "hostname" => {
            let names: HashSet<String> = lower().map(|text| text.trim_matches('.').to_owned()).collect();
            let count = names.len();
            (Entries::Hostnames(names), count)
        }
        "string" => {
            // Many lists of addresses are of this type.
            let names: HashSet<String> = lower().collect();
            let count = names.len();
            (Entries::Strings(names), count)
        }
        "substring" => {
            let parts: Vec<String> = lower().collect();
            let finder = AhoCorasick::new(&parts)
                .map_err(|error| too_large(format!("its parts cannot be looked for together: {error}")))?;
            (Entries::Substrings(Some(finder).filter(|_| !parts.is_empty())), parts.len())
        }
        "regex" => {
            if texts.len() > WARNING_LIST_REGEXES_MAX {
                return Err(too_large(format!("it has more than {WARNING_LIST_REGEXES_MAX} expressions")));
            }
            let usable =
                |regex: &String| RegexBuilder::new(regex).size_limit(REGEX_BYTES_MAX).build().is_ok();
            let (good, bad): (Vec<_>, Vec<_>) = texts.iter().map(|text| regex_of(text)).partition(usable);
            if !bad.is_empty() {
                let what = format!("{} regular expressions cannot be used", bad.len());
                diagnostics.push(Diagnostic::warning("warning-list-entry", name, what));
            }
            let count = good.len();
            let set =
                RegexSetBuilder::new(good).size_limit(REGEX_BYTES_MAX * 10).build().map_err(|error| {
                    too_large(format!("its expressions cannot be looked for together: {error}"))
                })?;
            (Entries::Regex(set), count)
        }
        _ => {
            let what =
                format!("type `{}` is none of cidr, hostname, regex, string, substring", excerpt(kind));
            return Err(Diagnostic::error("warning-list-not-understood", name, what));
        }
    })
}

fn network(text: &str) -> Option<(u128, u128)> {
    let text = text.trim();
    if let Some(network) = Network::parse(text) {
        return Some((network.first(), network.last()));
    }
    let address = model::observable::parse_address(text)?;
    Some((address, address))
}

/// `/pattern/flags` of JavaScript, as a pattern.
fn regex_of(text: &str) -> String {
    let Some((pattern, flags)) = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return text.to_owned();
    };
    if flags.contains('i') { format!("(?i){pattern}") } else { pattern.to_owned() }
}

/// Kinds of MISP's attribute types, of combined ones each.
fn kinds_of(attribute: &str) -> Vec<ObservableKind> {
    attribute
        .split('|')
        .filter_map(|part| {
            Some(match part {
                "ip" | "ip-dst" | "ip-src" => ObservableKind::Ip,
                "domain" | "hostname" => ObservableKind::Domain,
                "uri" | "url" => ObservableKind::Url,
                "email" | "email-dst" | "email-src" | "target-email" => ObservableKind::Email,
                "md5" => ObservableKind::Md5,
                "sha1" => ObservableKind::Sha1,
                "sha256" => ObservableKind::Sha256,
                "sha384" => ObservableKind::Sha384,
                "sha512" => ObservableKind::Sha512,
                "ja3-fingerprint-md5" => ObservableKind::Ja3,
                "user-agent" => ObservableKind::UserAgent,
                _ => return None,
            })
        })
        .collect()
}

impl WarningList {
    /// Whether the list holds a value, whatever kinds it warns of. A network is held where all of it is.
    pub fn holds(&self, observable: &Observable) -> bool {
        let text = || observable.display().to_ascii_lowercase();
        match &self.entry {
            Entries::Networks(networks) => match (observable.address(), observable.network()) {
                (_, Some(network)) => networks.hold(network.first(), network.last()),
                (Some(address), None) => networks.hold(address, address),
                (None, None) => false,
            },
            Entries::Hostnames(names) => hostname(observable).is_some_and(|host| {
                let mut rest = host.as_str();
                loop {
                    if names.contains(rest) {
                        return true;
                    }
                    match rest.split_once('.') {
                        Some((_, parent)) => rest = parent,
                        None => return false,
                    }
                }
            }),
            Entries::Strings(values) => {
                values.contains(&text()) || url_host(observable).is_some_and(|host| values.contains(&host))
            }
            Entries::Substrings(finder) => finder.as_ref().is_some_and(|finder| finder.is_match(&text())),
            Entries::Regex(set) => set.is_match(&observable.display()),
        }
    }
}

/// The name that an observable is about.
fn hostname(observable: &Observable) -> Option<String> {
    match observable.kind() {
        ObservableKind::Domain => Some(observable.display().to_ascii_lowercase()),
        ObservableKind::Email => {
            observable.display().rsplit_once('@').map(|(_, host)| host.to_ascii_lowercase())
        }
        ObservableKind::Url => url_host(observable),
        _ => None,
    }
}

fn url_host(observable: &Observable) -> Option<String> {
    let text = (observable.kind() == ObservableKind::Url).then(|| observable.display())?;
    // The canonical form has no scheme.
    let host = text.split(['/', '?', ':']).next()?.to_ascii_lowercase();
    // Of a URL with more than a host, a list of hosts says nothing: harmless hosts carry harmful files.
    let path = text.get(host.len()..).unwrap_or_default();
    matches!(path, "" | "/").then_some(host)
}

/// All lists of a node.
#[derive(Debug, Default)]
pub struct WarningLists {
    lists: Vec<WarningList>,
}

impl WarningLists {
    /// Of these lists; a later one of the same name stands for the earlier.
    pub fn new(lists: Vec<WarningList>) -> WarningLists {
        let mut by_name: BTreeMap<String, WarningList> = BTreeMap::new();
        for list in lists {
            by_name.insert(list.name.clone(), list);
        }
        WarningLists { lists: by_name.into_values().collect() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The lists, by name.
    pub fn lists(&self) -> &[WarningList] {
        &self.lists
    }

    /// The name of a list that warns of a value.
    pub fn warns(&self, observable: &Observable) -> Option<&str> {
        let kind = match observable.kind() {
            ObservableKind::Cidr => ObservableKind::Ip,
            kind => kind,
        };
        let list = self.lists.iter().find(|list| list.kinds.contains(&kind) && list.holds(observable))?;
        Some(&list.name)
    }

    /// Whether there is a list of this name.
    pub fn has(&self, name: &str) -> bool {
        self.lists.iter().any(|list| list.name == name)
    }

    /// Whether the list of this name holds a value.
    pub fn holds(&self, name: &str, observable: &Observable) -> bool {
        self.lists.iter().any(|list| list.name == name && list.holds(observable))
    }
}

/// Keeps a list that [`read_warning_list`] could read, in place of an older one of its name. Answers whether it is
/// kept: at most [`WARNING_LISTS_MAX`] are.
pub fn store(tx: &mut dyn Tx, list: &WarningList, body: &[u8], now: Timestamp) -> Result<bool, EngineError> {
    let mut others = 0;
    tx.query(
        "SELECT count(*) FROM hunt_warninglists WHERE name <> ?1",
        &[Sql::Text(&list.name)],
        &mut |row| {
            others = row.int(0)?;
            Ok(Flow::Stop)
        },
    )?;
    if usize::try_from(others).unwrap_or(usize::MAX) >= WARNING_LISTS_MAX {
        return Ok(false);
    }
    let title = list.title.replace('\0', "\u{FFFD}");
    tx.execute(
        "INSERT INTO hunt_warninglists (name, title, version, imported, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET title = excluded.title, version = excluded.version,
             imported = excluded.imported, body = excluded.body",
        &[
            Sql::Text(&list.name),
            Sql::Text(&title),
            Sql::Int(list.version),
            Sql::Int(now.micros()),
            Sql::Blob(body),
        ],
    )?;
    Ok(true)
}

/// Takes a list out; whether there was one.
pub fn remove(tx: &mut dyn Tx, name: &str) -> Result<bool, EngineError> {
    Ok(tx.execute("DELETE FROM hunt_warninglists WHERE name = ?1", &[Sql::Text(name)])? > 0)
}

/// The lists that the node holds, and what could not be read of them.
pub fn load(read: &mut dyn Read) -> Result<(WarningLists, Vec<Diagnostic>), EngineError> {
    let (mut lists, mut diagnostics) = (Vec::new(), Vec::new());
    read.query("SELECT name, body FROM hunt_warninglists ORDER BY name", &[], &mut |row| {
        if lists.len() >= WARNING_LISTS_MAX {
            return Ok(Flow::Stop);
        }
        let (list, said) = read_warning_list(row.blob(1)?, row.text(0)?);
        lists.extend(list);
        diagnostics.extend(said);
        Ok(Flow::Continue)
    })?;
    Ok((WarningLists::new(lists), diagnostics))
}

// SPDX-License-Identifier: Apache-2.0
//! The set of indicators in the form that the scan asks.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::diagnostic::Diagnostic;
use model::observable::{Network, Observable, ObservableKind, name_to_ascii, parse_address};

use super::filter::{self, Filter};
use super::kept::{Kept, Names};
use super::named::Named;
use super::table::{self, Entry, Labels, Table, is_end};
use crate::indicator::{Indicator, Mode};

/// Indicators, compiled for the scan.
#[derive(Debug, Default)]
pub struct IndicatorSet {
    kept: Kept,
    /// Chains: the next indicator with the same value and mode.
    next: Vec<u32>,
    /// What a token must pass before anything else is asked.
    pub(super) filter: Filter,
    /// Names, hashes and JA4 by their text.
    pub(super) texts: Table,
    /// Last labels of the names.
    pub(super) labels: Labels,
    addresses: Addresses,
    pub(super) networks: Networks,
    /// URLs and e-mail addresses by their canonical bytes.
    pub(super) urls: HashMap<Box<[u8]>, u32>,
    pub(super) emails: HashMap<Box<[u8]>, u32>,
    pub(super) has_addresses: bool,
    pub(super) has_digests: bool,
    pub(super) has_ja4: bool,
    /// Accounts and user agents.
    pub(crate) named: Named,
    diagnostics: Vec<Diagnostic>,
}

impl IndicatorSet {
    /// Compiles indicators. Those that cannot be hunted for are kept and named by [`IndicatorSet::diagnostics`].
    /// Accounts and user agents have no shape in raw text: [`super::Scanner`] passes them by, a hunt finds them in the
    /// fields of events.
    pub fn build(indicators: Vec<Indicator>) -> IndicatorSet {
        let mut builder = Builder::new(&indicators);
        for (index, indicator) in indicators.into_iter().enumerate() {
            let text = indicator.observable.display();
            if builder.add(index, &indicator, &text).is_none() {
                builder.cannot(&indicator.id, "its value cannot be hunted for");
            }
            builder.set.kept.add(&indicator, &text, &mut builder.names);
        }
        builder.finish()
    }

    /// The indicators, in the order in which they were given; [`super::Hit::indicator`] counts in it. They
    /// are kept packed and made anew for each call: for one of them ask [`IndicatorSet::indicator`].
    pub fn indicators(&self) -> Vec<Indicator> {
        (0..self.len()).filter_map(|index| self.indicator(index)).collect()
    }

    /// The indicator of a hit.
    pub fn indicator(&self, index: usize) -> Option<Indicator> {
        self.kept.indicator(index)
    }

    /// What the value of an indicator is.
    pub(super) fn kind_of(&self, index: u32) -> Option<ObservableKind> {
        self.kept.kind(index as usize)
    }

    /// Number of indicators.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.len() == 0
    }

    /// Memory that the set has on the heap, in bytes, as far as it grows with the indicators.
    pub fn heap_bytes(&self) -> usize {
        let networks = self.networks.by_prefix.iter().map(|(_, firsts)| map_bytes(firsts)).sum::<usize>();
        let keys =
            |map: &HashMap<Box<[u8]>, u32>| map_bytes(map) + map.keys().map(|k| k.len()).sum::<usize>();
        self.named.heap_bytes()
            + self.kept.heap_bytes()
            + self.next.capacity() * size_of::<u32>()
            + self.filter.heap_bytes()
            + self.texts.heap_bytes()
            + map_bytes(&self.addresses.v4)
            + map_bytes(&self.addresses.v6)
            + networks
            + keys(&self.urls)
            + keys(&self.emails)
    }

    /// What is not hunted for, and why.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The indicators of a value that only fields tell.
    pub(crate) fn of_named(&self, value: &super::named::Value) -> impl Iterator<Item = usize> + '_ {
        self.chain(value.chain).map(|index| index as usize)
    }

    /// The indicators of a chain.
    pub(super) fn chain(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        let mut link = head;
        std::iter::from_fn(move || {
            let index = (!is_end(link)).then_some(link)?;
            link = self.next.get(index as usize).copied().unwrap_or(Entry::NONE.exact);
            Some(index)
        })
    }

    /// What is known of an address, if anything is.
    pub(super) fn known_address(&self, address: u128) -> Option<Known> {
        if address >> 32 == 0xFFFF {
            return self.addresses.v4.get(&(address as u32)).copied();
        }
        let passes = self.filter.passes(filter::hash(&address.to_be_bytes(), 16));
        if passes { self.addresses.v6.get(&address).copied() } else { None }
    }

    /// Lets an address pass the filter: IPv4 is asked for unparsed, IPv6 has many spellings.
    fn admit_address(&mut self, address: u128, text: &str) {
        match address >> 32 {
            0xFFFF => self.filter.admit(text.as_bytes()),
            _ => self.filter.admit(&address.to_be_bytes()),
        }
    }

    /// The indicators of an address: the address itself and the networks that it lies in.
    pub(super) fn of_address(&self, address: u128, each: &mut dyn FnMut(u32)) {
        if let Some(known) = self.known_address(address) {
            self.chain(known.exact).for_each(&mut *each);
        }
        for (prefix, networks) in &self.networks.by_prefix {
            let first = Network::new(address, *prefix).map(|n| n.first());
            if let Some(head) = first.and_then(|f| networks.get(&f)) {
                self.chain(*head).for_each(&mut *each);
            }
        }
    }
}

/// Heap of a map: so many places that seven of eight may be taken, and a byte for each.
pub(super) fn map_bytes<K, V>(map: &HashMap<K, V>) -> usize {
    map.capacity().div_ceil(7) * 8 * (size_of::<(K, V)>() + 1)
}

/// Addresses, both families apart because the one is a quarter of the other.
#[derive(Debug, Default)]
struct Addresses {
    v4: HashMap<u32, Known>,
    v6: HashMap<u128, Known>,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Chain of its indicators.
    pub exact: u32,
    /// URLs of this host are in the set.
    pub host: bool,
}

impl Addresses {
    fn entry(&mut self, address: u128) -> &mut Known {
        let unknown = Known { exact: END, host: false };
        match address >> 32 {
            0xFFFF => self.v4.entry(address as u32).or_insert(unknown),
            _ => self.v6.entry(address).or_insert(unknown),
        }
    }
}

/// Networks by prefix length: a handful of look-ups for an address, behind a filter for IPv4.
#[derive(Debug, Default)]
pub(super) struct Networks {
    by_prefix: Vec<(u8, HashMap<u128, u32>)>,
    /// One bit for each /16 of IPv4 that a network touches; empty if there is no network.
    v4_touched: Vec<u64>,
}

impl Networks {
    /// Whether there is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// Whether a network may hold the IPv4 address.
    #[inline]
    pub(super) fn may_hold_v4(&self, address: u32) -> bool {
        let touched = (address >> 16) as usize;
        self.v4_touched.get(touched / 64).is_some_and(|word| word >> (touched % 64) & 1 == 1)
    }

    fn touch(&mut self, network: Network) {
        self.v4_touched.resize(1024, 0);
        // Bits of the /16 are bits 96 to 111 of a mapped address; a network above ::ffff:0:0/96 touches all.
        let v4 = 0xFFFF_u128 << 32;
        let (first, last) = (network.first().max(v4), network.last().min(v4 | 0xFFFF_FFFF));
        if first > last {
            return;
        }
        for touched in (first >> 16) as u16..=(last >> 16) as u16 {
            let touched = usize::from(touched);
            if let Some(word) = self.v4_touched.get_mut(touched / 64) {
                *word |= 1 << (touched % 64);
            }
        }
    }
}

struct Builder {
    set: IndicatorSet,
    named: BTreeMap<(ObservableKind, Box<str>), u32>,
    labels: HashSet<u64>,
    names: Names,
}

impl Builder {
    fn new(indicators: &[Indicator]) -> Builder {
        let count = indicators.len();
        let mut set = IndicatorSet { next: Vec::with_capacity(count), ..IndicatorSet::default() };
        set.kept = Kept::with_capacity(count);
        let is_text =
            |i: &&Indicator| !matches!(i.observable.kind(), ObservableKind::Ip | ObservableKind::Cidr);
        set.texts = Table::with_capacity(indicators.iter().filter(is_text).count());
        // Two more for the names of addresses.
        set.filter = Filter::with_capacity(count + 2);
        Builder { set, named: BTreeMap::new(), labels: HashSet::new(), names: Names::default() }
    }

    fn cannot(&mut self, place: &str, what: &str) {
        self.set.diagnostics.push(Diagnostic::warning("kind-not-scanned", place, what));
    }

    /// Enters an indicator; `None` if it cannot be hunted for.
    fn add(&mut self, index: usize, indicator: &Indicator, text: &str) -> Option<()> {
        let index = u32::try_from(index).ok()?;
        self.set.next.push(Entry::NONE.exact);
        let observable = &indicator.observable;
        match observable.kind() {
            kind @ (ObservableKind::Account | ObservableKind::UserAgent) => {
                let head = self.named.entry((kind, text.into())).or_insert(END);
                push_chain(&mut self.set.next, head, index);
            }
            ObservableKind::Cidr => self.network(observable.network()?, index),
            ObservableKind::Domain => self.name(text, index, indicator.mode)?,
            ObservableKind::Email => {
                let (_, domain) = text.rsplit_once('@')?;
                self.host(domain)?;
                push_chain(
                    &mut self.set.next,
                    self.set.emails.entry(canonical(observable)).or_insert(END),
                    index,
                );
            }
            ObservableKind::Ip => self.address(observable.address()?, text, index),
            ObservableKind::Ja4 => {
                self.set.has_ja4 = true;
                self.text(text, index)?;
            }
            ObservableKind::Ja3
            | ObservableKind::Md5
            | ObservableKind::Sha1
            | ObservableKind::Sha256
            | ObservableKind::Sha384
            | ObservableKind::Sha512 => {
                self.set.has_digests = true;
                self.text(text, index)?;
            }
            ObservableKind::Url => {
                let end = text.find('/')?;
                self.host(without_port(text.get(..end)?))?;
                push_chain(
                    &mut self.set.next,
                    self.set.urls.entry(canonical(observable)).or_insert(END),
                    index,
                );
            }
        }
        Some(())
    }

    fn text(&mut self, text: &str, index: u32) -> Option<()> {
        self.set.filter.admit(text.as_bytes());
        let entry = self.set.texts.entry(text.as_bytes())?;
        push_chain(&mut self.set.next, &mut entry.exact, index);
        Some(())
    }

    fn name(&mut self, name: &str, index: u32, mode: Mode) -> Option<()> {
        self.set.filter.admit_name(name.as_bytes());
        self.last_label(name);
        let entry = self.set.texts.entry(name.as_bytes())?;
        let head = match mode {
            Mode::Exact => &mut entry.exact,
            Mode::WithSubdomains => &mut entry.with_subdomains,
        };
        push_chain(&mut self.set.next, head, index);
        Some(())
    }

    fn address(&mut self, address: u128, text: &str, index: u32) {
        self.set.has_addresses = true;
        push_chain(&mut self.set.next, &mut self.set.addresses.entry(address).exact, index);
        self.set.admit_address(address, text);
    }

    fn network(&mut self, network: Network, index: u32) {
        self.set.has_addresses = true;
        let networks = &mut self.set.networks;
        networks.touch(network);
        let known = networks.by_prefix.iter().position(|(prefix, _)| *prefix == network.prefix());
        let at = known.unwrap_or(networks.by_prefix.len());
        if known.is_none() {
            networks.by_prefix.push((network.prefix(), HashMap::new()));
        }
        if let Some((_, firsts)) = networks.by_prefix.get_mut(at) {
            push_chain(&mut self.set.next, firsts.entry(network.first()).or_insert(END), index);
        }
    }

    /// Marks a host of URLs or e-mail addresses: a line that names it is looked at closely.
    fn host(&mut self, host: &str) -> Option<()> {
        if let Some(address) = parse_address(host) {
            self.set.has_addresses = true;
            self.set.addresses.entry(address).host = true;
            self.set.admit_address(address, host);
            return Some(());
        }
        let name = name_to_ascii(host).ok()?;
        self.set.filter.admit_name(name.as_bytes());
        self.last_label(&name);
        self.set.texts.entry(name.as_bytes())?.host = true;
        Some(())
    }

    fn last_label(&mut self, name: &str) {
        let label = name.rsplit('.').next().unwrap_or(name);
        self.labels.insert(table::hash(label.as_bytes()));
    }

    fn finish(mut self) -> IndicatorSet {
        if self.set.has_addresses {
            for above in [&b"in-addr.arpa"[..], b"ip6.arpa"] {
                self.set.filter.admit_name(above);
            }
        }
        match Named::build(std::mem::take(&mut self.named)) {
            Some(named) => self.set.named = named,
            None => {
                self.cannot("indicators", "accounts and user agents are too many to be hunted for together")
            }
        }
        let mut set = self.set;
        set.labels = Labels::of(&self.labels);
        set.kept.shrink();
        set.texts.shrink();
        set.addresses.v4.shrink_to_fit();
        set.addresses.v6.shrink_to_fit();
        set
    }
}

const END: u32 = Entry::NONE.exact;

fn canonical(observable: &Observable) -> Box<[u8]> {
    observable.canonical().into()
}

/// `host:8080` without the port; an IPv6 host keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port)) if !port.ends_with(']') => bare,
        _ => host,
    }
}

/// Puts an indicator before a chain.
fn push_chain(next: &mut [u32], head: &mut u32, index: u32) {
    if let Some(link) = next.get_mut(index as usize) {
        *link = *head;
        *head = index;
    }
}

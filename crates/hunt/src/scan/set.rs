// SPDX-License-Identifier: Apache-2.0
//! The set of indicators in the form that the scan asks.

use std::collections::{HashMap, HashSet};

use model::diagnostic::Diagnostic;
use model::observable::{Network, Observable, ObservableKind, name_to_ascii, parse_address};

use super::filter::Filter;
use super::table::{self, Entry, Labels, Table, is_end};
use crate::indicator::{Indicator, Mode};

/// Indicators, compiled for the scan.
#[derive(Debug, Default)]
pub struct IndicatorSet {
    indicators: Vec<Indicator>,
    /// Chains: the next indicator with the same value and mode.
    next: Vec<u32>,
    /// What a token must pass before anything else is asked.
    pub(super) filter: Filter,
    /// Names, IPv4 addresses, hashes and JA4 by their text.
    pub(super) texts: Table,
    /// Last labels of the names.
    pub(super) labels: Labels,
    /// All addresses.
    pub(super) addresses: HashMap<u128, Entry>,
    pub(super) networks: Networks,
    /// URLs and e-mail addresses by their canonical bytes.
    pub(super) urls: HashMap<Box<[u8]>, u32>,
    pub(super) emails: HashMap<Box<[u8]>, u32>,
    pub(super) has_addresses: bool,
    pub(super) has_digests: bool,
    pub(super) has_ja4: bool,
    diagnostics: Vec<Diagnostic>,
}

impl IndicatorSet {
    /// Compiles indicators. Those whose kind has no shape in raw text (user agents, accounts) are kept and
    /// named by [`IndicatorSet::diagnostics`].
    pub fn build(indicators: Vec<Indicator>) -> IndicatorSet {
        let mut builder = Builder::new(indicators.len());
        for (index, indicator) in indicators.iter().enumerate() {
            if builder.add(index, indicator).is_none() {
                let kind = indicator.observable.kind();
                builder.set.diagnostics.push(
                    Diagnostic::warning(
                        "kind-not-scanned",
                        indicator.id.clone(),
                        format!("a value of kind {kind} cannot be told from other text in a raw log; it is not hunted for"),
                    ),
                );
            }
        }
        builder.finish(indicators)
    }

    /// The indicators, in the order in which they were given; [`super::Hit::indicator`] counts in it.
    pub fn indicators(&self) -> &[Indicator] {
        &self.indicators
    }

    /// Number of indicators.
    pub fn len(&self) -> usize {
        self.indicators.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indicators.is_empty()
    }

    /// What is not hunted for, and why.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
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

    /// The indicators of an address: the address itself and the networks that it lies in.
    pub(super) fn of_address(&self, address: u128, each: &mut dyn FnMut(u32)) {
        if let Some(entry) = self.addresses.get(&address) {
            self.chain(entry.exact).for_each(&mut *each);
        }
        for (prefix, networks) in &self.networks.by_prefix {
            let first = Network::new(address, *prefix).map(|n| n.first());
            if let Some(head) = first.and_then(|f| networks.get(&f)) {
                self.chain(*head).for_each(&mut *each);
            }
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
    labels: HashSet<u64>,
}

impl Builder {
    fn new(count: usize) -> Builder {
        let mut set = IndicatorSet { next: Vec::with_capacity(count), ..IndicatorSet::default() };
        set.texts = Table::with_capacity(count);
        // Two more for the names of addresses.
        set.filter = Filter::with_capacity(count + 2);
        Builder { set, labels: HashSet::new() }
    }

    /// Enters an indicator; `None` if it cannot be hunted for.
    fn add(&mut self, index: usize, indicator: &Indicator) -> Option<()> {
        let index = u32::try_from(index).ok()?;
        self.set.next.push(Entry::NONE.exact);
        let observable = &indicator.observable;
        let text = observable.display();
        match observable.kind() {
            ObservableKind::Account | ObservableKind::UserAgent => return None,
            ObservableKind::Cidr => self.network(observable.network()?, index),
            ObservableKind::Domain => self.name(&text, index, indicator.mode)?,
            ObservableKind::Email => {
                let (_, domain) = text.rsplit_once('@')?;
                self.host(domain)?;
                push_chain(
                    &mut self.set.next,
                    self.set.emails.entry(canonical(observable)).or_insert(END),
                    index,
                );
            }
            ObservableKind::Ip => self.address(observable.address()?, &text, index)?,
            ObservableKind::Ja4 => {
                self.set.has_ja4 = true;
                self.text(&text, index)?;
            }
            ObservableKind::Ja3
            | ObservableKind::Md5
            | ObservableKind::Sha1
            | ObservableKind::Sha256
            | ObservableKind::Sha384
            | ObservableKind::Sha512 => {
                self.set.has_digests = true;
                self.text(&text, index)?;
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

    fn address(&mut self, address: u128, text: &str, index: u32) -> Option<()> {
        self.set.has_addresses = true;
        let entry = self.set.addresses.entry(address).or_insert(Entry::NONE);
        push_chain(&mut self.set.next, &mut entry.exact, index);
        // The same chain hangs on the text of an IPv4 address, which the scan asks for unparsed.
        let head = entry.exact;
        if address >> 32 == 0xFFFF {
            self.set.filter.admit(text.as_bytes());
            self.set.texts.entry(text.as_bytes())?.exact = head;
        }
        Some(())
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
            self.set.addresses.entry(address).or_insert(Entry::NONE).host = true;
            if address >> 32 == 0xFFFF {
                self.set.filter.admit(host.as_bytes());
                self.set.texts.entry(host.as_bytes())?.host = true;
            }
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

    fn finish(mut self, indicators: Vec<Indicator>) -> IndicatorSet {
        if self.set.has_addresses {
            for above in [&b"in-addr.arpa"[..], b"ip6.arpa"] {
                self.set.filter.admit_name(above);
            }
        }
        let labels = Labels::of(&self.labels);
        IndicatorSet { indicators, labels, ..self.set }
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

// SPDX-License-Identifier: Apache-2.0
//! Law 4: a client that follows the cursor sees each newest visible version exactly once.

use std::collections::BTreeMap;

use exchange::filter::{Filters, Versions, Wish};
use exchange::query::{self, Entry};
use model::head::Audience;
use model::time::Timestamp;
use policy::Reader;
use proptest::prelude::*;

use crate::model_of_pages::{Step, expected, readers, steps, visible};
use crate::node::{Node, to_community};

/// How a client goes on after a page.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By `X-TAXII-Date-Added-Last` alone.
    AddedAfter,
    /// By `next` while there is one.
    Next,
}

struct Client {
    way: Way,
    reader: Reader,
    wish: Wish,
    seen: BTreeMap<(String, Timestamp), usize>,
}

impl Client {
    fn new(way: Way, reader: &Reader, versions: Versions, limit: usize) -> Client {
        let filters = match versions {
            // Law 4 speaks of every version, so of those of both STIX versions.
            Versions::All => Filters::everything(),
            versions => Filters { versions, ..Filters::default() },
        };
        let wish = Wish { filters, limit, ..Wish::default() };
        Client { way, reader: reader.clone(), wish, seen: BTreeMap::new() }
    }

    /// Reads one page; answers whether there is more.
    fn poll(&mut self, node: &Node, audience: &Audience) -> bool {
        let page = node.ask(&self.reader, audience, |read, q| query::manifest(read, q, &self.wish));
        // A collection that is not open yet is asked for again later.
        let Ok(page) = page else { return false };
        for Entry { id, version, .. } in page.entries {
            *self.seen.entry((id, version)).or_default() += 1;
        }
        let more = page.next.is_some();
        match self.way {
            Way::Next if more => self.wish.next = page.next,
            _ => {
                self.wish.next = None;
                if page.added_last != Timestamp::EPOCH {
                    self.wish.added_after = Some(page.added_last);
                }
            }
        }
        more
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn clients_see_each_newest_version_exactly_once(
        steps in steps(80),
        reader in readers(),
        limit in 1usize..5,
        polls in proptest::collection::vec(0usize..4, 1..20),
    ) {
        let audience = to_community(1);
        let mut node = Node::new();
        let mut clients: Vec<Client> = [Way::Next, Way::AddedAfter]
            .into_iter()
            .flat_map(|way| [Versions::last(), Versions::All].map(|v| Client::new(way, &reader, v, limit)))
            .collect();
        for (step, polls) in steps.iter().zip(polls.iter().cycle()) {
            // Erased records are another law's.
            let Step::Append(items) = step else { continue };
            // One STIX version: of one version in two of them a client is given both, one after the other.
            let items: Vec<_> = items.iter().filter(|i| i.kind == model::kind::Kind::STIX_21).cloned().collect();
            node.append(&items);
            for client in &mut clients {
                for _ in 0..*polls {
                    client.poll(&node, &audience);
                }
            }
        }
        let seen_now = visible(&node.kept, &reader, &audience);
        for client in &mut clients {
            while client.poll(&node, &audience) {}
            client.poll(&node, &audience);
            for kept in expected(&seen_now, &client.wish.filters) {
                let key = (kept.item.id.clone(), Timestamp::from_micros(kept.item.version));
                prop_assert_eq!(client.seen.get(&key), Some(&1), "{:?} of {:?}", key, client.way);
            }
            prop_assert!(client.seen.values().all(|times| *times == 1), "nothing twice");
            let all = expected(&seen_now, &Filters::everything());
            for (id, version) in client.seen.keys() {
                prop_assert!(all.iter().any(|k| k.item.id == *id && k.item.version == version.micros()));
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The laws, looked at between steps and at the end.

use std::collections::BTreeMap;

use exchange::export;
use exchange::token::{self, Credential};
use ledger::audience::Heads;
use ledger::checkpoint::Checkpoint;
use ledger::logs::row_of;
use ledger::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use ledger::recall::places;
use ledger::record::{self, Stored};
use ledger::sql::{EngineError, Flow, TableKind};
use ledger::tree::{self, Proofs};
use ledger::verify::verify;
use model::id::SubjectKey;
use policy::release;

use crate::broken::{Broken, Ran, holds, same};
use crate::deed::{Deed, Fate, Step};
use crate::model::{Exit, Kept, may_see};
use crate::node::{log_key, origin};
use crate::scene::{self, OBJECTS};
use crate::sql;
use crate::world::World;

impl World {
    /// What is cheap enough to be looked at after each step. Bytes on the disk are looked for where one might
    /// have stayed or come back.
    pub fn after_step(&self, step: &Step) -> Ran<()> {
        let erases = matches!(step.deed, Deed::Withdraw { .. } | Deed::Rebuild { .. });
        self.hold_tables()?;
        if erases || step.fate != Fate::Done { self.hold_words() } else { Ok(()) }
    }

    fn hold_tables(&self) -> Ran<()> {
        let (stored, heads) = self.node.store().read(|read| {
            Ok::<_, EngineError>((record::after(read, 0, usize::MAX >> 1)?, Heads::load(read)?))
        })?;
        self.hold_records(&stored, &heads)?;
        hold_references(&stored, &heads)
    }

    /// What is looked at once, when nothing more happens.
    pub fn at_end(&mut self) -> Ran<()> {
        self.hold_tables()?;
        self.hold_words()?;
        for client in &mut self.clients {
            while client.poll(&self.node, &mut self.model, 2)? {}
            client.poll(&self.node, &mut self.model, 2)?;
        }
        self.hold_files()?;
        self.hold_proofs()?;
        self.hold_hunt()?;
        self.hold_views()?;
        self.hold_log()
    }

    /// Law 3: the records are the model's, no more and no less; law 6: nothing is left of what was withdrawn.
    fn hold_records(&self, stored: &[Stored], heads: &Heads) -> Ran<()> {
        same(3, || "the number of records".to_owned(), &(self.model.size as usize), &stored.len())?;
        for kept in &self.model.kept {
            let Some(found) = stored.get(kept.seq as usize - 1) else { continue };
            let what = |what: &str| format!("{what} of record {}, {}", kept.seq, scene::id(kept.object));
            let (body, salts) = (found.body.as_ref(), found.salts);
            if kept.erased {
                let left = (body.is_some(), salts.is_some(), found.id.as_str(), found.version.micros());
                same(6, || what("body, salts, id and version"), &(false, false, "", 0), &left)?;
                continue;
            }
            same(3, || what("the body"), &Some(&kept.body), &body)?;
            same(3, || what("the salts"), &Some(kept.salts), &salts)?;
            same(
                3,
                || what("id and version"),
                &(scene::id(kept.object), kept.version),
                &(found.id.clone(), found.version.micros()),
            )?;
            let (now, first) = (heads.of(found.audience_row)?, heads.of(found.committed_row)?);
            same(1, || what("the marking"), &kept.marking, &now.marking)?;
            same(1, || what("the audience"), &kept.audience, &now.audience)?;
            same(3, || what("the audience that the entry commits to"), &kept.first, &first.audience)?;
        }
        Ok(())
    }

    /// Law 6: no byte of what was withdrawn is on the disk, not in a body, not in a view, not in a log.
    fn hold_words(&self) -> Ran<()> {
        let erased: Vec<&Kept> = self.model.kept.iter().filter(|kept| kept.erased).collect();
        if erased.is_empty() {
            return Ok(());
        }
        let rows =
            if self.node.has_files() { Vec::new() } else { sql::dump(self.node.store(), crate::world::ALL)? };
        let rows = rows.join("\n").into_bytes();
        let mut places = self.node.bytes()?;
        places.push(("a table", rows));
        for kept in erased {
            let held = self.model.kept.iter().any(|k| !k.erased && k.object == kept.object);
            let named = self.model.kept.iter().any(|k| {
                let refers = scene::refers_to(k.object) == Some(kept.object)
                    || scene::is_marked(k.object) && kept.object == 8;
                !k.erased && refers
            });
            let word = scene::word(kept.object).into_bytes();
            let salts = [kept.salts.subject, kept.salts.body, kept.salts.audience];
            let mut gone: Vec<(&str, &[u8])> = salts.iter().map(|salt| ("a salt", &salt[..])).collect();
            if !held {
                gone.push(("its word", &word));
            }
            let uuid = scene::uuid_of(kept.object);
            if !held && !named {
                gone.push(("its id", uuid.as_bytes()));
            }
            for (sort, bytes) in gone {
                for (place, all) in &places {
                    let what =
                        || format!("{sort} of {}, record {}, in {place}", scene::id(kept.object), kept.seq);
                    holds(6, what, !contains(all, bytes))?;
                }
            }
        }
        for (author, object) in &self.model.withdrawn {
            let (author, key) = (scene::member(*author), SubjectKey::of(&scene::id(*object)));
            let held = self.node.store().read(|read| places_of(read, author, key))?;
            same(6, || format!("records of {} by {author}", scene::id(*object)), &0, &held)?;
        }
        Ok(())
    }

    /// Law 1 at the door of files: of each object the newest version that the reader may have in a file.
    fn hold_files(&self) -> Ran<()> {
        for (nth, token) in self.model.tokens.iter().enumerate() {
            let reader = self.model.reader(token);
            let mut newest: BTreeMap<u8, &Kept> = BTreeMap::new();
            for kept in
                self.model.kept.iter().filter(|kept| !kept.erased && may_see(kept, &reader, Exit::File))
            {
                let held = newest.entry(kept.object).or_insert(kept);
                if kept.version > held.version {
                    *held = kept;
                }
            }
            let mut expected: Vec<(i64, &[u8])> =
                newest.values().map(|k| (k.seq, k.body.as_slice())).collect();
            expected.sort_unstable();
            let mut got = Vec::new();
            self.node.store().read(|read| {
                let reader = token::reader(read, &credential(&self.ids[nth], token))?;
                let chosen = export::select(read, &reader)?;
                export::bodies(read, &chosen, &mut |one, body| {
                    got.push((one.seq, body.to_vec()));
                    Ok(Flow::Continue)
                })
            })?;
            let got: Vec<(i64, &[u8])> = got.iter().map(|(seq, body)| (*seq, body.as_slice())).collect();
            same(1, || format!("an export for token {nth}"), &expected, &got)?;
        }
        Ok(())
    }

    /// What the node would hunt for: of each indicator what its newest version says.
    fn hold_hunt(&self) -> Ran<()> {
        let mut newest: BTreeMap<u8, &Kept> = BTreeMap::new();
        for kept in &self.model.kept {
            if kept.erased || scene::sort(kept.object) != scene::Sort::Indicator {
                continue;
            }
            let held = newest.entry(kept.object).or_insert(kept);
            if (kept.version, kept.seq) > (held.version, held.seq) {
                *held = kept;
            }
        }
        let mut expected: Vec<(i64, String)> =
            newest.values().filter(|k| !k.revoked).map(|k| (k.seq, scene::id(k.object))).collect();
        expected.sort();
        let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
        let got = self.node.store().read(|read| hunt::query::indicators(read))?;
        let got: Vec<String> = got.into_iter().map(|indicator| indicator.id).collect();
        same(2, || "what is hunted".to_owned(), &expected, &got)
    }

    /// Law 2: every view is the fold of all records.
    fn hold_views(&self) -> Ran<()> {
        let store = self.node.store();
        let kept = sql::dump(store, &[TableKind::View])?;
        store.rebuild_in_batches_of(7);
        store.rebuild_all(&mut |_| Flow::Continue)?;
        let made = sql::dump(store, &[TableKind::View])?;
        if kept == made {
            return Ok(());
        }
        let (expected, got) = sql::difference(&made, &kept);
        Err(Broken {
            law: 2,
            what: "a row of a view, made anew and as it was kept".to_owned(),
            expected,
            got,
        })
    }

    /// Law 3: the log verifies, and no checkpoint that was let out is contradicted.
    fn hold_log(&self) -> Ran<()> {
        let key = log_key()?;
        let report = self.node.store().read(|read| verify(read, &origin(), key.public_key()))?;
        same(3, || "the log verifies".to_owned(), &Vec::<String>::new(), &report.faults)?;
        let erased = self.model.kept.iter().filter(|kept| kept.erased).count() as u64;
        same(3, || "the entries whose bodies are gone".to_owned(), &erased, &report.erased)?;
        self.hold_published()
    }

    /// Law 3: each checkpoint that was let out is the beginning of the present log, and a stranger can tell.
    fn hold_published(&self) -> Ran<()> {
        self.node.store().read(|read| {
            let mut proofs = Proofs::of(row_of(&origin()));
            let size = tree::size(read, row_of(&origin()))?;
            let newest = proofs.root(read, size)?;
            for Checkpoint { size: old, root, .. } in &self.published {
                let what = || format!("the checkpoint of size {old}, which was published");
                let proof = proofs.consistency(read, *old, size)?;
                same(3, what, &Ok(()), &verify_consistency(*old, root, size, &newest, &proof))?;
            }
            Ok(())
        })
    }

    /// Law 1 at the door of proofs, which anybody may hand on; and what is released is proved.
    fn hold_proofs(&self) -> Ran<()> {
        self.node.store().read(|read| {
            let heads = Heads::load(read)?;
            let (mut proofs, log) = (Proofs::of(row_of(&origin())), row_of(&origin()));
            let size = tree::size(read, log)?;
            let root = proofs.root(read, size)?;
            for kept in self.model.kept.iter().filter(|kept| !kept.erased) {
                let Some(stored) = record::at(read, kept.seq)? else { continue };
                let head = heads.of(stored.audience_row)?;
                let path = proofs.inclusion(read, stored.index, size)?;
                let proved = verify_inclusion(&leaf_hash(&stored.entry), stored.index, size, &path, &root);
                same(3, || format!("the proof of record {}", kept.seq), &Ok(()), &proved)?;
                for (nth, token) in self.model.tokens.iter().enumerate() {
                    let expected = may_see(kept, &self.model.reader(token), Exit::File);
                    let reader = token::reader(read, &credential(&self.ids[nth], token))?;
                    let got = release(head, &reader, policy::Exit::Proof).is_ok();
                    same(1, || format!("a proof of record {} for token {nth}", kept.seq), &expected, &got)?;
                }
            }
            Ok(())
        })
    }
}

/// Law 1: what refers to an address goes no further than its author's strictest marking of it.
fn hold_references(stored: &[Stored], heads: &Heads) -> Ran<()> {
    for referrer in stored.iter().filter(|stored| stored.body.is_some()) {
        let of = (0..OBJECTS).find(|n| scene::id(*n) == referrer.id);
        let Some(address) = of.and_then(scene::refers_to).map(scene::id) else { continue };
        let own = heads.of(referrer.audience_row)?;
        for address in stored.iter().filter(|stored| stored.id == address) {
            let head = heads.of(address.audience_row)?;
            let looser = head.author == own.author && own.marking.is_looser_than(head.marking);
            let what = || {
                let told = (own.marking, head.marking);
                format!(
                    "record {} is as strict as the address of record {}: {told:?}",
                    referrer.seq, address.seq
                )
            };
            holds(1, what, !looser)?;
        }
    }
    Ok(())
}

fn credential(id: &str, token: &crate::model::Token) -> Credential {
    Credential {
        id: id.to_owned(),
        name: String::new(),
        member: scene::member(token.member),
        ceiling: token.ceiling,
        person: token.person.then(|| "jo".to_owned()),
        rights: token::Rights::READ,
    }
}

fn places_of(
    read: &mut dyn ledger::sql::Read,
    author: model::id::MemberId,
    key: SubjectKey,
) -> Result<usize, EngineError> {
    places(read, author, key).map(|all| all.len())
}

fn contains(all: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(all, wanted).is_some()
}

// SPDX-License-Identifier: Apache-2.0
//! A history is run: each deed on the node and on the model, side by side.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use exchange::command;
use exchange::query;
use exchange::recall::OwnRecords;
use exchange::standard::client::ClientOf;
use exchange::standard::terms::Terms;
use exchange::token::{self, Order, Rights};
use ledger::append::{Outcome, Refused};
use ledger::checkpoint::Checkpoint;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::recall::{Act, RecallError};
use ledger::record;
use ledger::sql::{EngineError, Flow, TableKind};
use model::head::Audience;
use model::id::hex;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use policy::Refusal;

use crate::broken::{Broken, Ran, holds, same};
use crate::client::{Client, TOKEN_KEY, WANTED, Wanted};
use crate::deed::{Crash, Deed, Fate, Item, Step};
use crate::model::{Intent, Model, Place, Token, Verdict};
use crate::node::{Files, Ground, Node, There, left_by};
use crate::rng::Rng;
use crate::scene::{self, member};
use crate::{fault, sql};

/// Most tokens of a history.
const TOKENS_MAX: usize = 9;

/// Records that every history begins with: the two communities.
const BEGINNING_RECORDS: u64 = 2;

/// The node, and what is known of it.
pub struct World {
    pub(crate) node: Node,
    pub(crate) model: Model,
    pub(crate) clients: Vec<Client>,
    /// Public ids of the tokens.
    pub(crate) ids: Vec<String>,
    /// Every checkpoint that was let out.
    pub(crate) published: Vec<Checkpoint>,
    /// What lay there in the beginning.
    beginning: Files,
}

/// What a deed asks of the node.
enum Work {
    /// A batch; what it erases is swept out afterwards.
    Batch { drafts: Vec<Draft>, intents: Vec<Intent>, sweeps: bool },
    /// A token.
    Issue(Token),
    /// Nothing.
    Nothing,
    /// The clients of a token read.
    Poll { token: usize, pages: u8, limit: u8 },
    /// A view is made anew.
    Rebuild { view: &'static str, batch: u8, turns: u8 },
    /// A token ends.
    Revoke(usize),
}

/// How every history on a file begins: made once, then copied.
struct Beginning {
    files: Files,
    model: Model,
    clients: Vec<Client>,
    ids: Vec<String>,
    published: Vec<Checkpoint>,
    clock: Timestamp,
}

impl World {
    /// The world in which a history begins.
    pub fn begin(ground: Ground, dir: &Path) -> Ran<World> {
        static BEGINNING: OnceLock<Ran<Beginning>> = OnceLock::new();
        if !matches!(ground, Ground::File) {
            return World::new(ground, dir);
        }
        let beginning = BEGINNING.get_or_init(|| {
            let own = tempfile::tempdir_in(dir)?;
            let World { node, model, clients, ids, published, beginning } =
                World::new(Ground::File, own.path())?;
            Ok(Beginning { files: beginning, model, clients, ids, published, clock: node.now() })
        });
        let Beginning { files, model, clients, ids, published, clock } =
            beginning.as_ref().map_err(Broken::clone)?;
        Ok(World {
            node: Node::on(files, *clock, dir)?,
            model: model.clone(),
            clients: clients.clone(),
            ids: ids.clone(),
            published: published.clone(),
            beginning: files.clone(),
        })
    }

    /// A node with two communities and six tokens.
    fn new(ground: Ground, dir: &Path) -> Ran<World> {
        let mut world = World {
            node: Node::new(ground, dir)?,
            model: Model::default(),
            clients: Vec::new(),
            ids: Vec::new(),
            published: Vec::new(),
            beginning: Files::default(),
        };
        let mut rng = Rng::new(0);
        for (n, members) in [(1, [1, 2].into()), (2, [1].into())] {
            let ids = |all: &BTreeSet<u8>| all.iter().map(|n| member(*n)).collect();
            let made = command::new_community(scene::community(n), "ring", ids(&members), "");
            let (draft, document) = world.document(made.ok(), 1, &mut rng)?;
            let intent = Intent::Community { document, community: n, members, text: 0 };
            world.submit(vec![draft], &[intent])?;
        }
        for (n, person, ceiling) in [
            (1, false, Tlp::AmberStrict),
            (2, false, Tlp::AmberStrict),
            (3, false, Tlp::Green),
            (3, true, Tlp::Red),
            (4, false, Tlp::Amber),
            (scene::STRANGER, false, Tlp::AmberStrict),
        ] {
            let token = Token { member: n, person, ceiling, revoked: false, noted: Default::default() };
            world.issue(token, &mut rng)?;
        }
        world.beginning = world.node.files()?;
        Ok(world)
    }

    /// Runs one step, whatever becomes of it.
    pub fn step(&mut self, step: &Step) -> Ran<()> {
        let mut rng = Rng::new(step.salt);
        match (&step.deed, step.fate) {
            (Deed::Restart { days }, _) => return self.restart(*days),
            (Deed::OldCopy, _) => return self.old_copy(),
            _ => {}
        }
        let work = self.plan(&step.deed, &mut rng)?;
        match step.fate {
            Fate::Done => self.carry_out(&work, &mut rng),
            Fate::Twice => self.twice(&work, &mut rng),
            Fate::Fault(at) => self.fault(&work, at, &mut rng),
            Fate::Crash(crash) if self.node.can_restart() => self.crash(&work, crash, &mut rng),
            Fate::Crash(_) => self.carry_out(&work, &mut rng),
        }
    }

    // --- what a deed asks for ---

    fn plan(&self, deed: &Deed, rng: &mut Rng) -> Ran<Work> {
        Ok(match deed {
            Deed::Add(items) => self.batch_of(items, rng)?,
            Deed::Narrow { author, object, tlp, to } => {
                let audience = to.map(|to| scene::audience(to, *author));
                let act = Act::Narrow { marking: Marking::tlp(*tlp), audience };
                self.recall(*author, *object, &act, rng)?
            }
            Deed::Withdraw { author, object } => self.recall(*author, *object, &Act::Withdraw, rng)?,
            Deed::Retract { author, object } => self.retract(*author, *object, rng)?,
            Deed::Join { community, member: n } => self.ring(*community, rng, |members, _| {
                members.insert(*n);
            })?,
            Deed::Leave { community, member: n } => self.ring(*community, rng, |members, _| {
                members.remove(n);
            })?,
            Deed::Terms { community, text } => self.ring(*community, rng, |_, terms| *terms = *text)?,
            Deed::Accept { community, member: n } => {
                let made = command::acceptance(&self.community(*community)?, member(*n), "");
                let (draft, document) = self.document(made.ok(), *n, rng)?;
                let text = self.model.rings[community].text;
                one(draft, Intent::Accept { document, community: *community, member: *n, text })
            }
            Deed::Client { of, client, ended } => {
                let made = ClientOf { client: member(*client), of: member(*of), ended: *ended };
                let (draft, document) = self.document(Some(command::client(made)), *of, rng)?;
                one(draft, Intent::Client { document, of: *of, client: *client, ended: *ended })
            }
            Deed::Issue { .. } if self.model.tokens.len() >= TOKENS_MAX => Work::Nothing,
            Deed::Issue { member, person, ceiling } => Work::Issue(Token {
                member: *member,
                person: *person,
                ceiling: *ceiling,
                revoked: false,
                noted: Default::default(),
            }),
            Deed::Revoke { token } => Work::Revoke(usize::from(*token) % self.model.tokens.len()),
            Deed::Poll { token, pages, limit } => {
                let token = usize::from(*token) % self.model.tokens.len();
                Work::Poll { token, pages: *pages, limit: *limit }
            }
            Deed::Rebuild { view, batch, turns } => {
                let views = self.node.store().views();
                let view = views[usize::from(*view) % views.len()].name();
                Work::Rebuild { view, batch: *batch, turns: *turns }
            }
            Deed::OldCopy | Deed::Restart { .. } => Work::Nothing,
        })
    }

    fn batch_of(&self, items: &[Item], rng: &mut Rng) -> Ran<Work> {
        let (mut drafts, mut intents) = (Vec::new(), Vec::new());
        for item in items {
            let to = scene::audience(item.to, item.author);
            let envelope = item.tlp.map_or(Marking::NONE, Marking::tlp);
            let (draft, intent) = self.object(item, to, envelope, rng)?;
            drafts.push(draft);
            intents.push(intent);
        }
        Ok(Work::Batch { drafts, intents, sweeps: false })
    }

    /// An object as a door takes it: its marking is what its bytes say with the definitions that its author
    /// has made, and what its envelope says.
    fn object(&self, item: &Item, to: Audience, envelope: Marking, rng: &mut Rng) -> Ran<(Draft, Intent)> {
        let body = scene::body(item.object, item.version);
        let object = Object::parse(&body, "sim", &mut Vec::new());
        let object = object.ok_or_else(|| std::io::Error::other("an object of the scene does not parse"))?;
        let author = member(item.author);
        let definitions = self.node.store().read(|read| ledger::definitions::of_author(read, author))?;
        let marking = object.marking(&definitions).strictest(envelope);
        let defined = self.model.kept.iter().any(|k| !k.erased && (k.author, k.object) == (item.author, 8));
        let unknown = scene::is_marked(item.object) && !defined;
        let expected = envelope.strictest(Marking { unknown, ..Marking::NONE });
        same(2, || format!("the marking of {item}, by the definitions"), &expected, &marking)?;
        let salts = salts(rng);
        let draft = Draft::stix(object, body, author, to.clone(), marking, salts);
        let intent = Intent::Object {
            author: item.author,
            object: item.object,
            version: item.version,
            to,
            marking,
            widens: item.widens,
            salts,
        };
        Ok((Draft { widens: item.widens, ..draft }, intent))
    }

    /// A version that revokes, for each audience that had the object.
    fn retract(&self, author: u8, object: u8, rng: &mut Rng) -> Ran<Work> {
        let versioned = !matches!(scene::sort(object), scene::Sort::Address | scene::Sort::Definition);
        let told = self.model.told(author, object);
        if told.is_empty() || !versioned {
            return Ok(Work::Nothing);
        }
        let (mut drafts, mut intents) = (Vec::new(), Vec::new());
        for (to, marking) in told {
            let item = Item { author, object, version: scene::REVOKED, to: 0, tlp: None, widens: false };
            let (draft, intent) = self.object(&item, to, marking, rng)?;
            drafts.push(draft);
            intents.push(intent);
        }
        Ok(Work::Batch { drafts, intents, sweeps: false })
    }

    fn recall(&self, author: u8, object: u8, act: &Act, rng: &mut Rng) -> Ran<Work> {
        let own = self.node.store().read(|read| OwnRecords::of(read, member(author), &scene::id(object)))?;
        let held = self.model.kept.iter().filter(|k| !k.erased && (k.author, k.object) == (author, object));
        same(2, || format!("records of {}", scene::id(object)), &held.count(), &own.count())?;
        let drafts = own.recall(act, "", self.node.now(), &mut |bytes| rng.fill(bytes));
        let intents = drafts.iter().map(|draft| Intent::Recall {
            document: (draft.subject.id.clone(), draft.subject.version.micros()),
            author,
            object,
            act: act.clone(),
        });
        let intents = intents.collect::<Vec<_>>();
        if drafts.is_empty() {
            return Ok(Work::Nothing);
        }
        Ok(Work::Batch { drafts, intents, sweeps: *act == Act::Withdraw })
    }

    fn community(&self, n: u8) -> Ran<Vec<u8>> {
        let id = scene::community(n);
        let document = self.node.store().read(|read| query::community_document(read, id))?;
        document.ok_or_else(|| std::io::Error::other(format!("community {n} is not there")).into())
    }

    /// A community's next document, if anything changes.
    fn ring(&self, n: u8, rng: &mut Rng, change: impl FnOnce(&mut BTreeSet<u8>, &mut u8)) -> Ran<Work> {
        let ring = &self.model.rings[&n];
        let (mut members, mut text) = (ring.members.clone(), ring.text);
        change(&mut members, &mut text);
        let body = self.community(n)?;
        let made = if text != ring.text {
            command::with_terms(&body, Terms::new(&"t".repeat(usize::from(text))))
        } else if let Some(joins) = members.difference(&ring.members).next() {
            command::with_member(&body, member(*joins))
        } else if let Some(leaves) = ring.members.difference(&members).next() {
            command::without_member(&body, member(*leaves))
        } else {
            return Ok(Work::Nothing);
        };
        let (draft, document) = self.document(made.ok(), 1, rng)?;
        Ok(one(draft, Intent::Community { document, community: n, members, text }))
    }

    /// A document as the program appends it.
    fn document(
        &self,
        made: Option<command::Draft>,
        author: u8,
        rng: &mut Rng,
    ) -> Ran<(Draft, (String, i64))> {
        let made = made.ok_or_else(|| std::io::Error::other("the command was refused"))?;
        let (now, id) = (self.node.now(), made.subject.clone());
        let subject = self.node.store().read(|read| Subject::next_document(read, member(author), id, now))?;
        let document = (made.subject, subject.version.micros());
        let marking = Marking::tlp(Tlp::AmberStrict);
        let salts = salts(rng);
        let draft = Draft::new(made.kind, subject, made.body, member(author), made.audience, marking, salts);
        Ok((draft, document))
    }

    // --- what becomes of it ---

    fn carry_out(&mut self, work: &Work, rng: &mut Rng) -> Ran<()> {
        match work {
            Work::Batch { drafts, intents, sweeps } => {
                self.submit(drafts.clone(), intents)?;
                if *sweeps { self.node.scrub() } else { Ok(()) }
            }
            Work::Issue(token) => self.issue(token.clone(), rng),
            Work::Nothing => Ok(()),
            Work::Poll { token, pages, limit } => self.poll(*token, *pages, usize::from(*limit)),
            Work::Rebuild { view, batch, turns } => self.rebuild(view, *batch, *turns),
            Work::Revoke(token) => self.revoke(*token),
        }
    }

    /// Hands over a batch; what becomes of each draft is what the model says.
    fn submit(&mut self, drafts: Vec<Draft>, intents: &[Intent]) -> Ran<Vec<Verdict>> {
        let outcomes = self.node.submit(drafts)?;
        self.hold_outcomes(intents, &outcomes)
    }

    fn hold_outcomes(&mut self, intents: &[Intent], outcomes: &[Outcome]) -> Ran<Vec<Verdict>> {
        let size = self.model.size;
        let expected = self.model.submit(intents);
        let got = outcomes.iter().map(verdict).collect::<Ran<Vec<_>>>()?;
        same(3, || "what becomes of each draft of a batch".to_owned(), &expected, &got)?;
        let places = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Added { seq, .. } => Some(*seq),
            _ => None,
        });
        let places: Vec<i64> = places.collect();
        let wanted: Vec<i64> = (size + 1..=self.model.size).collect();
        same(3, || "the places of a batch".to_owned(), &wanted, &places)?;
        self.look_up_times(size)?;
        if !places.is_empty() {
            let newest = self.node.side().newest()?;
            let covered = newest.as_ref().map(|checkpoint| checkpoint.size as i64);
            same(
                3,
                || "the side file covers what was answered".to_owned(),
                &Some(self.model.size),
                &covered,
            )?;
            self.published.extend(newest);
        }
        Ok(expected)
    }

    /// Times are the node's own, and rise from record to record.
    fn look_up_times(&mut self, behind: i64) -> Ran<()> {
        let stored =
            self.node.store().read(|read| record::after(read, (behind - 1).max(0), usize::MAX >> 1))?;
        for pair in stored.windows(2) {
            let what = || format!("the time of record {} comes after the one before it", pair[1].seq);
            holds(4, what, pair[0].time < pair[1].time)?;
        }
        for kept in self.model.kept.iter_mut().filter(|kept| kept.seq > behind) {
            let found = stored.iter().find(|stored| stored.seq == kept.seq);
            kept.time = found.map_or(0, |stored| stored.time.micros());
        }
        Ok(())
    }

    fn issue(&mut self, token: Token, rng: &mut Rng) -> Ran<()> {
        let nth = self.model.tokens.len();
        let name = format!("token {nth}");
        let order = Order {
            name: &name,
            member: member(token.member),
            own: member(1),
            ceiling: Some(token.ceiling),
            person: token.person.then_some("jo"),
            rights: Rights::READ,
        };
        let (id, secret, now) = (rng.bytes::<{ token::ID_BYTES }>(), rng.bytes(), self.node.now());
        let issued =
            self.node.store().local(|tx| match token::issue(tx, &TOKEN_KEY, &order, id, secret, now) {
                Err(token::IssueError::Engine(error)) => Err(error),
                Err(other) => Err(EngineError::shape(other.to_string())),
                Ok(text) => Ok(text),
            })?;
        self.model.tokens.push(token);
        self.ids.push(hex(&id));
        for place in [Place::Community(1), Place::Community(2), Place::Own] {
            for wanted in [Wanted::All, Wanted::Last, rng.pick(&WANTED)] {
                self.clients.push(Client::new(nth, place, wanted, &issued));
            }
        }
        Ok(())
    }

    fn revoke(&mut self, nth: usize) -> Ran<()> {
        let (name, now) = (format!("token {nth}"), self.node.now());
        self.node.store().local(|tx| token::revoke(tx, &name, now).map(|_| ()))?;
        self.model.tokens[nth].revoked = true;
        Ok(())
    }

    fn poll(&mut self, token: usize, pages: u8, limit: usize) -> Ran<()> {
        for client in self.clients.iter_mut().filter(|client| client.token == token) {
            for _ in 0..pages {
                client.poll(&self.node, &mut self.model, limit)?;
            }
        }
        Ok(())
    }

    fn rebuild(&mut self, view: &str, batch: u8, turns: u8) -> Ran<()> {
        let store = self.node.store();
        store.rebuild_in_batches_of(usize::from(batch));
        let mut left = turns;
        store.rebuild(view, &mut |_| {
            left = left.saturating_sub(1);
            if left == 0 { Flow::Stop } else { Flow::Continue }
        })?;
        Ok(())
    }

    /// The answer is lost: whoever sent it sends it again, and hears that it is known.
    fn twice(&mut self, work: &Work, rng: &mut Rng) -> Ran<()> {
        self.carry_out(work, rng)?;
        match work {
            Work::Batch { drafts, intents, sweeps } => self.again(drafts, intents, *sweeps),
            _ => Ok(()),
        }
    }

    fn again(&mut self, drafts: &[Draft], intents: &[Intent], sweeps: bool) -> Ran<()> {
        let verdicts = self.submit(drafts.to_vec(), intents)?;
        let anew = verdicts.iter().any(|v| matches!(v, Verdict::Added | Verdict::Narrowed));
        holds(3, || format!("what is sent again is known: {verdicts:?}"), !anew)?;
        if sweeps { self.node.scrub() } else { Ok(()) }
    }

    /// The engine fails: the batch is absent as a whole, the node goes on, and it is sent again.
    fn fault(&mut self, work: &Work, at: u8, rng: &mut Rng) -> Ran<()> {
        let server = self.node.on_server();
        let Work::Batch { drafts, intents, sweeps } = work else {
            return match work {
                Work::Issue(token) => self.fault_of_token(token, at, rng),
                _ => self.carry_out(work, rng),
            };
        };
        let before = sql::dump(self.node.store(), ALL)?;
        fault::lay(self.node.store(), at, server)?;
        let answer = self.node.submit(drafts.clone());
        fault::lift(self.node.store(), at, server)?;
        if let Ok(outcomes) = answer {
            self.hold_outcomes(intents, &outcomes)?;
            return if *sweeps { self.node.scrub() } else { Ok(()) };
        }
        self.hold_dump(&before, "a batch that failed leaves nothing")?;
        self.carry_out(work, rng)
    }

    fn fault_of_token(&mut self, token: &Token, at: u8, rng: &mut Rng) -> Ran<()> {
        let server = self.node.on_server();
        let before = sql::dump(self.node.store(), ALL)?;
        fault::lay(self.node.store(), at, server)?;
        let answer = self.issue(token.clone(), rng);
        fault::lift(self.node.store(), at, server)?;
        if answer.is_ok() {
            return Ok(());
        }
        self.hold_dump(&before, "a token that failed is not there")?;
        self.issue(token.clone(), rng)
    }

    fn hold_dump(&self, expected: &[String], what: &str) -> Ran<()> {
        let got = sql::dump(self.node.store(), ALL)?;
        if got == expected {
            return Ok(());
        }
        let (expected, got) = sql::difference(expected, &got);
        Err(Broken { law: 3, what: what.to_owned(), expected, got })
    }

    /// The node crashes in the middle: what was acknowledged is there, a batch is there as a whole or not at
    /// all, and sending it again makes it so in either case.
    fn crash(&mut self, work: &Work, crash: Crash, rng: &mut Rng) -> Ran<()> {
        let Work::Batch { drafts, intents, sweeps } = work else {
            self.carry_out(work, rng)?;
            let files = self.node.files()?;
            self.node.stop();
            return self.node.start(&files);
        };
        let (model, published) = (self.model.clone(), self.published.len());
        let (files, rows) = (self.node.files()?, sql::dump(self.node.store(), ALL)?);
        self.submit(drafts.clone(), intents)?;
        let (written, written_rows) = (self.node.files()?, sql::dump(self.node.store(), ALL)?);
        if *sweeps {
            self.node.scrub()?;
        }
        let swept = self.node.files()?;
        self.node.stop();
        let (left, there) = left_by(crash, [&files, &written, &swept], rng.number());
        self.node.start(&left)?;
        if crash == Crash::Unpublished {
            self.node.half_published()?;
        }
        let there = if self.node.has_files() { there } else { There::Yes };
        let found = sql::dump(self.node.store(), ALL)?;
        let present = found == written_rows;
        if !present && (found != rows || there == There::Yes) {
            let (expected, got) = sql::difference(&written_rows, &found);
            let what =
                format!("{crash}: the batch is wholly there or wholly absent, as it must be ({there:?})");
            return Err(Broken { law: 3, what, expected, got });
        }
        let unmoved = rows == written_rows;
        holds(
            3,
            || format!("{crash}: nothing was written yet"),
            unmoved || !(present && there == There::No),
        )?;
        if present {
            return self.again(drafts, intents, *sweeps);
        }
        self.model = model;
        self.published.truncate(published);
        self.carry_out(work, rng)
    }

    fn restart(&mut self, days: i64) -> Ran<()> {
        if self.node.can_restart() {
            let rows = sql::dump(self.node.store(), ALL)?;
            let files = self.node.files()?;
            self.node.stop();
            self.node.start(&files)?;
            self.hold_dump(&rows, "what was acknowledged is there after a restart")?;
        }
        self.node.turn_clock(days);
        Ok(())
    }

    /// A database that was rolled back must not sign: its side file knows better.
    fn old_copy(&mut self) -> Ran<()> {
        if !self.node.has_files() {
            return Ok(());
        }
        let present = self.node.files()?;
        self.node.stop();
        let old = Node::rolled_back(&self.beginning, &present);
        // A checkpoint that never went out binds nobody.
        let out = self.node.side().newest()?.map_or(0, |checkpoint| checkpoint.size);
        let forks = out > BEGINNING_RECORDS;
        let refused = self.node.refuses(&old)?;
        same(3, || "a database that was rolled back is refused".to_owned(), &forks, &refused)?;
        self.node.start(&present)
    }
}

/// All kinds of table.
pub const ALL: &[TableKind] = &[TableKind::Local, TableKind::Records, TableKind::View];

fn one(draft: Draft, intent: Intent) -> Work {
    Work::Batch { drafts: vec![draft], intents: vec![intent], sweeps: false }
}

fn salts(rng: &mut Rng) -> Salts {
    Salts { subject: rng.bytes(), body: rng.bytes(), audience: rng.bytes() }
}

fn verdict(outcome: &Outcome) -> Ran<Verdict> {
    Ok(match outcome {
        Outcome::Added { .. } => Verdict::Added,
        Outcome::Known => Verdict::Known,
        Outcome::Narrowed => Verdict::Narrowed,
        Outcome::Refused(Refused::Gate(Refusal::Withdrawn)) => Verdict::Withdrawn,
        Outcome::Refused(Refused::Recall(RecallError::NotWithin)) => Verdict::NotWithin,
        Outcome::Refused(Refused::RefersFurther) => Verdict::RefersFurther,
        Outcome::Refused(other) => {
            let (what, expected) = ("what becomes of a draft".to_owned(), "no refusal like this".to_owned());
            return Err(Broken { law: 3, what, expected, got: format!("{other:?}") });
        }
    })
}

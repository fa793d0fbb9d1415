// SPDX-License-Identifier: Apache-2.0
//! Telling people of findings, by mail and webhook. What is to be told is written down first (the outbox) and
//! then sent; what fails is tried again later, and `polder notify list` says what and why.

mod mail;
mod settings;
mod webhook;

use hunt::report::outbox::{
    Enqueued, Outgoing, due, enqueue, failed, naming, outgoing, retry, sent, unname, waiting,
};
use hunt::report::words::{second, visible};
use hunt::report::{NamedObject, Summary, is_withheld, kept, notice, told};
use ledger::sql::{EngineError, Flow, Read};
use serde_json::json;

use crate::cli::NotifyCommand;
use crate::failure::{Exit, Failure};
use crate::finding::{indicator_facts, is_revoked};
use crate::node::{Node, now};
use crate::out::say;

pub use settings::{Settings, settings};

/// Channels, as they stand in the outbox.
const MAIL: &str = "mail";
const WEBHOOK: &str = "webhook";
/// Most notices that are sent in one go.
const SEND_MAX: usize = 100;

/// Runs `notify`.
pub fn run(command: &NotifyCommand) -> Result<Exit, Failure> {
    match command {
        NotifyCommand::List { data, json } => {
            let node = Node::open(data)?;
            let all = node.store.read(outgoing)?;
            all.iter().for_each(|one| tell(one, *json));
            Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
        }
        NotifyCommand::Retry { data, notice } => {
            let node = Node::open(data)?;
            if !node.store.local(|tx| retry(tx, *notice, now()))? {
                return Err(Failure::not_found(format!(
                    "no notice {notice} was given up; `polder notify list` shows them"
                )));
            }
            say!("notice {notice} waits again; `polder notify send` sends it");
            Ok(Exit::Done)
        }
        NotifyCommand::Send { data, notify, now, json } => {
            let settings = settings(notify)?;
            let node = Node::open(data)?;
            let tried = send(&node, &settings, *now, SEND_MAX)?;
            let bad = tried.iter().any(|(_, failure)| failure.is_some());
            let all = node.store.read(outgoing)?;
            let is_tried = |one: &&Outgoing| tried.iter().any(|(id, _)| *id == one.id);
            all.iter().filter(is_tried).for_each(|one| tell(one, *json));
            Ok(match (bad, tried.is_empty()) {
                (true, _) => Exit::Partial,
                (false, true) => Exit::NotFound,
                (false, false) => Exit::Done,
            })
        }
    }
}

fn tell(one: &Outgoing, as_json: bool) {
    if as_json {
        say!(
            "{}",
            json!({
                "notice": one.id, "channel": one.channel, "subject": one.subject,
                "state": one.delivery.name(), "tries": one.tries, "reason": one.reason,
                "made": one.made.to_string(), "changed": one.changed.to_string(),
                "next_try": one.next_try.to_string(),
            })
        );
        return;
    }
    let why = if one.reason.is_empty() { String::new() } else { format!(": {}", visible(&one.reason)) };
    say!(
        "{}  {}  {}  {}, {}{why}  {}",
        one.id,
        second(one.made),
        one.channel,
        one.delivery.name(),
        if one.tries == 1 { "1 try".to_owned() } else { format!("{} tries", one.tries) },
        visible(&one.subject)
    );
}

/// Tells people of a summary: writes it down for each channel, then sends what waits. What could not be sent
/// is told on stderr and tried again by `polder notify send`; nothing is an error but a fault of the node. `by` is the
/// number of this process, where it hunted.
pub fn announce(node: &Node, summary: &Summary, settings: &Settings, by: Option<i64>) -> Result<(), Failure> {
    match write_down(node, summary, settings, &mut || send_and_tell(node, settings))? {
        Told::Nothing if !summary.hits.is_empty() || !summary.known_detections.is_empty() => eprintln!(
            "nothing is new in what was found, so no notice is made; `polder finding report --notify FILE` tells all that \
             is recorded"
        ),
        Told::Nothing | Told::Written => {}
        // What waits was sent, or cannot be. The next hunt tells this one.
        Told::NoRoom => return Ok(by.map_or(Ok(()), |by| node.store.local(|tx| told::leave(tx, by)))?),
    }
    node.store.local(|tx| told::mark(tx, summary, by))?;
    send_and_tell(node, settings)
}

/// Sends what waits, and says on stderr what came of it.
fn send_and_tell(node: &Node, settings: &Settings) -> Result<(), Failure> {
    for (id, failure) in send(node, settings, false, SEND_MAX)? {
        match failure {
            None => eprintln!("notice {id} was sent"),
            Some(why) => tell_failure(id, &why),
        }
    }
    Ok(())
}

/// Says on stderr that a notice could not be sent.
pub fn tell_failure(id: i64, why: &str) {
    eprintln!(
        "polder: notice {id} could not be sent ({}); `polder notify send` tries again, `polder notify list` shows it",
        visible(why)
    );
}

/// What came of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing new was found.
    Nothing,
    /// It is written down for each channel, now or before.
    Written,
    /// Too many wait for one of the channels.
    NoRoom,
}

/// Writes down what is to be told of a summary, for each channel. Where too many wait for one `make_room` is called, and
/// it is tried once more.
pub fn write_down(
    node: &Node,
    summary: &Summary,
    settings: &Settings,
    make_room: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<Told, Failure> {
    let Some(notice) = notice(summary, settings.level_min) else { return Ok(Told::Nothing) };
    let mut told = Told::Written;
    let mut channels = Vec::new();
    let bare = notice.bare.as_ref();
    if settings.mail.is_some() {
        let bare = bare.map(|bare| bare.text.clone().into_bytes());
        channels.push((MAIL, notice.text.clone().into_bytes(), bare.unwrap_or_default()));
    }
    if settings.webhook.is_some() {
        let bare = bare.map(|bare| bare.json.to_string().into_bytes());
        channels.push((WEBHOOK, notice.json.to_string().into_bytes(), bare.unwrap_or_default()));
    }
    for (channel, body, bare) in channels {
        let write = || node.store.local(|tx| enqueue(tx, channel, &notice, &body, &bare, now()));
        let mut enqueued = write()?;
        if enqueued == Enqueued::Full {
            make_room()?;
            enqueued = write()?;
        }
        match enqueued {
            Enqueued::Added(_) => {}
            Enqueued::Full => {
                told = Told::NoRoom;
                eprintln!(
                    "polder: too many notices wait to be sent, so this one is not taken for {channel}; \
                     `polder notify list` says why they wait"
                );
            }
            Enqueued::Known => eprintln!("the same was told by {channel} before; it is not told again"),
        }
    }
    Ok(told)
}

/// Whether all objects that a notice names may be named as they were: each is held where it was, not revoked, and not
/// marked stricter since.
fn may_be_named(read: &mut dyn Read, objects: &[NamedObject]) -> Result<bool, EngineError> {
    for NamedObject { id, marking, held } in objects {
        let stands = match indicator_facts(read, id)? {
            None => !held,
            Some(facts) => {
                !is_withheld(&facts) && !marking.is_looser_than(facts.marking) && !is_revoked(read, id)?
            }
        };
        if !stands {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The newest record, whatever it is.
pub fn newest_record(read: &mut dyn Read) -> Result<i64, EngineError> {
    let mut newest = 0;
    read.query("SELECT coalesce(max(seq), 0) FROM records", &[], &mut |row| {
        newest = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    Ok(newest)
}

/// Takes out of the notices that wait, or were given up, what may not be named any more: what they said of it is erased,
/// and so are detections by a pattern that was withdrawn. Answers how many notices these are.
pub fn revise(node: &Node) -> Result<u64, Failure> {
    let mut changed = 0;
    node.store.local(kept::withdraw)?;
    for (id, objects) in node.store.read(naming)? {
        if !node.store.read(|read| may_be_named(read, &objects))? {
            changed += u64::from(node.store.local(|tx| unname(tx, id, now()))?);
        }
    }
    Ok(changed)
}

/// The notice as it may go out now; `None` where it does not wait any more.
fn as_it_may_go(node: &Node, one: Outgoing) -> Result<Option<Outgoing>, Failure> {
    if node.store.read(|read| may_be_named(read, &one.objects))? {
        return Ok(Some(one));
    }
    node.store.local(|tx| unname(tx, one.id, now()))?;
    Ok(node.store.read(|read| waiting(read, one.id))?)
}

/// Sends what is due, the oldest first and at most `limit`; answers the number of each notice that was tried, and why
/// it failed.
pub fn send(
    node: &Node,
    settings: &Settings,
    all: bool,
    limit: usize,
) -> Result<Vec<(i64, Option<String>)>, Failure> {
    let channels: Vec<&str> =
        [settings.mail.as_ref().map(|_| MAIL), settings.webhook.as_ref().map(|_| WEBHOOK)]
            .into_iter()
            .flatten()
            .collect();
    let due = node.store.read(|read| due(read, now(), all, &channels, limit))?;
    let mut tried = Vec::new();
    for one in due {
        // The ledger is asked again: meanwhile something may have been taken back.
        let Some(one) = as_it_may_go(node, one)? else { continue };
        let done = match one.channel.as_str() {
            MAIL => settings.mail.as_ref().map(|mail| mail.send(&one, node)),
            WEBHOOK => settings.webhook.as_ref().map(|webhook| webhook.send(&one)),
            _ => None,
        };
        // A channel that these settings do not have waits for those that do.
        let Some(done) = done else { continue };
        match done {
            Ok(()) => {
                node.store.local(|tx| sent(tx, one.id, now()))?;
                tried.push((one.id, None));
            }
            Err(why) => {
                let again = node.store.local(|tx| failed(tx, &one, &why, now()))?;
                let end = if again { "" } else { "; it is not tried any more" };
                tried.push((one.id, Some(format!("{why}{end}"))));
            }
        }
    }
    Ok(tried)
}

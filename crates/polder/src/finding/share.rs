// SPDX-License-Identifier: Apache-2.0
//! A finding becomes a sighting: a record that goes no further than its indicator.

use hunt::command::{Sight, sights};
use hunt::history::findings;
use hunt::report::IndicatorFacts;
use hunt::report::draft::{Draft, State, drafts, finding_id, write_down};
use hunt::standard::{sighting_objects, sighting_values};
use ledger::append::Outcome;
use ledger::audience::Heads;
use ledger::record;
use ledger::sql::EngineError;
use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use policy::{Reader, release};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Group, approve, group_of, indicator_facts, is_revoked as is_revoked_here, said_facts};
use crate::cli::{Data, ShareFinding};
use crate::failure::{Exit, Failure};
use crate::hunting::counted;
use crate::init::salts;
use crate::node::{Node, now};
use crate::out::say;
use exchange::standard::identity::{NAMESPACE, identity_id};

/// How a sighting is made, and for whom.
pub struct Terms<'a> {
    /// For whom.
    pub audience: Audience,
    /// The community of the audience, as it was named.
    pub community: Option<&'a str>,
    /// Label, if it should be stricter than the indicator's.
    pub tlp: Option<Tlp>,
    /// Whether it names nobody.
    pub anonymous: bool,
    /// The rule that approved it, if no person did.
    pub rule: Option<i64>,
}

/// A sighting that was appended.
pub struct Appended {
    pub sighting: String,
    pub observed: Option<String>,
    pub marking: Marking,
    pub added: usize,
}

/// `finding share`.
pub fn run(args: &ShareFinding) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let group = group_of(&node, &args.id)?;
    let is_draft = group.draft.state == State::Drafted;
    // What a draft says holds where the command says nothing else.
    let community = args.community.as_deref().or(group.draft.community.as_deref().filter(|_| is_draft));
    let terms = Terms {
        audience: node.audience(community)?,
        community,
        tlp: args.tlp,
        anonymous: args.anonymous || (is_draft && group.draft.anonymous),
        rule: None,
    };
    let sight = sight_of(&group)?;
    let marking = marking(&node, &sight.indicator, &terms.audience, terms.tlp)?;
    tell_stricter(terms.tlp, marking);
    if let Some(standing) = standing(&node, &sight, &terms, marking)? {
        tell_standing(&sight, &standing, args.json);
        return Ok(Exit::Done);
    }
    let rule = approve::same(&node, &sight.indicator, &terms)?;
    if args.draft {
        draft(&node, &group.draft, &terms, marking, rule)?;
        return Ok(Exit::Done);
    }
    let done = append(&node, &sight, &terms, marking)?;
    tell(&sight, &done, args.json);
    if let Some(earlier) = group.draft.sighting.filter(|earlier| *earlier != done.sighting) {
        eprintln!("{earlier} told of less, or otherwise; it stays. `polder recall` takes it back");
    }
    if let Some(rule) = rule {
        eprintln!(
            "rule {rule} approves the same: it shares other values of this indicator without being asked"
        );
    }
    Ok(Exit::Done)
}

/// Writes down that a sighting is prepared.
fn draft(
    node: &Node,
    known: &Draft,
    terms: &Terms<'_>,
    marking: Marking,
    rule: Option<i64>,
) -> Result<(), Failure> {
    let draft = Draft { state: State::Drafted, ..changed(known, terms) };
    let id = &draft.id;
    if known.state == State::Drafted
        && (&known.community, known.anonymous) == (&draft.community, draft.anonymous)
    {
        say!(
            "{id} is drafted since {}; nothing to do. `polder finding share {id}` appends it",
            known.changed
        );
        return Ok(());
    }
    node.store.local(|tx| write_down(tx, &draft))?;
    say!("{id} is drafted, {marking}; `polder finding share {id}` appends it");
    if let Some(rule) = rule {
        eprintln!("rule {rule} would have shared it with the next hunt; as a draft it waits for a person");
    }
    Ok(())
}

/// A sighting that is there already, and says all that is asked for.
struct Standing {
    sighting: String,
    observed: Option<String>,
    marking: Marking,
    made: Timestamp,
    /// The rule that approved it, if no person did.
    rule: Option<i64>,
}

/// The sighting that would be made, where the same was made before for the same recipients, as strict at least.
fn standing(
    node: &Node,
    sight: &Sight,
    terms: &Terms<'_>,
    marking: Marking,
) -> Result<Option<Standing>, Failure> {
    let [sighting, observed] = uuids(node, sight, terms.anonymous)?;
    let (sighting, observed) = (format!("sighting--{sighting}"), format!("observed-data--{observed}"));
    let own = node.member();
    node.store.read(|read| {
        let heads = Heads::load(read)?;
        let rows = record::of_subject(read, SubjectKey::of(&sighting))?;
        if let Some(newest) = rows.first().filter(|row| is_revoked(row.body.as_deref())) {
            return Err(Failure::usage(format!(
                "{sighting} said the same and was retracted on {}; what is retracted is not made again",
                newest.time
            )));
        }
        for row in rows {
            let head = heads.of(row.audience_row)?;
            let holds = head.author == own
                && head.audience == terms.audience
                && !head.marking.is_looser_than(marking)
                && row.body.is_some();
            if holds {
                let (kind, value) = (sight.observable.kind(), sight.observable.display());
                let known = drafts(read)?.remove(&finding_id(&sight.indicator, kind, &value));
                let by_it = known.filter(|draft| draft.sighting.as_ref() == Some(&sighting));
                let rule = by_it.and_then(|draft| draft.rule);
                let is_there = !record::of_subject(read, SubjectKey::of(&observed))?.is_empty();
                let (marking, made) = (head.marking, row.time);
                let observed = is_there.then_some(observed);
                return Ok(Some(Standing { sighting, observed, marking, made, rule }));
            }
        }
        Ok(None)
    })
}

pub fn is_revoked(body: Option<&[u8]>) -> bool {
    let body: Option<Value> = body.and_then(|body| serde_json::from_slice(body).ok());
    body.is_some_and(|body| body.get("revoked") == Some(&Value::Bool(true)))
}

fn tell_standing(sight: &Sight, standing: &Standing, as_json: bool) {
    let Standing { sighting, observed, marking, made, rule } = standing;
    let value = sight.observable.display();
    if as_json {
        let mut line = sighting_json(sight, sighting, observed.as_deref(), *marking, 0);
        (line["made"], line["rule"]) = (json!(made.to_string()), json!(rule));
        say!("{line}");
    } else {
        let by = rule.map_or(String::new(), |rule| format!(" by rule {rule}"));
        say!(
            "a sighting of {value} was made on {made}{by} for the same recipients, {marking}: {sighting}; nothing to do"
        );
    }
}

/// `finding sight`: all that was found for one indicator.
pub fn sight(
    data: &Data,
    indicator: &str,
    value: Option<&str>,
    community: Option<&str>,
    tlp: Option<Tlp>,
    as_json: bool,
) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let audience = node.audience(community)?;
    let terms = Terms { audience, community, tlp, anonymous: false, rule: None };
    let found = node.store.read(|read| findings(read, Some(indicator)))?;
    let found = found.iter().map(|hit| &hit.finding);
    let sights = sights(found.filter(|finding| value.is_none_or(|value| value == finding.value)), now());
    if sights.is_empty() {
        return Err(Failure::not_found(format!(
            "nothing was found for {indicator}; `polder finding list` shows what was"
        )));
    }
    let marking = marking(&node, indicator, &terms.audience, tlp)?;
    tell_stricter(tlp, marking);
    for sight in &sights {
        match standing(&node, sight, &terms, marking)? {
            Some(standing) => tell_standing(sight, &standing, as_json),
            None => tell(sight, &append(&node, sight, &terms, marking)?, as_json),
        }
    }
    Ok(Exit::Done)
}

/// A sighting as `docs/json.md` has it, that was made just now.
fn sighting_json(
    sight: &Sight,
    sighting: &str,
    observed: Option<&str>,
    marking: Marking,
    added: usize,
) -> Value {
    json!({
        "sighting": sighting, "observed_data": observed.unwrap_or_default(), "value": sight.observable.display(),
        "count": sight.count, "marking": marking.to_string(), "added": added, "made": null, "rule": null,
    })
}

fn tell(sight: &Sight, done: &Appended, as_json: bool) {
    let Appended { sighting, observed, marking, added } = done;
    let value = sight.observable.display();
    if as_json {
        say!("{}", sighting_json(sight, sighting, observed.as_deref(), *marking, *added));
    } else {
        say!("{sighting}: {value} seen {}, {marking}", counted(sight.count, "time"));
    }
}

/// The findings as one sight.
pub fn sight_of(group: &Group) -> Result<Sight, Failure> {
    sights(group.findings.iter().map(|hit| &hit.finding), now()).into_iter().next().ok_or_else(|| {
        Failure::usage(format!(
            "{} is of `{}`, the entry of a list: there is no object that a sighting could refer to; import the list \
             with `polder import` and hunt again",
            group.draft.id, group.draft.indicator
        ))
    })
}

/// What a sighting of the findings would say, under its indicator's marking; nothing for entries of a list, and
/// for an indicator of which nobody knows anything any more.
pub fn preview(node: &Node, group: &Group) -> Result<Vec<Value>, Failure> {
    let Some(sight) = sights(group.findings.iter().map(|hit| &hit.finding), now()).into_iter().next() else {
        return Ok(Vec::new());
    };
    let known = node.store.read(|read| match indicator_facts(read, &sight.indicator)? {
        None => said_facts(read, &sight.indicator),
        facts => Ok(facts),
    })?;
    // It was withdrawn: nothing of it is told.
    let Some(facts) = known else { return Ok(Vec::new()) };
    let anonymous = group.draft.anonymous;
    let identity = identity_id(node.member());
    let refs = marking_refs(&facts, facts.marking);
    let by = (!anonymous).then_some(identity.as_str());
    Ok(sighting_values(&sight.facts(by, &refs, now(), uuids(node, &sight, anonymous)?)))
}

/// Why no sighting of the findings can be shared, as [`run`] would say: their indicator is not held here, or no more.
/// `None` of entries of lists, which no sighting is of.
pub fn refusal(node: &Node, group: &Group) -> Result<Option<String>, Failure> {
    let Some(sight) = sights(group.findings.iter().map(|hit| &hit.finding), now()).into_iter().next() else {
        return Ok(None);
    };
    let community = group.draft.community.as_deref().filter(|_| group.draft.state == State::Drafted);
    match marking(node, &sight.indicator, &node.audience(community)?, None) {
        Ok(_) => Ok(None),
        Err(failure) if matches!(failure.exit, Exit::NotFound | Exit::Usage) => Ok(Some(failure.message)),
        Err(failure) => Err(failure),
    }
}

/// A sighting goes no further than the indicator: as strict as the strictest record of it, and to a
/// community only if the gate releases the indicator to its members too. A label brings out nothing that
/// somebody has not marked: what refers to it stays at home.
pub fn marking(
    node: &Node,
    indicator: &str,
    audience: &Audience,
    tlp: Option<Tlp>,
) -> Result<Marking, Failure> {
    let heads: Vec<Head> = node.store.read(|read| {
        let rows = record::of_subject(read, SubjectKey::of(indicator))?;
        let heads = Heads::load(read)?;
        rows.iter().map(|row| heads.of(row.audience_row).cloned()).collect::<Result<_, EngineError>>()
    })?;
    if heads.is_empty() {
        return Err(Failure::not_found(format!("no indicator {indicator} is held here")));
    }
    let strictest =
        heads.iter().map(|head| head.marking).reduce(Marking::as_strict_as).unwrap_or(Marking::NONE);
    if node.store.read(|read| is_revoked_here(read, indicator))? {
        return Err(Failure::usage(format!(
            "{indicator} was revoked: who made it says that it was wrong, so no sighting of it is made. `polder finding \
             dismiss` sets its findings aside; if they are true all the same, import an indicator of your own and hunt again"
        )));
    }
    let marking = tlp.map_or(strictest, |tlp| strictest.as_strict_as(Marking::tlp(tlp)));
    let Audience::Community(community) = audience else { return Ok(marking) };
    if marking.tlp.is_none() || marking.unknown {
        return Err(Failure::usage(format!(
            "a record of {indicator} carries no TLP, or a marking that is not understood, so a sighting of it stays in \
             the own organisation: leave --community out, or have its author mark the indicator first"
        )));
    }
    // Any member of the community who wrote none of it.
    let reader =
        Reader { communities: [*community].into(), ..Reader::service(MemberId([0; 32]), Tlp::AmberStrict) };
    if !heads.iter().any(|head| release(head, &reader, policy::Exit::Taxii).is_ok()) {
        return Err(Failure::usage(format!(
            "{indicator} was not shared with that community, so a sighting of it may not be either; share the indicator \
             first, if its marking allows it"
        )));
    }
    Ok(marking)
}

/// A label that was asked for loosens nothing; whoever asks for a looser one is told.
fn tell_stricter(asked: Option<Tlp>, marking: Marking) {
    if let Some(asked) = asked.filter(|asked| *asked < marking.label()) {
        eprintln!(
            "{asked} was asked for and is not given: the indicator is marked stricter, and a sighting of it goes no \
             further. It is {marking}"
        );
    }
}

/// The indicator's `object_marking_refs`, of TLP the one label that counts.
fn marking_refs(facts: &IndicatorFacts, marking: Marking) -> Vec<String> {
    let others = facts.marking_refs.iter().filter(|id| Tlp::from_stix_id(id).is_none()).cloned();
    others.chain(marking.tlp.map(|tlp| tlp.stix_id().to_owned())).collect()
}

/// The same findings make the same sighting: asked again, it is known. An anonymous one's ids are keyed, so
/// that nobody who knows the members can try whose it is.
fn uuids(node: &Node, sight: &Sight, anonymous: bool) -> Result<[Uuid; 2], Failure> {
    let key = node.sighting_key()?;
    let Sight { indicator, observable, count, last, .. } = sight;
    Ok(["sighting", "observed-data"].map(|kind| {
        let name =
            format!("{kind}\n{}\n{indicator}\n{}\n{count}\n{last}", node.member(), observable.display());
        if anonymous { keyed_uuid(&key, &name) } else { Uuid::new_v5(&NAMESPACE, name.as_bytes()) }
    }))
}

/// A UUID that nobody without the key can connect with the name.
pub fn keyed_uuid(key: &[u8; 32], name: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::new().chain_update(key).chain_update(name).finalize().into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Appends a sighting, and writes down that it was.
pub fn append(node: &Node, sight: &Sight, terms: &Terms<'_>, marking: Marking) -> Result<Appended, Failure> {
    let facts = node.store.read(|read| indicator_facts(read, &sight.indicator))?.unwrap_or_default();
    let refs = marking_refs(&facts, marking);
    let mut drafts = Vec::new();
    if !terms.anonymous {
        drafts.push(crate::identity::draft(node, &terms.audience, salts()?)?);
    }
    let identity = drafts.first().map(|draft| draft.subject.id.clone());
    let uuids = uuids(node, sight, terms.anonymous)?;
    for body in sighting_objects(&sight.facts(identity.as_deref(), &refs, now(), uuids)) {
        let Some(object) = Object::parse(&body, "sighting", &mut Vec::new()) else {
            return Err(Failure::internal("a sighting of our own making does not parse"));
        };
        let draft = ledger::draft::Draft::stix(
            object,
            body,
            node.member(),
            terms.audience.clone(),
            marking,
            salts()?,
        );
        drafts.push(ledger::draft::Draft { only_if_new: true, ..draft });
    }
    let ids: Vec<String> = drafts.iter().map(|draft| draft.subject.id.clone()).collect();
    let outcomes = node.write()?.submit(drafts).wait()?;
    if let Some((id, _)) = ids.iter().zip(&outcomes).find(|(_, o)| matches!(o, Outcome::Refused(_))) {
        return Err(Failure::usage(format!(
            "{id} is held for other recipients only; share it with them first"
        )));
    }
    let added = outcomes.iter().filter(|o| matches!(o, Outcome::Added { .. })).count();
    let id = |kind: &str| ids.iter().find(|id| id.starts_with(kind)).cloned();
    let sighting = id("sighting--").unwrap_or_default();
    let (kind, value) = (sight.observable.kind(), sight.observable.display());
    let fresh = Draft::new(&sight.indicator, kind, &value);
    let shared = Draft { state: State::Shared, sighting: Some(sighting.clone()), ..changed(&fresh, terms) };
    node.store.local(|tx| write_down(tx, &shared))?;
    Ok(Appended { sighting, observed: id("observed-data--"), marking, added })
}

/// What is written down of findings that are to be, or were, shared.
pub fn changed(draft: &Draft, terms: &Terms<'_>) -> Draft {
    Draft {
        reason: String::new(),
        community: terms.community.map(str::to_owned),
        anonymous: terms.anonymous,
        rule: terms.rule,
        changed: now(),
        ..draft.clone()
    }
}

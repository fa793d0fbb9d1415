// SPDX-License-Identifier: Apache-2.0
//! Authors' own signatures as they are kept, and verifying them with the log.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::head::Head;
use model::id::{MemberId, SubjectKey, hex};
use model::kind::Kind;
use model::time::Timestamp;
use serde_json::{Map, Value as Json};
use trust::member::parse_fingerprint;

use crate::audience::Heads;
use crate::checkpoint::Origin;
use crate::entry::Commitments;
use crate::hosted::{OF_KEYS, said_by};
use crate::logs::{own_logs, row_of};
use crate::recall::EntryPlace;
use crate::record::Stored;
use crate::root::chain::Identity;
use crate::signed::AuthorSignature;
use crate::sql::{EngineError, Flow, Read, Value};

/// The name of the signature in an entry.
const SIG: &[u8] = b"\"sig\":";

/// Signatures of the records after `seq` up to `last`.
pub fn between(
    read: &mut dyn Read,
    seq: i64,
    last: i64,
) -> Result<BTreeMap<i64, AuthorSignature>, EngineError> {
    let mut all = BTreeMap::new();
    let sql =
        "SELECT seq, signed, widens, signature FROM signatures WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
    read.query(sql, &[Value::Int(seq), Value::Int(last)], &mut |row| {
        let signed = Timestamp::from_micros(row.int(1)?);
        let signature = AuthorSignature { signed, widens: row.int(2)? != 0, bytes: row.blob(3)?.to_vec() };
        all.insert(row.int(0)?, signature);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// The signature of the record with this `seq`.
pub fn at(read: &mut dyn Read, seq: i64) -> Result<Option<AuthorSignature>, EngineError> {
    Ok(between(read, seq - 1, seq)?.remove(&seq))
}

/// A record that its author signed, as the author needs it for a recall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where its entry is.
    pub place: EntryPlace,
    /// What holds for it now.
    pub head: Head,
    /// Id of its subject.
    pub id: String,
    /// Version of its subject.
    pub version: Timestamp,
}

/// The STIX objects that a member signed itself and that are not erased, in order.
pub fn places(read: &mut dyn Read, author: MemberId) -> Result<Vec<Place>, EngineError> {
    let heads = Heads::load(read)?;
    let mut all = Vec::new();
    let sql = "SELECT l.origin, r.idx, r.audience, r.subject, r.id, r.version FROM signatures g \
               JOIN records r ON r.seq = g.seq JOIN logs l ON l.id = r.log ORDER BY g.seq";
    read.query(sql, &[], &mut |row| {
        let head = heads.of(row.int(2)?)?;
        let key: Option<[u8; 17]> = row.blob(3)?.try_into().ok();
        let id = row.text_opt(4)?.map(str::to_owned).or_else(|| SubjectKey(key?).id());
        if let (Some(id), true) = (id, head.author == author && head.kind.is_stix()) {
            let origin = row.text(0)?.parse().map_err(|_| EngineError::shape("logs.origin"))?;
            let place = EntryPlace { origin, index: row.int(1)? as u64 };
            let version = Timestamp::from_micros(row.int(5)?);
            all.push(Place { place, head: head.clone(), id, version });
        }
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// What an entry commits to, and the signature that it names.
pub fn of_entry(entry: &[u8]) -> Option<(Commitments, Option<[u8; 32]>)> {
    let entry: Map<String, Json> = serde_json::from_slice(entry).ok()?;
    let hash = |name: &str| parse_fingerprint(entry.get(name)?.as_str()?).ok();
    let commitments =
        Commitments { subject: hash("subject")?, body: hash("body")?, audience: hash("audience")? };
    Some((commitments, hash("sig")))
}

/// Whose keys signed what, while a whole log is verified.
pub(crate) struct Authors {
    origins: HashMap<i64, Origin>,
    /// Members whose root statement was passed: from there on they sign themselves.
    hosted: HashSet<MemberId>,
    identities: HashMap<MemberId, Option<Identity>>,
}

impl Authors {
    pub(crate) fn of(read: &mut dyn Read) -> Result<Authors, EngineError> {
        let origins = own_logs(read)?.into_iter().map(|log| (row_of(&log.origin), log.origin)).collect();
        Ok(Authors { origins, hosted: HashSet::new(), identities: HashMap::new() })
    }

    /// What is wrong with who said a record, if anything. Records come in the order of `seq`.
    pub(crate) fn fault(
        &mut self,
        read: &mut dyn Read,
        row: &Stored,
        head: &Head,
        signature: Option<&AuthorSignature>,
    ) -> Result<Option<String>, EngineError> {
        let Some(origin) = self.origins.get(&row.log).copied() else { return Ok(None) };
        let Some(signature) = signature else {
            if head.kind == Kind::MEMBER_ROOT && head.author.0 != origin.member {
                self.hosted.insert(head.author);
            }
            let must = self.hosted.contains(&head.author) && !OF_KEYS.contains(&head.kind);
            // An entry that is not erased is compared whole, so that a lost signature shows there.
            let lost = row.body.is_none() && row.entry.windows(SIG.len()).any(|w| w == SIG);
            return Ok((must || lost).then(|| format!("its author {} did not sign it", head.author)));
        };
        let Some((commitments, sig)) = of_entry(&row.entry) else {
            return Ok(Some("its entry cannot be read".to_owned()));
        };
        if sig != Some(signature.hash()) {
            return Ok(Some(format!("its entry names another signature than {}", hex(&signature.hash()))));
        }
        let identity = match self.identities.entry(head.author) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(identity(read, head.author)?),
        };
        Ok(match identity {
            None => Some(format!("what its author {} said of its keys does not hold", head.author)),
            Some(identity) => {
                let checked = signature.check(identity, head, &commitments, &origin, row.time);
                checked.err().map(|error| error.to_string())
            }
        })
    }
}

fn identity(read: &mut dyn Read, member: MemberId) -> Result<Option<Identity>, EngineError> {
    Ok(said_by(read, member)?.and_then(|said| said.verify().ok()))
}

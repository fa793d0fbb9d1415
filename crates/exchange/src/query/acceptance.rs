// SPDX-License-Identifier: Apache-2.0
//! Who has accepted the present terms of a community.

use std::collections::BTreeMap;

use ledger::sql::{EngineError, Flow, Read, Value};
use model::id::MemberId;
use model::time::Timestamp;

use super::{CommunityRow, member_of};
use crate::standard::terms::Acceptance;

/// That a member has accepted the terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Who says so: the member itself, or the author of the community for it.
    pub by: MemberId,
    /// When that was logged.
    pub time: Timestamp,
    /// Where the paper is kept, if there is one.
    pub evidence: String,
}

/// The acceptances that count for the present terms of a community, by member; of several the first. Its author
/// accepts his own terms by writing them, and is not among them. For the operator; not behind the gate.
pub fn acceptances(
    read: &mut dyn Read,
    community: &CommunityRow,
) -> Result<BTreeMap<MemberId, Accepted>, EngineError> {
    let mut all = BTreeMap::new();
    let sql = "SELECT t.member, t.author, r.time, b.body FROM terms_accepted t \
               JOIN communities c ON c.uuid = t.uuid JOIN records r ON r.seq = t.seq JOIN bodies b ON b.seq = t.seq \
               WHERE t.uuid = ?1 AND t.digest = c.terms AND (t.author = t.member OR t.author = c.author) \
               ORDER BY t.seq";
    read.query(sql, &[Value::Text(&community.id.to_string())], &mut |row| {
        let (member, by) = (member_of(row.blob(0)?)?, member_of(row.blob(1)?)?);
        let time = Timestamp::from_micros(row.int(2)?);
        let evidence = Acceptance::parse(row.blob(3)?).map(|acceptance| acceptance.evidence);
        all.entry(member).or_insert(Accepted { by, time, evidence: evidence.unwrap_or_default() });
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

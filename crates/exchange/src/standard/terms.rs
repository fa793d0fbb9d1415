// SPDX-License-Identifier: Apache-2.0
//! The terms of a community, and a member's acceptance of them (`docs/record.md`, acceptance of terms).
//!
//! An acceptance holds for exactly the terms whose digest it names: terms that change are accepted anew.

use std::collections::BTreeSet;

use model::id::{CommunityId, MemberId, hex};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::limits::{EVIDENCE_BYTES_MAX, TERMS_BYTES_MAX};

const SUBJECT_TYPE: &str = "x-polder-acceptance";
const VERSION: u64 = 1;

/// What members agree to, apart from the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// On what law sharing rests.
    pub legal_basis: Option<String>,
    /// What may be done with what is shared.
    pub permitted_use: Option<String>,
    /// Countries in which it may be held (ISO 3166-1 alpha-2); empty: not limited.
    pub countries: BTreeSet<String>,
    /// After how many days it is to be deleted.
    pub retention_days: Option<u32>,
    /// Who answers for damage.
    pub liability: Option<String>,
}

/// The terms of a community.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Counts from 1, for people.
    pub version: u32,
    /// The text.
    pub text: String,
    /// What can be said in fields.
    pub conditions: Conditions,
}

impl Terms {
    /// First version of a text.
    pub fn new(text: &str) -> Terms {
        Terms { version: 1, text: text.to_owned(), conditions: Conditions::default() }
    }

    /// Whether there is anything that a member has to accept.
    pub fn ask(&self) -> bool {
        !self.text.is_empty() || self.conditions != Conditions::default()
    }

    /// Digest of text and conditions, whatever their version is called.
    pub fn digest(&self) -> [u8; 32] {
        let parts = json!({ "conditions": self.conditions.to_json(), "text": self.text });
        // Serialising a Value to memory cannot fail; keys are sorted, so equal terms have equal bytes.
        let bytes = serde_jcs::to_vec(&parts).unwrap_or_default();
        Sha256::new().chain_update(b"polder/terms/v1\n").chain_update(bytes).finalize().into()
    }

    /// Whether the terms are within their limits.
    pub fn fit(&self) -> bool {
        let c = &self.conditions;
        let texts =
            [Some(&self.text), c.legal_basis.as_ref(), c.permitted_use.as_ref(), c.liability.as_ref()];
        texts.into_iter().flatten().map(String::len).sum::<usize>() <= TERMS_BYTES_MAX
            && c.countries.iter().all(|code| is_country(code))
    }
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|c| c.is_ascii_uppercase())
}

impl Conditions {
    /// The JSON object; only what is said.
    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        let texts = [
            ("legal_basis", &self.legal_basis),
            ("liability", &self.liability),
            ("permitted_use", &self.permitted_use),
        ];
        for (name, text) in texts {
            all.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
        }
        if !self.countries.is_empty() {
            all.insert("countries".into(), json!(self.countries));
        }
        all.extend(self.retention_days.map(|days| ("retention_days".to_owned(), json!(days))));
        Value::Object(all)
    }

    /// Reads [`Conditions::to_json`]; `None` for another form, also for a property that is not known: terms
    /// that are half understood are not terms.
    pub fn from_json(value: &Value) -> Option<Conditions> {
        let mut conditions = Conditions::default();
        for (name, value) in value.as_object()? {
            let text = || value.as_str().map(str::to_owned);
            match name.as_str() {
                "legal_basis" => conditions.legal_basis = Some(text()?),
                "liability" => conditions.liability = Some(text()?),
                "permitted_use" => conditions.permitted_use = Some(text()?),
                "retention_days" => conditions.retention_days = Some(u32::try_from(value.as_u64()?).ok()?),
                "countries" => {
                    let codes = value.as_array()?.iter().map(|code| code.as_str().map(str::to_owned));
                    conditions.countries = codes.collect::<Option<_>>()?;
                }
                _ => return None,
            }
        }
        Some(conditions)
    }
}

/// A member accepts the terms of a community.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The community.
    pub community: CommunityId,
    /// Who accepts.
    pub member: MemberId,
    /// Version of the terms, for people.
    pub terms_version: u32,
    /// [`Terms::digest`] of what is accepted.
    pub digest: [u8; 32],
    /// Where the community's steward keeps the paper, when he says it for a member.
    pub evidence: String,
}

impl Acceptance {
    /// Subject of its record: one for each member and community.
    pub fn subject(&self) -> String {
        format!("{SUBJECT_TYPE}--{}", subject_uuid(&[self.community.0.as_bytes(), &self.member.0]))
    }

    /// Whether it is within its limits.
    pub fn fits(&self) -> bool {
        self.evidence.len() <= EVIDENCE_BYTES_MAX && !self.evidence.chars().any(char::is_control)
    }

    /// The document in RFC 8785 form.
    pub fn print(&self) -> Vec<u8> {
        let document = json!({
            "community": self.community.to_string(), "evidence": self.evidence,
            "member": self.member.to_string(), "terms_sha256": hex(&self.digest),
            "terms_version": self.terms_version, "v": VERSION,
        });
        // Serialising a Value to memory cannot fail.
        serde_jcs::to_vec(&document).unwrap_or_default()
    }

    /// Reads a document; `None` for another form.
    pub fn parse(body: &[u8]) -> Option<Acceptance> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| value.get(name)?.as_str();
        if value.get("v")?.as_u64()? != VERSION {
            return None;
        }
        let digest = MemberId::parse(text("terms_sha256")?).ok()?.0;
        let acceptance = Acceptance {
            community: CommunityId(Uuid::try_parse(text("community")?).ok()?),
            member: MemberId::parse(text("member")?).ok()?,
            terms_version: u32::try_from(value.get("terms_version")?.as_u64()?).ok()?,
            digest,
            evidence: text("evidence")?.to_owned(),
        };
        acceptance.fits().then_some(acceptance)
    }
}

/// A UUID that follows from parts of fixed length.
pub(crate) fn subject_uuid(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        let terms = Terms {
            version: 3,
            text: "no".into(),
            conditions: Conditions {
                countries: ["NL".to_owned(), "DE".to_owned()].into(),
                retention_days: Some(90),
                legal_basis: Some("NIS2 article 29".into()),
                ..Conditions::default()
            },
        };
        assert_eq!(Conditions::from_json(&terms.conditions.to_json()), Some(terms.conditions.clone()));
        assert_eq!(Conditions::from_json(&json!({ "fee": 1 })), None);
        assert_ne!(terms.digest(), Terms::new("no").digest());
        assert_eq!(terms.digest(), Terms { version: 4, ..terms.clone() }.digest());
        assert!(terms.ask() && !Terms::new("").ask());
        let acceptance = Acceptance {
            community: CommunityId(Uuid::from_u128(7)),
            member: MemberId([3; 32]),
            terms_version: 3,
            digest: terms.digest(),
            evidence: "letter of 3 May".into(),
        };
        assert_eq!(Acceptance::parse(&acceptance.print()), Some(acceptance.clone()));
        let long = |n: usize| Acceptance { evidence: "e".repeat(n), ..acceptance.clone() };
        assert!(long(EVIDENCE_BYTES_MAX).fits() && !long(EVIDENCE_BYTES_MAX + 1).fits());
    }
}

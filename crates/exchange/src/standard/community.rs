// SPDX-License-Identifier: Apache-2.0
//! The document of a community (`docs/record.md`, community): its id, name, terms and members.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{CommunityId, MemberId};
use policy::Role;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::limits::{COMMUNITY_MEMBERS_MAX, NAME_BYTES_MAX, TERMS_BYTES_MAX};
use crate::standard::terms::{Conditions, Terms};

const SUBJECT_TYPE: &str = "x-polder-community";

/// A community's document. Properties that this program does not know survive.
#[derive(Clone, Debug, PartialEq)]
pub struct Community {
    /// Its id, which is also that of its TAXII collection.
    pub id: CommunityId,
    /// Its name.
    pub name: String,
    /// Its members.
    pub members: BTreeSet<MemberId>,
    /// Roles of members that do not merely contribute.
    pub roles: BTreeMap<MemberId, Role>,
    /// Its terms.
    pub terms: Terms,
    /// What a newer program wrote.
    pub other: Map<String, Value>,
}

/// The document of a community cannot be used: its author must mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommunityError {
    /// A property is missing or of another form.
    #[error("`{0}` of the community is missing or has the wrong form")]
    Form(&'static str),
    /// The id is not a UUIDv4, which a TAXII collection's id must be.
    #[error("the community's id is not a UUID of version 4")]
    Id,
    /// Not a JSON object.
    #[error("the community is not a JSON object")]
    Json,
    /// A member stands twice.
    #[error("a member stands twice in the community")]
    MemberTwice,
    /// The name is empty, too long or cannot be shown.
    #[error("a community's name has 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// The terms are too long, or name a country by anything but two capital letters.
    #[error("a community's terms have at most {TERMS_BYTES_MAX} bytes, and countries of two capital letters")]
    Terms,
    /// Too many members.
    #[error("a community has at most {COMMUNITY_MEMBERS_MAX} members")]
    TooManyMembers,
}

impl CommunityError {
    /// Stable code, kept with a record that the view skipped.
    pub fn code(&self) -> &'static str {
        match self {
            CommunityError::Form(_) => "community-form",
            CommunityError::Id => "community-id",
            CommunityError::Json => "community-json",
            CommunityError::MemberTwice => "community-member-twice",
            CommunityError::Name => "community-name",
            CommunityError::Terms => "community-terms",
            CommunityError::TooManyMembers => "community-too-many-members",
        }
    }
}

impl Community {
    /// Reads a community's document.
    pub fn parse(body: &[u8]) -> Result<Community, CommunityError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| CommunityError::Json)?;
        let Value::Object(mut other) = value else { return Err(CommunityError::Json) };
        let mut take = |name: &'static str| other.remove(name).ok_or(CommunityError::Form(name));
        let text = |name: &'static str, value: Value| match value {
            Value::String(text) => Ok(text),
            _ => Err(CommunityError::Form(name)),
        };
        let id = text("id", take("id")?)?;
        let name = text("name", take("name")?)?;
        let text_of_terms = text("terms", take("terms")?)?;
        let terms = Terms {
            text: text_of_terms,
            version: match take("terms_version") {
                Err(_) => 1,
                Ok(value) => value
                    .as_u64()
                    .and_then(|version| u32::try_from(version).ok())
                    .ok_or(CommunityError::Form("terms_version"))?,
            },
            conditions: match take("conditions") {
                Err(_) => Conditions::default(),
                Ok(value) => Conditions::from_json(&value).ok_or(CommunityError::Form("conditions"))?,
            },
        };
        let Value::Array(list) = take("members")? else { return Err(CommunityError::Form("members")) };
        if list.len() > COMMUNITY_MEMBERS_MAX {
            return Err(CommunityError::TooManyMembers);
        }
        let mut members = BTreeSet::new();
        for member in list {
            let member = member.as_str().and_then(|text| MemberId::parse(text).ok());
            if !members.insert(member.ok_or(CommunityError::Form("members"))?) {
                return Err(CommunityError::MemberTwice);
            }
        }
        let id = CommunityId(Uuid::try_parse(&id).map_err(|_| CommunityError::Form("id"))?);
        let roles = match other.remove("roles") {
            None => BTreeMap::new(),
            Some(roles) => roles_of(&roles).ok_or(CommunityError::Form("roles"))?,
        };
        let community = Community { id, name, members, roles, terms, other };
        community.check()?;
        Ok(community)
    }

    /// Checks what a program that writes one can get wrong.
    pub fn check(&self) -> Result<(), CommunityError> {
        let name = &self.name;
        if self.id.0.get_version_num() != 4 {
            return Err(CommunityError::Id);
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(CommunityError::Name);
        }
        if !self.terms.fit() {
            return Err(CommunityError::Terms);
        }
        if self.members.len() > COMMUNITY_MEMBERS_MAX {
            return Err(CommunityError::TooManyMembers);
        }
        // A role outlives no membership, and what everyone is by himself is not said.
        if self.roles.iter().any(|(m, role)| !self.members.contains(m) || *role == Role::Contributor) {
            return Err(CommunityError::Form("roles"));
        }
        Ok(())
    }

    /// Role of a member, as the document says.
    pub fn role(&self, member: MemberId) -> Option<Role> {
        self.members.contains(&member).then(|| self.roles.get(&member).copied().unwrap_or_default())
    }

    /// Prints the document in canonical form (RFC 8785).
    pub fn print(&self) -> Result<Vec<u8>, CommunityError> {
        self.check()?;
        let mut all = self.other.clone();
        let members = self.members.iter().map(|member| Value::String(member.to_string())).collect();
        all.insert("id".into(), Value::String(self.id.to_string()));
        all.insert("members".into(), Value::Array(members));
        all.insert("name".into(), Value::String(self.name.clone()));
        if !self.roles.is_empty() {
            let role = |(member, role): (&MemberId, &Role)| (member.to_string(), Value::from(role.name()));
            all.insert("roles".into(), Value::Object(self.roles.iter().map(role).collect()));
        }
        all.insert("terms".into(), Value::String(self.terms.text.clone()));
        // What was written before terms had versions stays as it was.
        if self.terms.version != 1 {
            all.insert("terms_version".into(), Value::from(self.terms.version));
        }
        if self.terms.conditions != Conditions::default() {
            all.insert("conditions".into(), self.terms.conditions.to_json());
        }
        serde_jcs::to_vec(&Value::Object(all)).map_err(|_| CommunityError::Json)
    }
}

/// `{"<member id>":"observer"|"steward"}`.
fn roles_of(value: &Value) -> Option<BTreeMap<MemberId, Role>> {
    let each = |(member, role): (&String, &Value)| {
        Some((MemberId::parse(member).ok()?, Role::parse(role.as_str()?)?))
    };
    let roles: BTreeMap<MemberId, Role> = value.as_object()?.iter().map(each).collect::<Option<_>>()?;
    // Two spellings of one id would be two roles of one member.
    (roles.len() == value.as_object()?.len()).then_some(roles)
}

/// Subject of the records of a community.
pub fn subject(id: CommunityId) -> String {
    format!("{SUBJECT_TYPE}--{id}")
}

/// Community of a subject that [`subject`] printed.
pub fn id_of_subject(subject: &str) -> Option<CommunityId> {
    let id = subject.strip_prefix(SUBJECT_TYPE)?.strip_prefix("--")?;
    let id = CommunityId(Uuid::try_parse(id).ok()?);
    // Other spellings of a UUID are read too; a community has one subject.
    (self::subject(id) == subject).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Community {
        Community {
            id: CommunityId(Uuid::from_u128(0x5f2c_0f3e_8f4b_4c1d_9a55_0c1d_2e3f_4a5b)),
            name: "Chip \"makers\"".into(),
            members: [MemberId([2; 32]), MemberId([1; 32])].into(),
            roles: BTreeMap::new(),
            terms: Terms::new("none"),
            other: Map::new(),
        }
    }

    #[test]
    fn what_is_printed_can_be_read_and_is_canonical() {
        let body = sample().print().unwrap();
        assert_eq!(Community::parse(&body).unwrap(), sample());
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        let expected = format!(
            r#"{{"id":"5f2c0f3e-8f4b-4c1d-9a55-0c1d2e3f4a5b","members":["{one}","{two}"],"name":"Chip \"makers\"","terms":"none"}}"#
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn roles_are_of_members_and_are_said_only_where_they_are_not_the_usual_one() {
        let mut community = sample();
        community.roles = [(MemberId([1; 32]), Role::Steward), (MemberId([2; 32]), Role::Observer)].into();
        let body = community.print().unwrap();
        assert_eq!(Community::parse(&body).unwrap(), community);
        assert_eq!(community.role(MemberId([2; 32])), Some(Role::Observer));
        assert_eq!(community.role(MemberId([3; 32])), None);
        let text = String::from_utf8(body).unwrap();
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        assert!(text.contains(&format!(r#""roles":{{"{one}":"steward","{two}":"observer"}}"#)), "{text}");
        for bad in [
            text.replace("observer", "contributor"),
            text.replace("observer", "king"),
            text.replace(&format!("\"{two}\":"), &format!("\"{}\":", "03".repeat(32))),
            text.replace(&format!("{{\"{one}\":\"steward\""), "{\"x\":\"steward\""),
        ] {
            assert_eq!(Community::parse(bad.as_bytes()), Err(CommunityError::Form("roles")), "{bad}");
        }
    }

    #[test]
    fn unknown_properties_survive() {
        let mut community = sample();
        community.other.insert("retention".into(), serde_json::json!({"days": 30}));
        let body = community.print().unwrap();
        assert_eq!(Community::parse(&body).unwrap().print().unwrap(), body);
        assert!(String::from_utf8(body).unwrap().contains("retention"));
    }

    #[test]
    fn limits_hold_at_the_edge_and_over_it() {
        let named = |n: usize| Community { name: "n".repeat(n), ..sample() }.print();
        assert!(named(NAME_BYTES_MAX).is_ok());
        assert_eq!(named(NAME_BYTES_MAX + 1), Err(CommunityError::Name));
        assert_eq!(named(0), Err(CommunityError::Name));
        let terms = |n: usize| Community { terms: Terms::new(&"t".repeat(n)), ..sample() }.print();
        assert!(terms(TERMS_BYTES_MAX).is_ok());
        assert_eq!(terms(TERMS_BYTES_MAX + 1), Err(CommunityError::Terms));
        let with = |n: usize| {
            let member = |i: usize| {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&(i as u64).to_be_bytes());
                MemberId(id)
            };
            Community { members: (0..n).map(member).collect(), ..sample() }.print()
        };
        assert!(with(COMMUNITY_MEMBERS_MAX).is_ok());
        assert_eq!(with(COMMUNITY_MEMBERS_MAX + 1), Err(CommunityError::TooManyMembers));
    }

    #[test]
    fn bad_documents_are_refused_with_a_code() {
        let good = String::from_utf8(sample().print().unwrap()).unwrap();
        for (from, to, code) in [
            ("{", "[", "community-json"),
            ("\"terms\":\"none\"", "\"terms\":7", "community-form"),
            ("\"terms\"", "\"term\"", "community-form"),
            ("4c1d-9a55", "1c1d-9a55", "community-id"),
            ("5f2c0f3e", "5f2c0f3", "community-form"),
            ("0101", "01zz", "community-form"),
            (&"02".repeat(32), &"01".repeat(32), "community-member-twice"),
            ("Chip", "Chip\\u0000", "community-name"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(Community::parse(bad.as_bytes()).unwrap_err().code(), code, "{bad}");
        }
    }

    #[test]
    fn subjects_name_their_community() {
        let id = sample().id;
        assert_eq!(id_of_subject(&subject(id)), Some(id));
        assert_eq!(id_of_subject("indicator--5f2c0f3e-8f4b-4c1d-9a55-0c1d2e3f4a5b"), None);
        for other in ["5F2C0F3E-8F4B-4C1D-9A55-0C1D2E3F4A5B", "5f2c0f3e8f4b4c1d9a550c1d2e3f4a5b"] {
            assert_eq!(id_of_subject(&format!("x-polder-community--{other}")), None, "{other}");
        }
    }
}

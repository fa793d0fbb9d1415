// SPDX-License-Identifier: Apache-2.0
//! The own organisation as a STIX identity: the author of indicators and sightings made here.

use ledger::draft::Draft;
use ledger::entry::Salts;
use model::head::Audience;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use serde_json::json;
use uuid::Uuid;

use crate::failure::Failure;
use crate::node::Node;

/// Namespace of ids that Polder derives (UUIDv5).
pub const NAMESPACE: Uuid = Uuid::from_u128(0x8d5c_1f0a_52b6_4e0e_9d5e_7a2b_6c1f_4e11);

/// The identity, always the same bytes. What it says stands in the root statement, which is CLEAR too.
pub fn draft(node: &Node, audience: &Audience, salts: Salts) -> Result<Draft, Failure> {
    let root = &node.root;
    let id = Uuid::new_v5(&NAMESPACE, &root.member.0);
    let created = format!("{}Z", &root.created.to_string()[..23]);
    let body = json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": format!("identity--{id}"),
        "created": created,
        "modified": created,
        "name": root.name,
        "identity_class": "organization",
        "sectors": [root.sector],
        "contact_information": format!("polder member {}", root.member),
    });
    let body = body.to_string().into_bytes();
    let mut diagnostics = Vec::new();
    let Some(object) = Object::parse(&body, "own identity", &mut diagnostics) else {
        return Err(Failure::internal("the own identity does not parse"));
    };
    Ok(Draft::stix(object, body, node.member(), audience.clone(), Marking::tlp(Tlp::Clear), salts))
}

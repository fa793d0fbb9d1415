// SPDX-License-Identifier: Apache-2.0
//! The own organisation as a STIX identity: the author of indicators and sightings made here.

use exchange::standard::identity::identity_id;
use ledger::draft::Draft;
use ledger::entry::Salts;
use model::head::Audience;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use serde_json::json;

use crate::failure::Failure;
use crate::node::Node;

/// The identity, always the same bytes. What it says stands in the root statement, which is CLEAR too.
pub fn draft(node: &Node, audience: &Audience, salts: Salts) -> Result<Draft, Failure> {
    let root = &node.root;
    let created = format!("{}Z", &root.created.to_string()[..23]);
    let body = json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": identity_id(root.member),
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

// SPDX-License-Identifier: Apache-2.0
//! A member declares its client (`docs/record.md`, client): TLP:AMBER lets a recipient pass on to clients.

use model::id::MemberId;
use serde_json::{Value, json};

use crate::standard::terms::subject_uuid;

const SUBJECT_TYPE: &str = "x-polder-client";
const VERSION: u64 = 1;

/// That one organisation is another's client, or is so no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOf {
    /// The client.
    pub client: MemberId,
    /// Whose client: only that member may say so.
    pub of: MemberId,
    /// Whether it has ended.
    pub ended: bool,
}

impl ClientOf {
    /// Subject of its record: one for each pair.
    pub fn subject(&self) -> String {
        format!("{SUBJECT_TYPE}--{}", subject_uuid(&[&self.of.0, &self.client.0]))
    }

    /// The document in RFC 8785 form.
    pub fn print(&self) -> Vec<u8> {
        let document = json!({
            "client": self.client.to_string(), "ended": self.ended, "of": self.of.to_string(), "v": VERSION,
        });
        // Serialising a Value to memory cannot fail.
        serde_jcs::to_vec(&document).unwrap_or_default()
    }

    /// Reads a document; `None` for another form.
    pub fn parse(body: &[u8]) -> Option<ClientOf> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let member = |name: &str| MemberId::parse(value.get(name)?.as_str()?).ok();
        let known = value.get("v")?.as_u64()? == VERSION;
        let parsed =
            ClientOf { client: member("client")?, of: member("of")?, ended: value.get("ended")?.as_bool()? };
        (known && parsed.client != parsed.of).then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        let one = ClientOf { client: MemberId([1; 32]), of: MemberId([2; 32]), ended: true };
        assert_eq!(ClientOf::parse(&one.print()), Some(one));
        let self_served = ClientOf { of: one.client, ..one };
        assert_eq!(ClientOf::parse(&self_served.print()), None);
        assert_eq!(ClientOf::parse(b"{}"), None);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The version of an object that revokes it (STIX 2.1 section 3.6).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::time::Timestamp;

/// The same object with `revoked` and a new `modified`; every other property keeps the very text that it
/// had. `None` for what is no object, or has no versions: such objects cannot be revoked.
pub fn revoked(body: &[u8], modified: Timestamp) -> Option<Vec<u8>> {
    let mut properties: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
    if !(properties.contains_key("created") && properties.contains_key("modified")) {
        return None;
    }
    let raw = |text: String| RawValue::from_string(text).ok();
    properties.insert("modified".into(), raw(format!("\"{modified}\""))?);
    properties.insert("revoked".into(), raw("true".into())?);
    serde_json::to_vec(&properties).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_properties_change() {
        let body = br#"{"type":"tool","modified":"2024-01-01T00:00:00Z","created":"2024-01-01T00:00:00Z","x_n": 1.0e2,"x_big":123456789012345678901234567890}"#;
        let at = Timestamp::parse("2024-05-01T00:00:00Z").unwrap();
        let text = String::from_utf8(revoked(body, at).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"created":"2024-01-01T00:00:00Z","modified":"2024-05-01T00:00:00.000000Z","revoked":true,"type":"tool","x_big":123456789012345678901234567890,"x_n":1.0e2}"#
        );
        assert_eq!(revoked(br#"{"type":"ipv4-addr","value":"192.0.2.1"}"#, at), None);
        assert_eq!(revoked(b"[]", at), None);
    }
}

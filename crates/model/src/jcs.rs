// SPDX-License-Identifier: Apache-2.0
//! Canonical JSON (RFC 8785), used only to decide whether two bodies have the same content.

/// Whether two JSON texts have the same content: equal in canonical form. What cannot be made canonical
/// is the same only byte for byte.
pub fn same_content(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (canonical(a), canonical(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Canonical form of a JSON text, or `None` if it is not JSON.
pub fn canonical(text: &[u8]) -> Option<Vec<u8>> {
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    serde_jcs::to_vec(&value).ok()
}

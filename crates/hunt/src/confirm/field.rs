// SPDX-License-Identifier: Apache-2.0
//! Whether the field that holds a value can hold one of its kind.
//!
//! 32 hexadecimal digits are an MD5 in a field of hashes, a JA3 in a field `ja3`, and neither in `imphash` or
//! a session's id. Kinds that have a shape of their own (addresses, domains, URLs) fit wherever they stand:
//! an attacker's address in a free text is still his.

use model::observable::ObservableKind;
use serde_json::Value;

use crate::event::Event;

/// Where a value stands in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a field that can hold it.
    Fits(String),
    /// Only in fields that hold something else; one of them.
    Foreign(String),
    /// In no field by itself.
    Unnamed,
}

/// Parts of names of fields in which the same number of digits is something else, in lower case.
const NO_HASH: &[&str] = &[
    "cookie",
    "correlation",
    "etag",
    "guid",
    "hassh",
    "imphash",
    "ja3",
    "ja4",
    "nonce",
    "request_id",
    "requestid",
    "salt",
    "serial",
    "session",
    "signature_id",
    "thumbprint",
    "token",
    "trace",
    "transaction",
    "uri",
    "url",
    "uuid",
];

/// Fields whose texts are long and say all sorts of things.
const TEXTS: &[&str] = &["message", "msg", "raw", "rawdata", "description", "title", "info"];

/// Judges all places of a value in an event.
pub fn judge(kind: ObservableKind, value: &str, event: &Event) -> Place {
    let mut foreign = None;
    let mut fits = None;
    let value = &value.to_ascii_lowercase();
    for (name, field) in &event.fields {
        each_place(name, field, value, &mut |name| {
            if fits_in(kind, name) {
                fits.get_or_insert_with(|| name.to_owned());
            } else {
                foreign.get_or_insert_with(|| name.to_owned());
            }
        });
    }
    match (fits, foreign) {
        (Some(name), _) => Place::Fits(name),
        (None, Some(name)) => Place::Foreign(name),
        (None, None) => Place::Unnamed,
    }
}

/// Calls back with the name of each field that holds the value, which is in lower case: the last part of its path, and inside a list
/// as `MD5=…,IMPHASH=…` the name before the sign.
fn each_place(name: &str, field: &Value, value: &str, each: &mut dyn FnMut(&str)) {
    match field {
        Value::String(text) if text.len() < value.len() => {}
        Value::String(text) => {
            let lower = text.to_ascii_lowercase();
            for (at, _) in lower.match_indices(value) {
                each(inner_name(text.get(..at).unwrap_or_default()).unwrap_or(name));
            }
        }
        Value::Array(list) => list.iter().for_each(|field| each_place(name, field, value, each)),
        Value::Object(object) => {
            for (inner, field) in object {
                // `tls.ja3.hash`: what `hash` is of, its parent says.
                let path = format!("{name}.{inner}");
                each_place(&path, field, value, each);
            }
        }
        _ => {}
    }
}

/// The name before the sign: `IMPHASH=` in `MD5=…,IMPHASH=`.
fn inner_name(before: &str) -> Option<&str> {
    let before = before.strip_suffix('=')?;
    let name = before.rsplit([',', ';', ' ', '|']).next()?;
    let plain =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    plain.then_some(name)
}

fn fits_in(kind: ObservableKind, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let leaf = name.rsplit('.').next().unwrap_or(&name);
    if TEXTS.contains(&leaf) {
        return true;
    }
    match kind {
        ObservableKind::Ja3 => name.contains("ja3") && !name.contains("ja3s"),
        ObservableKind::Ja4 => name.contains("ja4") && !name.contains("ja4s"),
        _ if kind.digest_bytes().is_some() => {
            // A name that says hash and nothing else is one; `imphash` and `ja3.hash` say more.
            !NO_HASH.iter().any(|other| name.contains(other)) || names_digest(kind, leaf)
        }
        ObservableKind::UserAgent => {
            name.contains("agent") || name.contains("client") || !is_address_field(leaf)
        }
        _ => true,
    }
}

/// `url_sha256` is a hash, whatever it is of.
fn names_digest(kind: ObservableKind, leaf: &str) -> bool {
    leaf.contains(kind.name()) && !leaf.contains("imphash")
}

fn is_address_field(leaf: &str) -> bool {
    matches!(leaf, "url" | "uri" | "query" | "host")
}

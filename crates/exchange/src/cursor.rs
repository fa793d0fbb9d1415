// SPDX-License-Identifier: Apache-2.0
//! The cursor of a page, `next` (TAXII 2.1 section 3.4 and appendix B): a position that only this node
//! can have given, and only to this reader for this question.
//!
//! It says where to go on and nothing else: what may be seen from there is decided anew for each page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use trust::mac::{mac, push_part};

use crate::filter::Filters;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
const CURSOR_BYTES: usize = 1 + 8 + MAC_BYTES;

/// What a cursor is bound to. `limit` and `added_after` are not among it: taxii2-client changes `limit`
/// after the first page, and others send `added_after` along.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The collection's id.
    pub collection: &'a str,
    /// The credential's id.
    pub credential: &'a str,
    /// The `match` fields.
    pub filters: &'a Filters,
}

/// The cursor was not given by this node to this reader for this question (400).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`next` was not given for this request; start again without it, or with the same filters as before")]
pub struct CursorError;

/// Prints the cursor behind the placement at `position`.
pub fn print(key: &[u8; 32], position: i64, bound: &Bound<'_>) -> String {
    let mut bytes = Vec::with_capacity(CURSOR_BYTES);
    let tag = tag(key, position, bound);
    bytes.push(VERSION);
    bytes.extend_from_slice(&veiled(key, position.to_be_bytes(), &tag));
    bytes.extend_from_slice(&tag);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`print`] printed for the same key and binding.
pub fn parse(key: &[u8; 32], text: &str, bound: &Bound<'_>) -> Result<i64, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
    let bytes: [u8; CURSOR_BYTES] = bytes.try_into().map_err(|_| CursorError)?;
    let [VERSION, rest @ ..] = bytes else { return Err(CursorError) };
    let (position, given) = rest.split_at(8);
    let position = veiled(key, position.try_into().map_err(|_| CursorError)?, given);
    let position = i64::from_be_bytes(position);
    let genuine: bool = tag(key, position, bound).as_slice().ct_eq(given).into();
    if genuine { Ok(position) } else { Err(CursorError) }
}

/// Veils a position, or unveils it: it counts all records of the node, and their number is nobody's
/// business (law 1). The tag serves as the nonce, as in RFC 5297: each position has another.
fn veiled(key: &[u8; 32], mut position: [u8; 8], tag: &[u8]) -> [u8; 8] {
    let mut bytes = Vec::new();
    push_part(&mut bytes, b"polder/taxii/next/veil");
    push_part(&mut bytes, tag);
    position.iter_mut().zip(mac(key, &[&bytes])).for_each(|(byte, veil)| *byte ^= veil);
    position
}

fn tag(key: &[u8; 32], position: i64, bound: &Bound<'_>) -> [u8; MAC_BYTES] {
    let mut bytes = Vec::new();
    push_part(&mut bytes, b"polder/taxii/next");
    push_part(&mut bytes, &[VERSION]);
    push_part(&mut bytes, &position.to_be_bytes());
    push_part(&mut bytes, bound.collection.as_bytes());
    push_part(&mut bytes, bound.credential.as_bytes());
    push_part(&mut bytes, &bound.filters.normal_form());
    let mut tag = [0; MAC_BYTES];
    tag.copy_from_slice(&mac(key, &[&bytes])[..MAC_BYTES]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Versions;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn what_is_printed_can_be_read() {
        let filters = Filters::default();
        let bound = Bound { collection: "c", credential: "r", filters: &filters };
        for position in [0, 1, 24_771, i64::MAX] {
            let text = print(&KEY, position, &bound);
            assert_eq!(parse(&KEY, &text, &bound), Ok(position));
            assert!(
                text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'),
                "safe in a URL"
            );
        }
    }

    #[test]
    fn a_cursor_holds_for_one_reader_collection_question_and_key() {
        let filters = Filters::default();
        let bound = Bound { collection: "c", credential: "r", filters: &filters };
        let text = print(&KEY, 5, &bound);
        let other = Filters { versions: Versions::All, ..Filters::default() };
        for wrong in [
            Bound { collection: "d", ..bound },
            Bound { credential: "s", ..bound },
            Bound { filters: &other, ..bound },
            Bound { collection: "cr", credential: "", ..bound },
        ] {
            assert_eq!(parse(&KEY, &text, &wrong), Err(CursorError));
        }
        assert_eq!(parse(&[8; 32], &text, &bound), Err(CursorError));
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let filters = Filters::default();
        let bound = Bound { collection: "c", credential: "r", filters: &filters };
        let bytes = URL_SAFE_NO_PAD.decode(print(&KEY, 5, &bound)).unwrap();
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            assert_eq!(parse(&KEY, &URL_SAFE_NO_PAD.encode(&changed), &bound), Err(CursorError), "byte {i}");
        }
        for text in ["", "5", "====", "AQ", "é", &"A".repeat(10_000)] {
            assert_eq!(parse(&KEY, text, &bound), Err(CursorError));
        }
    }
}

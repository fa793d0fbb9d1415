// SPDX-License-Identifier: Apache-2.0
//! Keyed hashes: HMAC-SHA-256 (RFC 2104) over parts whose boundaries count.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Keyed hash of parts of fixed length, one after the other.
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC fills a short key with zeros to the block of 64 bytes; doing it here leaves no error to handle.
    let mut block = [0u8; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Appends a part behind its length, so that no two lists of parts look alike.
pub fn push_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_of_a_short_key() {
        // RFC 4231 test case 2 has the key "Jefe"; zeros behind it are what HMAC itself adds.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(model::id::hex(&mac(&key, &[b"what do ya want ", b"for nothing?"])), expected);
    }

    #[test]
    fn boundaries_count() {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        push_part(&mut one, b"ab");
        push_part(&mut one, b"c");
        push_part(&mut two, b"a");
        push_part(&mut two, b"bc");
        assert_ne!(one, two);
    }
}

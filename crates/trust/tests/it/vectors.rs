// SPDX-License-Identifier: Apache-2.0
//! The published vectors of LAMPS composite signatures. They lie outside the repository, in
//! `../shared/data/pqc` from the project's root; without that folder the test says so and is skipped.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use trust::composite::{Context, PrivateKey, PublicKey, Signature, VerifyError};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
const FILE: &str = "pqc/composite-mldsa-testvectors.json.zst";

#[test]
fn published_vectors_of_the_composite() {
    let folder = Path::new(FOLDER);
    if !folder.is_dir() {
        println!("skipped: no folder {FOLDER} with the published vectors");
        return;
    }
    // From here on nothing skips: a missing file in a present folder is a failure.
    let compressed = std::fs::read(folder.join(FILE)).unwrap();
    let vectors: Value = serde_json::from_slice(&zstd::decode_all(&compressed[..]).unwrap()).unwrap();
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let case = vectors["tests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["tcId"] == "id-MLDSA65-Ed25519-SHA512")
        .unwrap();

    let message = bytes(&vectors["m"]);
    let context = bytes(&vectors["ctx"]);
    assert!(!message.is_empty() && !context.is_empty());
    let (none, context) = (Context::new(b"").unwrap(), Context::new(&context).unwrap());
    let public = PublicKey::from_bytes(&bytes(&case["pk"])).unwrap();
    let plain = Signature::from_bytes(&bytes(&case["s"])).unwrap();
    let with_context = Signature::from_bytes(&bytes(&case["sWithContext"])).unwrap();

    assert_eq!(public.verify_with_context(&message, none, &plain), Ok(()));
    assert_eq!(public.verify_with_context(&message, context, &with_context), Ok(()));
    assert_eq!(public.verify_with_context(&message, context, &plain), Err(VerifyError));
    assert_eq!(public.verify_with_context(&message, none, &with_context), Err(VerifyError));
    assert_eq!(public.verify_with_context(&message[1..], none, &plain), Err(VerifyError));

    let private = PrivateKey::from_bytes(&bytes(&case["sk"]).try_into().unwrap());
    assert_eq!(private.public_key(), &public);
    let ours = private.sign_with_context(&message, context, [1; 32]);
    assert_eq!(public.verify_with_context(&message, context, &ours), Ok(()));
    // Ed25519 is deterministic, so that half must be the published one to the byte.
    assert_eq!(ours.as_bytes()[3309..], with_context.as_bytes()[3309..]);
}

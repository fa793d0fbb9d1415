// SPDX-License-Identifier: Apache-2.0
//! Tests of the crate through its public face.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod composite;
mod differential;
mod log_key;
mod member;
mod note;
mod passphrase;
mod recovery;
mod vectors;

use trust::composite::PrivateKey;

/// A key that is the same in every run, one for each `seed`.
fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_bytes(&std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8)))
}

// SPDX-License-Identifier: Apache-2.0
//! The typed scan of `crates/hunt`, compiled from the same files without the rest of that crate.

// What only the rest uses lies idle here; `crates/hunt` itself is checked for it.
#![allow(dead_code, unused_imports, reason = "pub(crate) items that the rest of crates/hunt uses")]

pub mod indicator;
#[path = "../../../crates/hunt/src/limits.rs"]
pub mod limits;
#[path = "../../../crates/hunt/src/scan/mod.rs"]
pub mod scan;

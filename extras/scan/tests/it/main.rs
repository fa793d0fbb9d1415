// SPDX-License-Identifier: Apache-2.0
//! The tests of the scan, from the files of `crates/hunt`, on whatever processor this is built for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../../crates/hunt/tests/it/laws.rs"]
mod laws;
#[path = "../../../../crates/hunt/tests/it/paths.rs"]
mod paths;
#[path = "../../../../crates/hunt/tests/it/scan.rs"]
mod scan;

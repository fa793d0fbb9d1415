// SPDX-License-Identifier: Apache-2.0
//! Tests of the ledger's pure parts; the parts that need an engine are tested in `store`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chain;
mod checkpoint;
mod entry;
mod merkle;
mod proof;
mod root;
mod signed;

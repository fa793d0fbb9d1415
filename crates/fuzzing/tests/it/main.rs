// SPDX-License-Identifier: Apache-2.0
//! The corpora of all fuzz targets, and mutations of them, on stable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod replay;

// SPDX-License-Identifier: Apache-2.0
//! Parsers and printers of the room's documents. STIX objects are `model`'s; here stands what only the
//! exchange reads and writes.

pub mod client;
pub mod community;
pub mod terms;

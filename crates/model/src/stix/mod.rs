// SPDX-License-Identifier: Apache-2.0
//! STIX objects as checked envelopes over the bytes that were received (STIX 2.1 OS, errata 01).

pub mod definition;
pub mod object;
pub mod revoke;
pub mod runs;
pub mod split;
pub mod version20;

pub use definition::{Definition, Definitions};
pub use object::{Object, SpecVersion};
pub use split::{DRAFTS_MEMBER, Item, Splitter};

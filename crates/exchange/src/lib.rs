// SPDX-License-Identifier: Apache-2.0
//! The exchange room: communities, collections, tokens and TAXII 2.1 semantics over records.
//!
//! Must not know HTTP types, sockets, the clock or randomness: they come in as arguments. Writing goes
//! through the ledger; reading goes through `policy::release`, asked once for each distinct audience.
//!
//! ```
//! use exchange::filter::{Fields, Wish};
//! use exchange::view::collection_uuid;
//! use model::head::Audience;
//! use model::id::MemberId;
//!
//! let wish = Wish::parse([("match[type]", "indicator"), ("limit", "50")], Fields::Collection).unwrap();
//! assert_eq!(wish.limit, 50);
//! assert!(Wish::parse([("limit", "0")], Fields::Collection).is_err());
//! assert_eq!(collection_uuid(&Audience::Organisation(MemberId([1; 32]))).get_version_num(), 4);
//! ```

pub mod command;
pub mod cursor;
pub mod export;
pub mod filter;
pub mod limits;
pub mod query;
pub mod standard;
pub mod standing;
pub mod token;
pub mod view;

// SPDX-License-Identifier: Apache-2.0
//! Engines under the ledger: SQLite on a file, SQLite in memory, PostgreSQL; the one writer; migrations; views
//! that are made anew while the old ones answer; the side file that keeps a rolled-back database from signing
//! a fork.
//!
//! Must not know rooms or HTTP: views and local tables are handed in.
//!
//! ```
//! use ledger::sql::{EngineError, Flow};
//! use store::{Schema, Store};
//!
//! let store = Store::memory(Schema::default())?;
//! let count = store.read(|read| {
//!     let mut count = 0;
//!     read.query("SELECT count(*) FROM records", &[], &mut |row| {
//!         count = row.int(0)?;
//!         Ok(Flow::Stop)
//!     })?;
//!     Ok::<i64, EngineError>(count)
//! })?;
//! assert_eq!(count, 0);
//! # Ok::<(), store::OpenError>(())
//! ```

mod backup;
mod engine;
mod migrate;
mod names;
mod open;
pub mod postgresql;
pub mod published;
mod rebuild;
mod sqlite;
mod turn;
mod views;
mod wal;
mod writer;

pub use migrate::Migrating;
pub use open::{Location, OpenError, Schema, Scrub, Store};
pub use rebuild::{Rebuilt, Told};
pub use views::{Progress, ViewReport};
pub use writer::{BATCH_RECORDS_MAX, Pending, SubmitError, Writer};

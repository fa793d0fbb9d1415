// SPDX-License-Identifier: Apache-2.0
//! The ledger: a node's append-only log of records, the traits over engines, and views.
//!
//! Must not know which rooms and which engines exist.
//!
//! ```
//! use ledger::checkpoint::{Checkpoint, Origin};
//! use ledger::merkle::{leaf_hash, root_of};
//!
//! let leaves = [leaf_hash(b"an entry"), leaf_hash(b"another")];
//! let origin = Origin { member: [7; 32], log: 1 };
//! let checkpoint = Checkpoint { origin, size: 2, root: root_of(&leaves) };
//! let text = checkpoint.print();
//! assert!(text.starts_with("polder/0707"));
//! assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
//! ```

mod act;
pub mod append;
pub mod audience;
pub mod checkpoint;
pub mod consistency;
pub mod definitions;
pub mod draft;
pub mod entry;
mod held;
pub mod hosted;
pub mod logs;
pub mod merkle;
pub mod proof;
pub mod recall;
pub mod record;
pub mod refs;
pub mod root;
pub mod schema;
pub mod signatures;
pub mod signed;
pub mod sql;
pub mod tile;
pub mod tile_files;
pub mod tree;
pub mod verify;
pub mod view;

// SPDX-License-Identifier: Apache-2.0
//! A deterministic simulator: from a seed a history of several members on one node, with crashes, faults of
//! the engine and clocks that jump, through the real store, ledger and rooms; after each step the laws of the
//! design (section 7) are held against a model that knows every record. A history that breaks one is cut
//! down to the fewest deeds that still break it, and told one deed a line.
//!
//! A history is data before it is run (`deed`), so that any part of it runs the same way. The model (`model`)
//! is written from the documents, not from the code. Crashes need no hook in the store: what a killed process
//! or a power cut leaves is made of the files as they lie before and after a batch (`node::left_by`), and a
//! fault of the engine at a statement is a trigger (`fault`).
//!
//! Must not know anything that a program needs: nothing depends on this crate.

mod broken;
mod check;
mod client;
mod deed;
mod fault;
mod model;
mod node;
mod rng;
mod run;
mod scene;
mod sql;
mod world;

pub use node::Ground;
pub use run::{Grounds, run};

// SPDX-License-Identifier: Apache-2.0
//! What comes out of a hunt: one [`Summary`], many printers. All of them are pure.

mod advice;
mod csv;
pub mod group;
mod html;
mod lines;
mod ocsf;
mod summary;
mod table;
mod timesketch;
pub mod words;

pub use advice::advice;
pub use csv::{COLUMNS, csv};
pub use html::html;
pub use lines::{LINES_VERSION, json_lines};
pub use ocsf::ocsf;
pub use summary::*;
pub use table::{basis, table, verdict};
pub use timesketch::timesketch;

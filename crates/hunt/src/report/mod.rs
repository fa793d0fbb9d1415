// SPDX-License-Identifier: Apache-2.0
//! What comes out of a hunt: one [`Summary`], many printers. All of them are pure.

mod advice;
mod beyond;
mod csv;
pub mod draft;
mod except;
pub mod fold;
pub mod group;
mod html;
pub mod kept;
mod lines;
mod notice;
mod ocsf;
pub mod outbox;
mod page;
mod recorded;
pub mod said;
mod state;
mod stix;
mod summary;
mod table;
mod timesketch;
pub mod told;
pub mod words;

pub use self::csv::safe as csv_cell;
pub use advice::advice;
pub use beyond::{Beyond, Tally};
pub use csv::{COLUMNS, csv};
pub use html::html;
pub use lines::{LINES_VERSION, detection_line, finding_line, json_lines};
pub use notice::{Bare, NamedObject, Notice, is_withheld, notice};
pub use ocsf::ocsf;
pub use page::{Contact, Contacts, Language, one_page_html, one_page_text};
pub use recorded::recorded_files;
pub use stix::{StixFile, Witness, sighting_markings, stix};
pub use summary::*;
pub use table::{basis, table, verdict};
pub use timesketch::timesketch;

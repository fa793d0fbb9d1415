// SPDX-License-Identifier: Apache-2.0
//! Finding what others saw, in one's own logs.
//!
//! Must not know the network, the clock or the file system: bytes, readers, times and indicators come in
//! as arguments. Logs stay home: a *finding* becomes a *sighting* only when the member says so.
//!
//! ```
//! use hunt::indicator::read_list;
//! use hunt::scan::{IndicatorSet, Scanner};
//!
//! let list = read_list(b"evil[.]example\n203.0.113.7\n", "list.txt");
//! let set = IndicatorSet::build(list.indicators);
//! let log = b"GET http://c2.evil.example/a\nfrom 203.0.113.77\n";
//! let mut hits = Vec::new();
//! Scanner::new(&set).scan_block(log, 0, 1, &mut |hit| hits.push(hit));
//! assert_eq!(hits.len(), 1, "203.0.113.7 is not in 203.0.113.77");
//! assert_eq!((hits[0].line, hits[0].value.as_str()), (1, "c2.evil.example"));
//! ```

pub mod back;
pub mod command;
pub mod confirm;
pub mod detection;
pub mod detector;
pub mod edge;
pub mod event;
pub mod finding;
pub mod framing;
pub mod history;
pub mod indicator;
pub mod limits;
pub mod pattern;
pub mod query;
mod quote;
pub mod reader;
mod regexes;
pub mod report;
pub mod rule;
pub mod run;
pub mod scan;
pub mod standard;
mod state;
pub mod time;
pub mod unfinished;
pub mod unpack;
pub mod view;
pub mod waiting;

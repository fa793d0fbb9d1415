// SPDX-License-Identifier: Apache-2.0
//! Sigma rules: read, routed to the logs that they are for, matched, correlated.
//!
//! [`read_rules`] makes [`Rule`]s of text and says of each that is none why not. [`Rules`] puts them together.
//! An [`Engine`] per thread looks at events and tells [`Detection`](crate::detection::Detection)s. An event is
//! asked only of the rules of its log source, and of those only of the ones whose needs it fills: the texts
//! that must stand in it before the rule can hold. Rules are evaluated by `rsigma` behind one trait.
//!
//! ```
//! use std::sync::Arc;
//!
//! use hunt::event::{Event, LogSource};
//! use hunt::rule::{Engine, Options, Rules, read_rules};
//! use model::time::Timestamp;
//!
//! let text = br"
//! title: Shadow copies are deleted
//! logsource: {product: windows, category: process_creation}
//! detection: {tool: {Image|endswith: \vssadmin.exe, CommandLine|contains|all: [delete, shadows]}, condition: tool}
//! level: high
//! ";
//! let (rules, said) = Rules::new(read_rules(text, "mine.yml").rules);
//! assert!(said.is_empty());
//! let mut event = Event::default();
//! event.class.source = LogSource { product: "windows", category: "process_creation", service: "" };
//! let line = r#"{"Image": "C:\\Windows\\System32\\vssadmin.exe", "CommandLine": "vssadmin Delete Shadows /all"}"#;
//! event.fields = serde_json::from_str(line).unwrap();
//! let mut found = Vec::new();
//! let mut engine = Engine::new(Arc::new(rules), Options::archive(Timestamp::EPOCH));
//! engine.observe(&event, line.as_bytes(), "day.json", &mut |detection| found.push(detection));
//! engine.finish(&mut |detection| found.push(detection));
//! assert_eq!(found[0].title, "Shadow copies are deleted");
//! ```

mod about;
mod checkpoint;
mod correlation;
mod correlator;
mod engine;
mod exception;
mod expansion;
mod header;
mod keep;
mod load;
mod names;
mod needs;
mod nesting;
mod pack;
mod prefilter;
mod set;
mod sigma;
mod sources;
mod view;
mod window;

pub use about::{about_event, accounts, field_names};
pub use checkpoint::CheckpointError;
pub use correlator::{Lost, Order};
pub use engine::{Engine, Options, RuleCount, Summary};
pub use exception::{Exception, ExceptionError};
pub use header::{Header, Kind, Source};
pub use keep::{
    Choice, Chosen, Imported, Kept, TABLES, add_exception, chosen, counts, exceptions, import, kept,
    put_count, put_counts, remove_exception, switch, switches,
};
pub use load::{Loading, RegexRoom, Rule, read_rules, read_rules_within};
pub(crate) use needs::{Needs, lowered};
pub use pack::{PACKS, Pack, pack_rules};
pub use set::{Rules, Size};

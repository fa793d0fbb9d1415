// SPDX-License-Identifier: Apache-2.0
//! The history: observables ever seen in own logs, and the register of the files that it rests on.
//!
//! Local state: in the backup, never shared, never derived. Observables lie in *runs*: sorted Parquet files
//! (`docs/history.md`), each of one month, in a folder that the caller hands in. The database says which runs
//! count. A file is recorded as a run for each month of its lines; runs of files are merged to runs of a month
//! and a *retention class* (kind of value × kind of log), never further, so that retention drops whole runs.
//!
//! Kept by default are external addresses, domain names under a top-level domain that exists, hashes and
//! fingerprints of TLS clients; what is a person's only when it is switched on.
//!
//! ```
//! use hunt::history::{Month, Row, Sources, Tally};
//! use model::observable::ObservableKind;
//!
//! // What two logs say of one address in one month comes to the same in either order.
//! let row = |second, file| {
//!     let (_, tally) = Tally::once(Some(second), Default::default());
//!     Row { kind: ObservableKind::Ip, value: vec![7; 16], tally, sources: Sources::one(file) }
//! };
//! let (mut one, mut other) = (row(1_000_000, 1), row(2_000_000, 2));
//! one.merge(&row(2_000_000, 2));
//! other.merge(&row(1_000_000, 1));
//! assert_eq!(one, other);
//! assert_eq!((one.tally.count, Month::of_second(one.tally.last).to_string()), (2, "1970-01".to_owned()));
//! ```

mod audit;
mod base;
mod coverage;
mod declared;
mod error;
mod findings;
mod folder;
mod forget;
mod format;
mod legacy;
mod lookup;
mod merge;
mod month;
mod observed;
mod record;
mod register;
mod retain;
mod row;
mod rows;
mod runs;
mod series;
mod settings;
mod tables;
mod zones;

pub use audit::{Act, Audited, audit_name};
pub use base::{Base, History, Reading, Writing};
pub use coverage::{Coverage, Missing, OtherZone, SourceCoverage, UnreadFile};
pub use declared::{Cadence, Declared};
pub use error::HistoryError;
pub use findings::{KnownLog, findings};
pub(crate) use findings::{owed, set_owed};
pub use folder::{ASIDE, MemoryFolder, NewRun, RunFile, RunFolder};
pub use forget::Forgotten;
pub use format::{GROUP_ROWS, Kinds, Match, OpenRun, PAGE_ROWS, RunFacts, RunHead, RunRows, RunWriter};
pub use lookup::{LookBack, LookedBack, Question, Sighted, Source, Unread};
pub use merge::{Step, Zeal};
pub use month::{Month, day_of_time, day_text, parse_day};
pub use observed::{Keep, Observed, is_kept_by_place, other_kind};
pub use record::{Added, LogToRecord, Outcome, ReadFile, Recorded};
pub use register::{File, FileFacts, FileState, ShorterForm, files, names_before_rotation};
pub use retain::Dropped;
pub use row::{Days, Flags, Row, Seen, Sources, Tally};
pub use runs::{Aside, Run};
pub use series::{SeriesKinds, days_named, series_of};
pub use settings::{Retention, Retentions, keep_act};
pub(crate) use settings::{put as set_setting, setting};
pub use tables::{NOBODYS, TABLES};

/// Raised when the scan sees more or less than before: files of an older one may be hunted again.
pub const SCANNER_VERSION: i64 = 2;
/// Raised when readers of lines see more or less than before.
pub const READER_VERSION: i64 = 1;

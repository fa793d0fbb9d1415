// SPDX-License-Identifier: Apache-2.0
//! The shared words: identifiers, times, STIX 2.1 objects, markings, the record's head, kinds,
//! observables in canonical form, canonical JSON, diagnostics.
//!
//! Must not know who asks, the time now, or any input or output.
//!
//! ```
//! use model::marking::{Marking, Tlp};
//! use model::time::Timestamp;
//!
//! let time = Timestamp::parse("2024-02-06T09:00:00.1Z").unwrap();
//! assert_eq!(time.to_string(), "2024-02-06T09:00:00.100000Z");
//! let marking = Marking::NONE.strictest(Marking::tlp(Tlp::Green));
//! assert_eq!(marking.to_string(), "TLP:GREEN");
//! assert_eq!(Marking::NONE.label(), Tlp::AmberStrict, "unmarked is never CLEAR");
//! ```

pub mod diagnostic;
pub mod head;
pub mod id;
pub mod jcs;
pub mod kind;
pub mod limits;
pub mod marking;
pub mod observable;
pub mod stix;
pub mod time;
pub mod zone;

pub use uuid;

// SPDX-License-Identifier: Apache-2.0
//! The gate: who may have a record, and what may be added.
//!
//! Every way out asks [`release`]; every way in asks [`admit`]. Both are pure functions over a record's
//! head and facts that the caller has read: no clock, no I/O, no body.
//!
//! Must not know HTTP, SQL, rooms or bodies.
//!
//! ```
//! use model::head::{Audience, Head};
//! use model::id::MemberId;
//! use model::kind::Kind;
//! use model::marking::{Marking, Tlp};
//! use policy::{Exit, Reader, Reason, release};
//!
//! let own = MemberId([1; 32]);
//! let head = Head {
//!     author: own,
//!     kind: Kind::STIX_21,
//!     marking: Marking::NONE,
//!     audience: Audience::Organisation(own),
//! };
//! let stranger = Reader::service(MemberId([2; 32]), Tlp::AmberStrict);
//! assert_eq!(release(&head, &stranger, Exit::Taxii), Err(Reason::Unmarked));
//! assert!(release(&head, &Reader::service(own, Tlp::AmberStrict), Exit::Taxii).is_ok());
//! ```

mod admit;
mod release;
mod role;

pub use admit::{Known, Refusal, Submission, VERSIONS_PER_OBJECT_MAX, admit};
pub use release::{Exit, Grounds, Reader, Reason, may_open, release};
pub use role::Role;

// SPDX-License-Identifier: Apache-2.0
//! Limits of the exchange room. Each is tested at and over its edge.

/// Objects on a page when the client names no limit (TAXII 2.1 section 3.4).
pub const PAGE_OBJECTS_DEFAULT: usize = 1_000;
/// Most objects on a page; a larger limit is capped in silence, as TAXII 2.1 section 3.4 asks.
pub const PAGE_OBJECTS_MAX: usize = 10_000;
/// Most bytes of objects on a page; a page holds one object at least, so a body may not be larger.
pub const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Size of the pieces in which a page's bodies are handed on, so that no page is ever moved as a whole.
pub const PAGE_PIECE_BYTES: usize = 256 * 1024;
/// Most values in one `match` field.
pub const FILTER_VALUES_MAX: usize = 100;
/// Longest value in a `match` field: no STIX identifier, type or time is longer.
pub const FILTER_VALUE_BYTES_MAX: usize = model::limits::ID_BYTES_MAX;
/// Most different audiences whose records one reader may have in the collections that he may open (DESIGN
/// section 4); beyond it he is refused.
pub const AUDIENCES_PER_READER_MAX: usize = 1_000;
/// Most ranges (permitted audiences by wanted types) that are merged whatever a walk would cost.
pub const RANGES_FEW_MAX: usize = 64;
/// What one probe of a range costs, in rows of a walk along the order.
pub const PROBE_COST: usize = 12;
/// What one merged row costs, in rows of a walk along the order.
pub const MERGED_ROW_COST: usize = 5;
/// Fewest rows fetched of a range at once.
pub const RANGE_ROWS_MIN: usize = 4;
/// Rows fetched in one step of a walk.
pub const WALK_ROWS: usize = 1_024;
/// Most readers whose verdicts of the gate are kept.
pub const GATE_READERS_MAX: usize = 64;
/// Most verdicts of the gate that are kept, over all readers.
pub const GATE_ROWS_MAX: usize = 200_000;
/// Most objects with several records that one page keeps in mind; beyond that they are looked up again.
pub const PROBES_KEPT_MAX: usize = 10_000;
/// Steps back in search of the newest placement that is served, for the header of an empty page.
pub const NEWEST_STEPS_MAX: usize = 100;
/// Most members of a community.
pub const COMMUNITY_MEMBERS_MAX: usize = 10_000;
/// Longest name of a community or a token.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest note on where a member's acceptance of terms is kept.
pub const EVIDENCE_BYTES_MAX: usize = 500;
/// Longest terms of a community, text and conditions together.
pub const TERMS_BYTES_MAX: usize = 64 * 1024;
/// Most tokens that are listed.
pub const TOKENS_MAX: usize = 10_000;
/// Most objects of one envelope that is posted.
pub const ENVELOPE_OBJECTS_MAX: u64 = 100_000;
/// Longest message about one object of an envelope.
pub const MESSAGE_BYTES_MAX: usize = 1_000;
/// Hours for which a status is kept (TAXII 2.1 section 4.3).
pub const STATUS_HOURS: i64 = 24;
/// Most objects that a status lists as taken; of more it gives the number alone.
pub const STATUS_SUCCESSES_MAX: usize = 10_000;
/// Most bytes of statuses that are kept; the oldest go first.
pub const STATUS_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// What a status counts for besides its details.
pub const STATUS_ROW_BYTES: i64 = 1_024;

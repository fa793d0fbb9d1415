// SPDX-License-Identifier: Apache-2.0
//! Limits of the HTTP faces. Each is tested at and over its edge.

/// Longest request target; longer ones are answered 414.
pub const URI_BYTES_MAX: usize = 8 * 1024;
/// Most header lines of a request.
pub const HEADERS_MAX: usize = 64;
/// Most bytes of a request's head; more is answered 431.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of a request's body (`max_content_length`, TAXII 2.1 section 4.2.1).
pub const CONTENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest `Authorization` header that is looked at.
pub const AUTHORIZATION_BYTES_MAX: usize = 1_024;
/// Most media ranges of an `Accept` header that are looked at.
pub const ACCEPT_RANGES_MAX: usize = 32;
/// Most query parameters that are looked at.
pub const QUERY_PAIRS_MAX: usize = 100;
/// Most open connections; the next one waits.
pub const CONNECTIONS_MAX: usize = 512;
/// Most open connections of one address; the next one is closed at once. A proxy on the same machine is
/// one address.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;
/// A connection that has not sent the head of its first request for so long is closed: nobody knows yet
/// who is there.
pub const FIRST_HEAD_SECONDS_MAX: u64 = 10;
/// A connection that has not sent the head of a further request for so long is closed.
pub const HEAD_SECONDS_MAX: u64 = 30;
/// A connection is closed after so long, between two requests, or later by force.
pub const CONNECTION_SECONDS_MAX: u64 = 3_600;
/// What is under way may go on for so long when the server stops.
pub const GRACE_SECONDS_MAX: u64 = 10;
/// Requests that read the store at the same time.
pub const READS_MAX: usize = 4;
/// Requests that wait for their turn to read; further ones are answered 503.
pub const READS_WAITING_MAX: usize = 256;
/// Bytes of answers that clients have not taken yet; above it requests are answered 503.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What `Retry-After` says when the server is busy.
pub const BUSY_SECONDS: u64 = 1;
/// What `Retry-After` says while a view is rebuilt.
pub const REBUILDING_SECONDS: u64 = 10;
/// Requests that a token may send from one address at once. A client that pages through ATT&CK a
/// hundred objects at a time sends 248.
pub const REQUESTS_BURST: u32 = 10_000;
/// Requests a second that a token may send from one address in the long run.
pub const REQUESTS_PER_SECOND: u32 = 1_000;
/// Failed authentications that an address may have at once.
pub const FAILURES_BURST: u32 = 30;
/// Failed authentications a second that an address may have in the long run.
pub const FAILURES_PER_SECOND: u32 = 1;
/// Most keys for which requests or failures are counted.
pub const RATE_KEYS_MAX: usize = 10_000;
/// Requests for which one that writes counts: 100 a second in the long run.
pub const WRITE_COST: u32 = 10;
/// Envelopes that are taken in at the same time.
pub const POSTS_MAX: usize = 4;
/// Further envelopes on their way; the next one is answered 503.
pub const POSTS_WAITING_MAX: usize = 32;
/// Bytes of envelopes on their way and being taken in; what would be more is answered 503.
pub const UPLOAD_BYTES_MAX: usize = 2 * CONTENT_BYTES_MAX;
/// A client that sends nothing of its envelope for so long is answered 408.
pub const UPLOAD_GAP_SECONDS_MAX: u64 = 20;
/// An envelope must have come whole after so long.
pub const UPLOAD_SECONDS_MAX: u64 = 600;
/// Bytes of a refused request that are read and thrown away, so that its client hears why; of nobody known
/// only the second.
pub const DRAIN_BYTES_MAX: usize = 2 * CONTENT_BYTES_MAX;
/// As above, for nobody known.
pub const DRAIN_STRANGER_BYTES_MAX: usize = 1024 * 1024;
/// Seconds for which a refused request is read.
pub const DRAIN_SECONDS_MAX: u64 = 5;
/// Drafts that are handed to the writer at once.
pub const SUBMISSION_DRAFTS_MAX: usize = 5_000;

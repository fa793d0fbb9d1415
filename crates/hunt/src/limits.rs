// SPDX-License-Identifier: Apache-2.0
//! Limits on outside data. Each is tested at and over its edge.

/// Largest indicator list or bundle that is read, in bytes.
pub const LIST_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Longest line of an indicator list, or longest value in a table.
pub const LIST_LINE_BYTES_MAX: usize = 16 * 1024;
/// Most indicators of one list.
pub const LIST_ENTRIES_MAX: usize = 10_000_000;
/// Largest STIX indicator: the longest pattern and what is around it.
pub const INDICATOR_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most cells of one row of a table.
pub const CELLS_MAX: usize = 1_000;
/// Longest STIX pattern.
pub const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// Most indicators made of one STIX pattern.
pub const PATTERN_VALUES_MAX: usize = 100_000;
/// Deepest nesting of parentheses in a STIX pattern.
pub const PATTERN_DEPTH_MAX: usize = 32;
/// Shortest IPv4 network that is hunted for: a shorter prefix is a large part of the internet, and more
/// likely a mistake than an indicator.
pub const NETWORK_V4_PREFIX_MIN: u8 = 8;
/// Shortest IPv6 network that is hunted for: the shortest prefix that registries hand out is longer.
pub const NETWORK_V6_PREFIX_MIN: u8 = 16;

/// Size of the blocks that a reader hands out; a block ends with a whole line.
pub const BLOCK_BYTES: usize = 1024 * 1024;
/// Longest line of a log, without its newline; a longer one is counted as unread.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Most unpacked bytes of an archive that unpacks by more than [`UNPACK_RATIO_MAX`].
pub const UNPACK_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Largest ratio of unpacked to packed bytes once [`UNPACK_BYTES_MAX`] is reached.
pub const UNPACK_RATIO_MAX: u64 = 1_000;
/// Largest window of a zstd frame, as a power of two: 128 MiB, the largest that `zstd` opens by default.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Most scanning threads for one file.
pub const THREADS_MAX: usize = 64;

/// Most bytes of a line that a finding carries, around the match.
pub const FINDING_TEXT_BYTES_MAX: usize = 4 * 1024;
/// Bytes at the start of a line in which its time is looked for.
pub const TIME_SEARCH_BYTES: usize = 16 * 1024;
/// Most diagnostics kept for one file; the rest are counted.
pub const FILE_DIAGNOSTICS_MAX: usize = 100;
/// Most findings for one file that are kept in the database; the report still counts all.
pub const FINDINGS_PER_FILE_MAX: usize = 1_000_000;
/// Most distinct observables that one file adds to the history.
pub const OBSERVABLES_PER_FILE_MAX: usize = 4_000_000;
/// Most distinct days that are kept for one observable in one file.
pub const DAYS_PER_OBSERVABLE_MAX: usize = 4_000;
/// Most files that an answer from the history names.
pub const SOURCES_MAX: usize = 1_000;
/// Most lines that a detection carries.
pub const EVIDENCE_LINES_MAX: usize = 20;

/// Most findings that a report for a person shows in full; the rest are counted in it.
pub const REPORT_FINDINGS_MAX: usize = 500;
/// Most detections that a report for a person shows in full; the rest are counted in it.
pub const REPORT_DETECTIONS_MAX: usize = 100;
/// Most rows of any other table of a report for a person.
pub const REPORT_ROWS_MAX: usize = 200;
/// Most characters of a log line that a report for a person shows, around the match.
pub const REPORT_LINE_CHARS_MAX: usize = 400;
/// Most lines of evidence that a report for a person shows of one detection.
pub const REPORT_EVIDENCE_MAX: usize = 5;
/// Most strips of a calendar of coverage, one a source and year.
pub const REPORT_STRIPS_MAX: usize = 60;
/// Most findings that a table on a terminal shows.
pub const TABLE_FINDINGS_MAX: usize = 50;
/// Most detections that a table on a terminal shows.
pub const TABLE_DETECTIONS_MAX: usize = 20;
/// Width of a table on a terminal, in columns.
pub const TABLE_COLUMNS_MAX: usize = 100;
/// Most accounts, and most devices, that the page for a small firm names: all of it fits one A4.
pub const PAGE_NAMES_MAX: usize = 5;
/// Most gaps that the page for a small firm names.
pub const PAGE_GAPS_MAX: usize = 5;
/// Longest name on the page for a small firm, in characters.
pub const PAGE_NAME_CHARS_MAX: usize = 48;
/// Most sightings of one STIX file.
pub const STIX_SIGHTINGS_MAX: usize = 10_000;
/// Most findings that a notice names.
pub const NOTICE_FINDINGS_MAX: usize = 10;
/// Largest notice, in bytes.
pub const NOTICE_BYTES_MAX: usize = 32 * 1024;
/// Most notices that wait to be sent.
pub const OUTBOX_WAITING_MAX: usize = 1_000;
/// Tries to send a notice before a person must look.
pub const OUTBOX_TRIES_MAX: i64 = 12;
/// Longest reason that is kept with a finding's state or a failed try, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Most rules that approve sightings.
pub const APPROVALS_MAX: usize = 200;

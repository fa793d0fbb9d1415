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
/// Lines at the start of a log by which its format is recognised.
pub const RECOGNISE_LINES_MAX: usize = 40;
/// Most fields of one event.
pub const FIELDS_MAX: usize = 2_000;
/// Most columns of a table: CSV, Zeek, W3C.
pub const COLUMNS_MAX: usize = 1_000;
/// Deepest nesting of a Windows event that is lifted; what lies deeper is kept as it stands.
pub const LIFT_DEPTH_MAX: usize = 16;
/// First bytes of a log by which it is told what it is.
pub const CONVERT_HEAD_BYTES: usize = 64 * 1024;
/// Most bytes of a JSON object in which the records that it wraps are looked for.
pub const JSON_PREFIX_BYTES_MAX: usize = CONVERT_HEAD_BYTES;
/// Longest quoted value of a table in which line ends are looked for; a longer one is no value but a quote
/// that was left open.
pub const CELL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an event log whose chunks are put in order: a log of Windows' usual size (20 MiB).
pub const EVTX_WINDOW_BYTES: usize = 24 * 1024 * 1024;
/// Largest file that is taken into memory because it comes from a pipe and is not read from front to back: a
/// zip archive, or Parquet.
pub const SPOOL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most members of a zip archive that are read.
pub const ARCHIVE_MEMBERS_MAX: usize = 20_000;
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

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
/// Most bytes of memory in which a scanning thread collects observables; more goes to runs on the way.
pub const OBSERVED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most bytes of values, and of names of files, that wait for a row group of a run; more than that is the next.
pub const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most rows of a run that has a filter. Larger runs are few, and each costs a look-up one page.
pub const FILTER_ROWS_MAX: usize = 4 * 1024 * 1024;
/// Runs that are looked into without a filter; only when there are more is a filter worth its byte a row.
pub const RUNS_WITHOUT_FILTER: usize = 8;
/// Most files that a row of the history names; it then says 'many'.
pub const SOURCES_PER_ROW_MAX: usize = 64;
/// Most runs that one step merges.
pub const MERGE_RUNS_MAX: usize = 64;
/// Fewest runs that are merged unasked.
pub const MERGE_RUNS_MIN: usize = 8;
/// For so long after its last line a plain file may grow, and its runs are not merged. In seconds.
pub const SETTLED_SECONDS: i64 = 86_400;
/// Most runs that are held open by who asks often.
pub const OPEN_RUNS_MAX: usize = 4_096;
/// Most values that are looked up one by one; more are joined with the history in one pass.
pub const LOOKUPS_MAX: usize = 4_096;
/// Most files that an answer from the history names.
pub const SOURCES_MAX: usize = 1_000;
/// Most lines that a detection carries.
pub const EVIDENCE_LINES_MAX: usize = 20;

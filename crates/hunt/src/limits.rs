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

/// Most names (accounts, addresses, devices, programs, files) that the detectors keep; what comes after is counted as
/// dropped.
pub const DETECTOR_NAMES_MAX: usize = 4_000_000;
/// Longest name that they keep; the rest of a longer one is cut off.
pub const DETECTOR_NAME_BYTES_MAX: usize = 256;
/// Most facts that wait to be judged; beyond that the oldest hours are closed, and what comes later for them is late.
pub const DETECTOR_FACTS_MAX: u64 = 3_000_000;
/// Most distinct files of one account on one share and day that are told apart.
pub const DETECTOR_FILES_PER_DAY_MAX: usize = 10_000;
/// Most sources of sign-ins that are remembered.
pub const DETECTOR_SOURCES_MAX: usize = 500_000;
/// Most networks, devices and programs that are remembered of an account.
pub const ATTRIBUTES_PER_ACCOUNT_MAX: usize = 512;
/// Most sign-ins of the last day that are remembered of an account.
pub const RECENT_SIGN_INS_MAX: usize = 64;
/// Most accounts of one spray that are told apart.
pub const SPRAYED_ACCOUNTS_MAX: usize = 10_000;
/// Most pairs of sender and destination whose volumes are remembered.
pub const DESTINATIONS_MAX: usize = 1_000_000;
/// Most shares of the register of crown jewels.
pub const CROWN_JEWELS_MAX: usize = 10_000;
/// Longest name or reason in it.
pub const CROWN_TEXT_BYTES_MAX: usize = 1_024;
/// Largest list of accounts with hashes that is compared with leaked passwords.
pub const HASHES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Longest line of a file of leaked passwords: the longest hash, a count and what ends a line.
pub const LEAKED_LINE_BYTES_MAX: usize = 256;

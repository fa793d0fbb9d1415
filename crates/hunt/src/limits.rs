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
/// Most qualifiers in a row on one observation expression.
pub const PATTERN_QUALIFIERS_MAX: usize = 16;
/// Most steps of an object path.
pub const PATTERN_STEPS_MAX: usize = 64;
/// Most repetitions that `REPEATS` may ask for.
pub const PATTERN_REPEATS_MAX: usize = 1_000_000;
/// Most steps in which combinations of observations are tried before a pattern is given up: less than a second, and
/// what the search remembers stays below some 300 MB.
pub const PATTERN_TRIES_MAX: u64 = 5_000_000;
/// Most steps for all patterns of a run: less than a minute.
pub const PATTERNS_TRIES_MAX: u64 = 500_000_000;
/// Steps that each pattern has even where others took all of these.
pub const PATTERN_TRIES_MIN: u64 = 100_000;
/// Most patterns that are matched in one run, besides those that the scan compiles.
pub const PATTERNS_MAX: usize = 100_000;
/// Most literals by which one observation expression is found; one with more is asked of every event.
pub const PATTERN_LITERALS_MAX: usize = 1_000;
/// Most events that are kept for one pattern of several observations.
pub const PATTERN_OBSERVATIONS_MAX: usize = 10_000;
/// Most bytes of memory that the events take that all of these patterns keep: once for those that read, which share it, and
/// once for what is gathered of all logs. Of 10,000 patterns that each line matches each keeps some ten lines.
pub const PATTERNS_KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most detections of one pattern in one run.
pub const PATTERN_DETECTIONS_MAX: u64 = 1_000;
/// Largest compiled regular expression of a pattern or a warning list.
pub const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// Most that the regular expressions of one pattern take together, in bytes as `regexes.rs` estimates them: some 1,500 of
/// `LIKE`, which are small.
pub const PATTERN_REGEX_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most that those of all patterns of a run take; of more than that the largest are left out.
pub const PATTERNS_REGEX_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most that a thread remembers of what it matched one regular expression of a pattern with: there may be many.
pub const REGEX_CACHE_BYTES_MAX: usize = 256 * 1024;
/// Largest file of observed data that a pattern is tried on.
pub const OBSERVED_DATA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most objects of observed data that a pattern is tried on.
pub const OBSERVED_DATA_MAX: usize = 100_000;
/// Most conditions of one indicator.
pub const CONDITIONS_MAX: usize = 100;
/// Largest part of the lines of a source that one indicator may match, in per cent.
pub const HIT_RATE_PER_CENT_MAX: u64 = 3;
/// Fewest lines of a source by which the part is judged.
pub const HIT_RATE_LINES_MIN: u64 = 1_000;
/// Largest warning list.
pub const WARNING_LIST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most entries of one warning list.
pub const WARNING_LIST_ENTRIES_MAX: usize = 2_000_000;
/// Most regular expressions of one warning list: each may take some milliseconds to be made ready.
pub const WARNING_LIST_REGEXES_MAX: usize = 2_000;
/// Most warning lists of one node.
pub const WARNING_LISTS_MAX: usize = 1_000;
/// Most files of an image that are hashed.
pub const EDGE_FILES_MAX: u64 = 1_000_000;
/// Largest file of an image that is hashed.
pub const EDGE_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Deepest directory of an image.
pub const EDGE_DEPTH_MAX: usize = 64;
/// Largest list of processes or of hashes.
pub const EDGE_LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest log of a device that is looked through at once.
pub const EDGE_LOG_BYTES_MAX: u64 = 1024 * 1024 * 1024;
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
/// Largest page of a Parquet file, unpacked: writers make pages of 1 MiB as a rule, some of 100 MB.
pub const PARQUET_PAGE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most values that one row of a Parquet file has in all its lists: each takes two bytes of a line at least.
pub const PARQUET_ROW_VALUES_MAX: usize = LINE_BYTES_MAX / 2;
/// Most bytes that the texts of one list may take in memory, where a page packs what they share.
pub const PARQUET_ROW_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most members of a zip archive that are read.
pub const ARCHIVE_MEMBERS_MAX: usize = 20_000;
/// Most bytes of a name of a member of a tar archive; a longer one is cut.
pub const TAR_NAME_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of the extended header of a member of a tar archive.
pub const TAR_HEADER_BYTES_MAX: u64 = 64 * 1024;
/// Most scanning threads for one file.
pub const THREADS_MAX: usize = 64;

/// Matches of one line that are judged: a line that holds more is a list of indicators, not an event, and each is judged by
/// reading all its fields.
pub const HITS_OF_LINE_MAX: usize = 1_000;
/// Bytes of lines that the findings of one block quote: each finding has its own part of the line.
pub const HIT_TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of a line that a finding carries, around the match.
pub const FINDING_TEXT_BYTES_MAX: usize = 4 * 1024;
/// The first second of 1990: a line that tells an earlier time is of a clock that was never set.
pub const TIMES_FROM_SECOND: i64 = 631_152_000;
/// The first second of 2100: what tells a later time is no time of a log.
pub const TIMES_UNTIL_SECOND: i64 = 4_102_444_800;
/// Bytes at the start of a line in which its time is looked for.
pub const TIME_SEARCH_BYTES: usize = 16 * 1024;
/// Most diagnostics kept for one file; the rest are counted.
pub const FILE_DIAGNOSTICS_MAX: usize = 100;
/// Most findings for one file that are kept in the database; the report still counts all.
pub const FINDINGS_PER_FILE_MAX: usize = 1_000_000;
/// Most findings that wait in memory to be stored while logs are followed; beyond that all of them go to a file.
pub const FINDINGS_WAITING_MAX: usize = 100_000;
/// Most bytes of memory that they take.
pub const FINDINGS_WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most findings that are written to that file, and read back, at once.
pub const FINDINGS_WAITING_PART_MAX: usize = 10_000;
/// Most bytes of them.
pub const FINDINGS_WAITING_PART_BYTES_MAX: usize = FINDINGS_WAITING_BYTES_MAX;
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
/// Longest syslog message; no datagram is longer.
pub const SYSLOG_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Most digits of a message's length in a stream (RFC 6587 section 3.4.1).
pub const SYSLOG_LENGTH_DIGITS_MAX: usize = 7;
/// Longest frame in a stream whose messages have lengths: of a message beyond [`SYSLOG_MESSAGE_BYTES_MAX`] the rest is
/// passed over. A larger number is no length.
pub const SYSLOG_FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Largest file of rules.
pub const RULE_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest rule; the longest of SigmaHQ, a list of hashes of drivers, has a quarter of this.
pub const RULE_BYTES_MAX: usize = 1024 * 1024;
/// Most rules of one file.
pub const RULES_PER_FILE_MAX: usize = 10_000;
/// Most rules that are loaded at once.
pub const RULES_MAX: usize = 50_000;
/// Longest id or name of a rule.
pub const RULE_NAME_BYTES_MAX: usize = 256;
/// Most that the regular expressions of one rule take together, in bytes as `regexes.rs` estimates them. The most of a
/// rule of SigmaHQ is 8 MB: emoji, one by one.
pub const RULE_REGEX_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most that those of all rules that are loaded at once take: of SigmaHQ's 3,754 rules that is
/// 31 MB.
pub const RULES_REGEX_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Deepest nesting of lists and maps in a rule, by indentation or brackets; rules in the wild nest six deep. The parser of
/// YAML needs time in the square of it.
pub const RULE_NESTING_MAX: usize = 64;
/// Most brackets that open in a rule, wherever they stand; the most of a rule of SigmaHQ are 124. However they hide from who
/// counts their nesting, they nest no deeper, which is a tenth of a second.
pub const RULE_BRACKETS_MAX: usize = 4_096;
/// Longest condition of a rule.
pub const RULE_CONDITION_BYTES_MAX: usize = 8 * 1024;
/// Deepest nesting of parentheses in the condition of a rule.
pub const RULE_CONDITION_DEPTH_MAX: usize = 32;
/// Most exceptions that are held at once.
pub const EXCEPTIONS_MAX: usize = 10_000;
/// Most conditions of one exception.
pub const EXCEPTION_CONDITIONS_MAX: usize = 16;
/// Most groups of matches (a rule and whom it is about) that are gathered of one file before they are told.
pub const GATHERED_MAX: usize = 50_000;
/// Most matches that wait to be put in order.
pub const CORRELATION_WAITING_HITS_MAX: usize = 1_000_000;
/// Most bytes of them.
pub const CORRELATION_WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most matches in the window of one group.
pub const WINDOW_HITS_MAX: usize = 100_000;
/// Most groups of all correlations.
pub const CORRELATION_GROUPS_MAX: usize = 500_000;
/// Most matches in all windows.
pub const CORRELATION_KEPT_HITS_MAX: usize = 2_000_000;
/// Most bytes of a line that a correlation keeps of each match.
pub const CORRELATION_TEXT_BYTES_MAX: usize = 1024;

/// Most findings that a report for a person shows in full; the rest are counted in it.
pub const REPORT_FINDINGS_MAX: usize = 500;
/// Most detections that a report for a person shows in full; the rest are counted in it.
pub const REPORT_DETECTIONS_MAX: usize = 100;
/// From more detections than this of one rule about the same a report says how to make an exception.
pub const EXCEPTION_OFFERED_FROM: u64 = 10;
/// Most rows of any other table of a report for a person.
pub const REPORT_ROWS_MAX: usize = 200;
/// Most characters of a log line that a report for a person shows, around the match.
pub const REPORT_LINE_CHARS_MAX: usize = 400;
/// The same on paper.
pub const REPORT_PRINTED_CHARS_MAX: usize = 160;
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
/// Indicators and values of which a hunt counts the findings that it does not keep.
pub const TALLIES_MAX: usize = 200_000;
/// Most findings that a notice names.
pub const NOTICE_FINDINGS_MAX: usize = 10;
/// Indicators whose hosts and accounts a notice names, and as many patterns: before it is sent each is asked for again.
pub const NOTICE_OBJECTS_MAX: usize = 1_000;
/// Largest notice, in bytes.
pub const NOTICE_BYTES_MAX: usize = 32 * 1024;
/// Days for which a detection is kept after a hunt told it last: a year and a month.
pub const DETECTIONS_KEPT_DAYS: i64 = 396;
/// Detections that are kept; of more those that matter least go.
pub const DETECTIONS_KEPT_MAX: i64 = 50_000;
/// Most notices that wait to be sent.
pub const OUTBOX_WAITING_MAX: usize = 1_000;
/// Tries to send a notice before a person must look.
pub const OUTBOX_TRIES_MAX: i64 = 12;
/// Longest reason that is kept with a finding's state or a failed try, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Most rules that approve sightings.
pub const APPROVALS_MAX: usize = 200;
/// Most different reasons for which matches of one log are left out.
pub const LEFT_OUT_REASONS_MAX: usize = 200;

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
/// Most bytes of findings of one file that are held until it ends; of more the number is told.
pub const HELD_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Indicators that are looked up in the history at once when they are new.
pub const LOOK_BACK_INDICATORS_MAX: usize = 100_000;
/// Most files that the answer about them names, each as often as an indicator was seen in it; beyond that fewer
/// indicators are looked up at once.
pub const LOOK_BACK_SOURCES_MAX: usize = 500_000;
/// Most bytes of findings of one file that are held while it is looked through for new indicators; where there are more
/// it is read more than once.
pub const LOOK_BACK_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest MaxMind file of places or networks; the largest that are sold have some 500 MiB.
pub const PLACE_FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most text that is made of one window of an event log at once.
pub const EVTX_RENDER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most that a rule may say once its anchors are written out, in bytes and values.
pub const RULE_EXPANDED_MAX: usize = 4 * RULE_BYTES_MAX;

// SPDX-License-Identifier: Apache-2.0
//! What a running device tells: its processes and its logs.

use model::diagnostic::Diagnostic;

use super::known::{PROCESS_GROUP, PROCESS_NAME};
use super::trace;
use crate::detection::{Detection, Evidence, Level};
use crate::event::{Place, SourceKind};
use crate::limits::{EVIDENCE_LINES_MAX, FINDING_TEXT_BYTES_MAX};
use crate::time::line_time;

/// Reads a list of processes as `ps` prints it: a line of column names with `GID` (or `RGID`, `EGID`) and `COMMAND`
/// (or `CMD`), then one process a line. `httpsd` with group 90 is the implant (MITRE S1105, T1564.001).
///
/// ```
/// let (traces, said) = hunt::edge::check_processes(b"  PID   GID COMMAND\n  214     0 httpsd\n 1187    90 /data2/.x/httpsd\n", "ps.txt");
/// assert_eq!((traces.len(), traces[0].evidence[0].place.line, said.len()), (1, 3, 0));
/// ```
pub fn check_processes(bytes: &[u8], name: &str) -> (Vec<Detection>, Vec<Diagnostic>) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().enumerate();
    let columns = lines.by_ref().find_map(|(_, line)| {
        let names: Vec<String> = line.split_whitespace().map(str::to_ascii_uppercase).collect();
        let at = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        Some((at(&["GID", "RGID", "EGID"])?, at(&["COMMAND", "CMD", "COMM", "NAME"])?))
    });
    let Some((group, command)) = columns else {
        let diagnostic =
            Diagnostic::error("processes-not-understood", name, "no line names the columns GID and COMMAND");
        return (Vec::new(), vec![diagnostic.with_fix("print them with `ps -eo pid,gid,args`")]);
    };
    let (mut detections, mut short) = (Vec::new(), 0_u64);
    for (nth, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(gid), Some(program)) = (words.get(group), words.get(command)) else {
            short += 1;
            continue;
        };
        let program =
            program.trim_start_matches('-').rsplit('/').next().unwrap_or(program).trim_end_matches(':');
        if gid.parse() == Ok(PROCESS_GROUP) && program == PROCESS_NAME {
            detections.push(process(name, nth as u64 + 1, line));
        }
    }
    let said = (short > 0).then(|| {
        let what = format!("{short} lines have too few columns and were not read");
        Diagnostic::warning("processes-not-understood", name, what)
    });
    (detections, said.into_iter().collect())
}

fn process(file: &str, line: u64, text: &str) -> Detection {
    let mut detection = Detection {
        title: format!("process {PROCESS_NAME} runs with group {PROCESS_GROUP}"),
        threshold: format!("a process {PROCESS_NAME} with GID {PROCESS_GROUP}"),
        disproof:
            "the same process with the same group on a device that is known to be clean, of the same firmware"
                .to_owned(),
        ..trace("edge-process", Level::High, &["T1564.001"], file, None)
    };
    detection.about = vec![("process", PROCESS_NAME.to_owned())];
    detection.evidence = vec![evidence(file, line, 0, text)];
    detection
}

/// Looks for crashes of the SSL VPN in a log of the device: the way in (CVE-2022-42475) leaves them, as
/// `Logdesc="Application crashed"` with `application:sslvpnd` and signal 11 (CCB advisory 2022-43).
pub fn check_log(bytes: &[u8], name: &str) -> Option<Detection> {
    let (mut offset, mut count) = (0_u64, 0_u64);
    let mut kept = Vec::new();
    for (nth, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        if is_crash(&text) {
            count += 1;
            if kept.len() < EVIDENCE_LINES_MAX {
                kept.push(evidence(name, nth as u64 + 1, offset, &text));
            }
        }
        offset += line.len() as u64 + 1;
    }
    if count == 0 {
        return None;
    }
    let mut detection = Detection {
        title: "the SSL VPN crashed by a memory fault, as an attack on CVE-2022-42475 makes it crash"
            .to_owned(),
        threshold: "a crash of sslvpnd with signal 11".to_owned(),
        disproof:
            "a firmware that has been mended (FG-IR-22-398) at the time of the crash, and no other trace"
                .to_owned(),
        ..trace("edge-sslvpnd-crash", Level::Medium, &["T1190"], name, None)
    };
    detection.source = SourceKind::Vpn;
    detection.about = vec![("process", "sslvpnd".to_owned())];
    detection.first = kept.iter().filter_map(|evidence| evidence.time).min();
    detection.last = kept.iter().filter_map(|evidence| evidence.time).max();
    detection.count = count;
    detection.evidence = kept;
    Some(detection)
}

/// Both names of the program and the signal as the event log and the crash log write them.
fn is_crash(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let signal = |lower: &str| {
        lower.match_indices("signal").any(|(at, word)| {
            let rest = lower.get(at + word.len()..).unwrap_or_default();
            let rest = rest.trim_start_matches([' ', '<', ':', '=', '(']);
            rest.strip_prefix("11").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    lower.contains("sslvpnd") && signal(&lower)
}

fn evidence(file: &str, line: u64, offset: u64, text: &str) -> Evidence {
    let mut end = text.len().min(FINDING_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Evidence {
        file: file.to_owned(),
        place: Place { line, offset },
        time: line_time(text.as_bytes()),
        text: text.get(..end).unwrap_or_default().trim_end().to_owned(),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! How fast logs become lines, and lines events: `cargo bench -p hunt --bench read [-- FILE.evtx | archives]`.
//!
//! Each figure is the mean over a second at least, on one thread, from memory, in MB (10^6 bytes) of text or of the event
//! log a second of the reading thread's own time on a processor, so that others on the machine do not count;
//! where that cannot be known, of wall time. Beside it stands what the library alone does: the decompressor, or
//! `serde_json` into a map.

use std::io::{Cursor, Read, Write};
use std::time::Instant;

use hunt::event::{Format, Reader};
use hunt::reader::{Block, Input, read_logs};
use hunt::time::Clock;

const LOG_BYTES: usize = 64 * 1024 * 1024;
/// Least time that a figure is measured for.
const SECONDS_MIN: f64 = 1.0;
/// How often two are measured beside each other.
const TURNS: usize = 15;

fn main() {
    if std::env::args().any(|argument| argument == "archives") {
        return unpacking(&log(varied));
    }
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let json = log(|n| {
        format!(
            r#"{{"timestamp":"2024-01-02T03:04:{:02}.{:06}+0000","flow_id":{n},"event_type":"{}","src_ip":"10.0.{}.{}","src_port":{},"dest_ip":"203.0.113.{}","dest_port":443,"proto":"TCP","http":{{"hostname":"host{n}.example.org","url":"/path/{n}?q=1","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64)","status":200,"length":{n}}}}}"#,
            n % 60,
            n % 1_000_000,
            if n % 2 == 0 { "http" } else { "dns" },
            n / 256 % 256,
            n % 256,
            1_024 + n % 60_000,
            n % 256
        )
    });
    let reading = |name: &str, text: &[u8], extra: &str| {
        let seconds = mean(|| events(text, None));
        println!("{name:<22} {:>7.0} MB/s to events {extra}", rate(text.len(), seconds));
    };
    let alone = mean(|| {
        for line in json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let fields: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(line);
            std::hint::black_box(fields).ok();
        }
    });
    reading("Suricata, JSON", &json, &format!("(serde_json alone {:.0})", rate(json.len(), alone)));
    let class = mean(|| classes(&json));
    println!("{:<22} {:>7.0} MB/s to classes alone", "", rate(json.len(), class));
    reading("Zeek, tab-separated", &zeek(), "");
    reading("CSV", &csv(), "");
    reading("syslog", &log(syslog), "");
    reading("FortiGate", &log(fortigate), "");
    reading("combined", &log(combined), "");
    unpacking(&log(varied));
    if let Some(path) = file {
        event_log(&path);
    }
}

/// Gzip and zstd beside what their libraries do alone.
fn unpacking(text: &[u8]) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = encoder.write_all(text).and_then(|()| encoder.finish());
    let mut buffer = vec![0; 1024 * 1024];
    let mut drain = |mut reader: Box<dyn Read + '_>| while reader.read(&mut buffer).is_ok_and(|n| n > 0) {};
    if let Ok(packed) = packed {
        println!("{:<22} {:>7.1} to 1 by gzip", "archives", text.len() as f64 / packed.len() as f64);
        let mut alone = || drain(Box::new(flate2::read::MultiGzDecoder::new(packed.as_slice())));
        compare("gz", text.len(), &mut alone, &mut || lines(&packed));
    }
    if let Ok(packed) = zstd::encode_all(text, 3) {
        let mut alone = || {
            if let Ok(decoder) = zstd::Decoder::new(packed.as_slice()) {
                drain(Box::new(decoder));
            }
        };
        compare("zst", text.len(), &mut alone, &mut || lines(&packed));
    }
    let array = [b"[", text.replace_newlines().as_slice(), b"]"].concat();
    println!("{:<22} {:>7.0} MB/s to lines", "JSON array", rate(array.len(), mean(|| lines(&array))));
}

trait Newlines {
    fn replace_newlines(&self) -> Vec<u8>;
}

impl Newlines for [u8] {
    fn replace_newlines(&self) -> Vec<u8> {
        let end = self.len().saturating_sub(1);
        let bytes = self.iter().take(end);
        bytes.map(|byte| if *byte == b'\n' { b',' } else { *byte }).collect()
    }
}

/// In turns, since what others on the machine do changes from second to second; of all turns the median ratio.
fn compare(name: &str, bytes: usize, alone: &mut dyn FnMut(), ours: &mut dyn FnMut()) {
    let mut turns: Vec<(f64, f64)> =
        (0..TURNS).map(|_| (mean_of(0.3, &mut *alone), mean_of(0.3, &mut *ours))).collect();
    turns.sort_by(|(a, b), (x, y)| (a / b).total_cmp(&(x / y)));
    let Some((alone, ours)) = turns.get(TURNS / 2) else { return };
    println!(
        "{name:<22} {:>7.0} MB/s to lines, the library alone {:.0}: {:.1} % (median of {TURNS} turns)",
        rate(bytes, *ours),
        rate(bytes, *alone),
        100.0 * alone / ours
    );
}

fn event_log(path: &str) {
    let Ok(bytes) = std::fs::read(path) else { return println!("{path} cannot be read") };
    let rendered = mean(|| lines(&bytes));
    let mut text = Vec::new();
    gather(&bytes, &mut text);
    let read = mean(|| {
        let mut text = Vec::new();
        gather(&bytes, &mut text);
        events(&text, Some(Format::Evtx));
    });
    println!("{:<22} {:>7.0} MB/s of the file to lines", "event log", rate(bytes.len(), rendered));
    println!("{:<22} {:>7.0} MB/s of the file to events", "", rate(bytes.len(), read));
}

fn gather(bytes: &[u8], text: &mut Vec<u8>) {
    let mut reader = bytes;
    read_logs(Input::Stream(&mut reader), "log", &mut |_, mut source| {
        let mut buffer = Vec::new();
        while let Some(block) = source.next_block(buffer) {
            text.extend_from_slice(&block.bytes);
            buffer = block.bytes;
        }
    });
}

/// Reads all blocks, and what a run needs of their facts.
fn lines(bytes: &[u8]) {
    let mut reader = bytes;
    read_logs(Input::Stream(&mut reader), "log", &mut |_, mut source| {
        let mut buffer = Vec::new();
        while let Some(block) = source.next_block(buffer) {
            buffer = block.bytes;
        }
        std::hint::black_box(source.finish());
    });
}

fn events(text: &[u8], made_from: Option<Format>) {
    let mut reader: Option<Reader> = None;
    each_block(text, &mut |block| {
        let reader = reader.get_or_insert_with(|| {
            let reader = Reader::new(&block.bytes, "log", Clock::default());
            made_from.map_or(reader.clone(), |format| reader.made_from(format))
        });
        reader.block(block).events(block, &mut |_, result| {
            std::hint::black_box(result).ok();
        });
    });
}

fn classes(text: &[u8]) {
    let mut reader: Option<Reader> = None;
    each_block(text, &mut |block| {
        let reader = reader.get_or_insert_with(|| Reader::new(&block.bytes, "log", Clock::default()));
        let lines = reader.block(block);
        for line in block.bytes.split(|byte| *byte == b'\n') {
            let place = hunt::event::Place { line: block.first_line, offset: block.offset };
            std::hint::black_box(lines.class_of(line, place));
        }
    });
}

fn each_block(text: &[u8], each: &mut dyn FnMut(&Block)) {
    let mut reader = Cursor::new(text);
    read_logs(Input::Stream(&mut reader), "log", &mut |_, mut source| {
        let mut buffer = Vec::new();
        while let Some(block) = source.next_block(buffer) {
            each(&block);
            buffer = block.bytes;
        }
    });
}

/// Seconds of one run. The kernel counts in ticks: runs are repeated until those do not matter.
fn mean(run: impl FnMut()) -> f64 {
    mean_of(SECONDS_MIN, run)
}

fn mean_of(seconds_min: f64, mut run: impl FnMut()) -> f64 {
    run();
    let (begun, on_processor) = (Instant::now(), seconds_on_processor());
    for runs in 1.. {
        run();
        let wall = begun.elapsed().as_secs_f64();
        let own = on_processor.zip(seconds_on_processor()).map(|(from, to)| to - from).unwrap_or(wall);
        if own >= seconds_min {
            return own / f64::from(runs);
        }
    }
    f64::INFINITY
}

/// What this thread has used so far (proc(5), `schedstat`).
fn seconds_on_processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

fn rate(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 / seconds / 1e6
}

// --- logs ---

fn log(line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = Vec::with_capacity(LOG_BYTES + 1_024);
    for n in 0.. {
        if text.len() >= LOG_BYTES {
            break;
        }
        text.extend_from_slice(line(n).as_bytes());
        text.push(b'\n');
    }
    text
}

/// A line whose names, addresses and hashes repeat as little as real ones do: archives of it are a fifth of
/// its size.
fn varied(n: usize) -> String {
    let mut state = n as u64;
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let (a, b, c) = (next(), next(), next());
    format!(
        r#"{{"ts":1600{:06}.{:06},"uid":"C{a:x}","id.orig_h":"10.{}.{}.{}","id.orig_p":{},"id.resp_h":"203.0.{}.{}","id.resp_p":443,"proto":"tcp","service":"ssl","server_name":"host{}.example.org","orig_bytes":{},"resp_bytes":{},"conn_state":"SF","history":"ShADadfF"}}"#,
        n / 100 % 1_000_000,
        a % 1_000_000,
        b % 8,
        b >> 8 & 255,
        b >> 16 & 255,
        1_024 + (b >> 24) % 60_000,
        c & 127,
        c >> 8 & 255,
        c >> 16 & 4_095,
        c >> 32 & 65_535,
        c >> 44 & 65_535
    )
}

fn zeek() -> Vec<u8> {
    let header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
        #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\n\
        #types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\n";
    let body = log(|n| {
        format!(
            "16000{:05}.{:06}\tC{n}\t10.0.{}.{}\t{}\t203.0.113.{}\t443\ttcp\tssl\t1.25\t{n}\t-",
            n % 100_000,
            n % 1_000_000,
            n / 256 % 256,
            n % 256,
            1_024 + n % 60_000,
            n % 256
        )
    });
    [header.as_bytes(), &body].concat()
}

fn csv() -> Vec<u8> {
    let header = "time,source,destination,port,user,agent\n";
    let body = log(|n| {
        let (a, b) = (n / 256 % 256, n % 256);
        format!(
            "2024-01-02 03:04:{:02},10.0.{a}.{b},203.0.113.{b},443,user{n},\"Mozilla/5.0 (X11, Linux)\"",
            n % 60
        )
    });
    [header.as_bytes(), &body].concat()
}

fn syslog(n: usize) -> String {
    let (a, b, second) = (n / 256 % 256, n % 256, n % 60);
    format!(
        "<38>1 2024-01-02T03:04:{second:02}Z gate sshd {n} - - Failed password for user{n} from 10.0.{a}.{b} port {} ssh2",
        1_024 + n % 60_000
    )
}

fn fortigate(n: usize) -> String {
    let (a, b, second) = (n / 256 % 256, n % 256, n % 60);
    format!(
        "date=2024-01-02 time=03:04:{second:02} devname=\"edge\" devid=\"FG1\" eventtime=1704164645123456789 tz=\"+0000\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" srcip=10.0.{a}.{b} srcport={} dstip=203.0.113.{b} dstport=443 action=\"accept\" sentbyte={n}",
        1_024 + n % 60_000
    )
}

fn combined(n: usize) -> String {
    let (a, b, second) = (n / 256 % 256, n % 256, n % 60);
    format!(
        "10.0.{a}.{b} - - [02/Jan/2024:03:04:{second:02} +0000] \"GET /path/{n}?q=1 HTTP/1.1\" 200 {n} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\""
    )
}

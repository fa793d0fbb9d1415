// SPDX-License-Identifier: Apache-2.0
//! Lines that are not read into events for the sake of patterns: nothing is lost by it, in any format of text.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use hunt::detection::Detection;
use hunt::event::{Event, Reader};
use hunt::pattern::{
    Comparison, Expression, Literal, Number, Operator, Path, Pattern, PatternIndicator, PatternRun,
    PatternSet, Step, Test, observation,
};
use hunt::reader::{Block, Source};
use hunt::run::{FileReport, Lookout, hunt_source};
use hunt::scan::IndicatorSet;
use hunt::time::Clock;
use model::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

/// A fixed sequence of numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn of(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

// --- values ---

const HOSTS: &[&str] = &[
    "evil.example",
    "EVIL.Example.",
    "evil.example:443",
    "bücher.example",
    "xn--bcher-kva.example",
    "ⓔvil.example",
    "ok.example",
    "198.51.100.7",
    "::ffff:198.51.100.7",
    "::FFFF:c633:6407",
    "2001:db8::7",
    "2001:0DB8:0:0::0007",
    "[2001:db8::7]",
    "2001:db8::7%eth0",
    "64:ff9b::198.51.100.7",
    "12345",
];
const URLS: &[&str] = &[
    "/a/gate.php?x=1",
    "gate.php?x=1",
    "http://evil.example/a/gate.php?x=1",
    "HTTPS://evil.example/a",
    "/a b+c/ü",
    "/index.html",
    "/a\\b|c=d]e'f\"g;h",
    "/%41bc/%22",
];
const QUERIES: &[&str] = &["x=1", "?x=1", "gate.php", "a b/c"];
const NAMES: &[&str] = &[
    r"C:\Users\Public\evil tool.exe",
    r"c:\users\abcd\x.exe",
    "/opt/evil\"tool\"x",
    "/opt/evil=tool|x].exe",
    "Évil.exe",
    "a\tbcd\nefg.exe",
    "\u{212A}elvin.exe",
    "ki\u{17F}s.exe",
    "true",
    "12.50",
    r"c:\u0041bc\xdead",
    "e\u{301}vil;x.dll",
];
const COMMANDS: &[&str] = &[
    "rundll32 evil,Run a=b|c",
    "cmd.exe /c \"echo hi\" & 'x y'",
    "powershell -enc AAAA+BBBB==",
    r"C:\x\y.exe --path=C:\\z [a]",
    "wget http://evil.example/a?b=c;d",
    "1e5",
    "false",
];
const ACCOUNTS: &[&str] =
    &[r"CORP\anna", "anna@firm.example", "12345", "Anna Müller", "anna+x y", "o'brien", "S-1-5-21-7"];
const HASHES: &[&str] = &[
    "D41D8CD98F00B204E9800998ECF8427E",
    "d41d8cd98f00b204e9800998ecf8427e",
    "MD5=D41D8CD98F00B204E9800998ECF8427E,SHA256=66F13964C87FC6FE093A9D8CC0DE0BF2B3BDAEA9564210283FDB97A1DDE9893B",
];
const KEYS: &[&str] = &[
    r"HKLM\Software\Run\evil",
    r"HKU\S-1-5\Run\x y",
    r"HKCU\Environment",
    r"HKEY_LOCAL_MACHINE\Software\Run\evil",
];
const NUMBERS: &[&str] = &["541", "8443", "0x20fb", "008443", "80", "70000", "8443.0"];
const AGENTS: &[&str] = &["Mozilla/4.0 (compatible; x)", "sly+bot 1", "sly bot 1", "a\"b c\"d", "ünder"];
const MAILS: &[&str] = &["Eve <EVE@evil.example>", "eve@evil.example,bob@ok.example", "bob@bücher.example"];
const SUBJECTS: &[&str] = &["Invoice \"x\", \\ 42", "Invoice 42", "Rechnung für ab|cd=ef"];

const FIELDS: &[(&str, &[&str])] = &[
    ("dest_ip", HOSTS),
    ("src_ip", HOSTS),
    ("host", HOSTS),
    ("query", HOSTS),
    ("url", URLS),
    ("user_agent", AGENTS),
    ("method", &["GET", "post"]),
    ("Image", NAMES),
    ("CommandLine", COMMANDS),
    ("ParentImage", NAMES),
    ("CurrentDirectory", NAMES),
    ("filename", NAMES),
    ("md5", HASHES),
    ("Hashes", HASHES),
    ("ja3", HASHES),
    ("user", ACCOUNTS),
    ("userId", ACCOUNTS),
    ("TargetObject", KEYS),
    ("Details", COMMANDS),
    ("dest_port", NUMBERS),
    ("src_port", NUMBERS),
    ("ProcessId", NUMBERS),
    ("fsize", NUMBERS),
    ("mailfrom", MAILS),
    ("to", MAILS),
    ("subject", SUBJECTS),
];

type Row = Vec<(&'static str, &'static str)>;

fn row(n: &mut Numbers) -> Row {
    let mut row = Row::new();
    for (name, values) in FIELDS {
        if n.one_in(3) {
            row.push((name, n.of(values)));
        }
    }
    row
}

// --- formats ---

const TIME: &str = "2026-03-02T09:00:00Z";

/// Text of lines: what would end one is another sign.
fn in_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn json_text(n: &mut Numbers, text: &str) -> String {
    let (numbered, slashes) = (*n.pick(&[0, 0, 0, 6]), n.one_in(2));
    let mut out = String::from("\"");
    for c in text.chars() {
        if numbered > 0 && n.one_in(numbered) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = if n.one_in(2) { write!(out, "\\u{unit:04x}") } else { write!(out, "\\u{unit:04X}") };
            }
            continue;
        }
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '/' if slashes => out.push_str("\\/"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn json_object(n: &mut Numbers, row: &[(&str, &str)]) -> String {
    let mut members = Vec::new();
    for (name, value) in row {
        // Numbers and truth values also as such, in a spelling of their own.
        let plain = match *value {
            "true" | "false" | "541" | "8443" | "80" | "70000" | "8443.0" | "12.50" | "1e5" => n.one_in(2),
            _ => false,
        };
        let value = if plain { (*value).to_owned() } else { json_text(n, value) };
        members.push(format!("{}:{value}", json_text(n, name)));
    }
    format!("{{{}}}", members.join(","))
}

fn json(n: &mut Numbers) -> String {
    let shape = n.below(4);
    let mut log = String::new();
    for _ in 0..8 {
        let row = row(n);
        let object = json_object(n, &row);
        let rest = object.strip_prefix('{').unwrap();
        let comma = if rest == "}" { "" } else { "," };
        let _ = match shape {
            0 => writeln!(log, "{{\"@timestamp\":\"{TIME}\"{comma}{rest}"),
            1 => writeln!(log, "{{\"timestamp\":\"{TIME}\",\"event_type\":\"http\"{comma}{rest}"),
            2 => writeln!(
                log,
                "{{\"Event\":{{\"System\":{{\"EventID\":1,\"Channel\":\"Microsoft-Windows-Sysmon/Operational\"}},\"EventData\":{object}}}}}"
            ),
            _ => writeln!(log, "{{\"category\":\"SignInLogs\",\"time\":\"{TIME}\",\"properties\":{object}}}"),
        };
    }
    log
}

/// A cell, also with its quotes closed in its midst.
fn cell(n: &mut Numbers, text: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let cut = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (head, tail) = text.split_at(cut);
    if n.one_in(4) && !tail.contains([',', '"', '\t']) && !tail.is_empty() {
        return format!("{}{tail}", quoted(head));
    }
    let needs = text.contains([',', '"', '\t']);
    if needs || n.one_in(2) { quoted(text) } else { text.to_owned() }
}

fn csv(n: &mut Numbers) -> String {
    let mut log = String::from("time");
    for (name, _) in FIELDS {
        let _ = write!(log, ",{name}");
    }
    log.push('\n');
    for _ in 0..8 {
        log.push_str(TIME);
        for (_, values) in FIELDS {
            let value = in_line(n.of(values));
            let value = if n.one_in(3) { cell(n, &value) } else { String::new() };
            let _ = write!(log, ",{value}");
        }
        log.push('\n');
    }
    log
}

/// An export of the audit log: JSON inside of cells.
fn purview(n: &mut Numbers) -> String {
    let mut log = String::from("CreationDate,UserIds,AuditData\n");
    for _ in 0..8 {
        let row = row(n);
        let data = json_object(n, &row);
        let _ = writeln!(log, "{TIME},x,\"{}\"", data.replace('"', "\"\""));
    }
    log
}

fn zeek(n: &mut Numbers) -> String {
    let mut log = String::from("#separator \\x09\n#path\thttp\n#fields\tts");
    FIELDS.iter().for_each(|(name, _)| log.push_str(&format!("\t{name}")));
    log.push_str("\n#types\ttime");
    FIELDS
        .iter()
        .for_each(|(name, _)| log.push_str(if name.ends_with("port") { "\tport" } else { "\tstring" }));
    log.push('\n');
    for _ in 0..8 {
        log.push_str("1772442000.0");
        let numbered = *n.pick(&[0, 0, 6]);
        for (_, values) in FIELDS {
            log.push('\t');
            if !n.one_in(3) {
                log.push('-');
                continue;
            }
            for c in n.of(values).chars() {
                if matches!(c, '\t' | '\n') || numbered > 0 && n.one_in(numbered) {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(log, "\\x{byte:02x}");
                    }
                } else {
                    log.push(c);
                }
            }
        }
        log.push('\n');
    }
    log
}

fn w3c(n: &mut Numbers) -> String {
    const NAMES_OF: &[(&str, &[&str])] = &[
        ("c-ip", HOSTS),
        ("cs-username", ACCOUNTS),
        ("cs(Host)", HOSTS),
        ("cs-method", &["GET", "post"]),
        ("cs-uri-stem", URLS),
        ("cs-uri-query", QUERIES),
        ("cs(User-Agent)", AGENTS),
        ("s-port", NUMBERS),
        ("cs(URI)", URLS),
    ];
    let mut log = String::from("#Software: x\n#Fields: date time");
    NAMES_OF.iter().for_each(|(name, _)| log.push_str(&format!(" {name}")));
    log.push('\n');
    for _ in 0..8 {
        log.push_str("2026-03-02 09:00:00");
        for (_, values) in NAMES_OF {
            let value = in_line(n.of(values));
            log.push(' ');
            match n.below(3) {
                0 => log.push('-'),
                1 => log.push_str(&value.replace(' ', "+")),
                _ => log.push_str(&format!("\"{}\"", value.replace('"', "\"\""))),
            }
        }
        log.push('\n');
    }
    log
}

fn combined(n: &mut Numbers) -> String {
    let mut log = String::new();
    for _ in 0..8 {
        let escaped = |text: &str| in_line(text).replace('\\', "\\\\").replace('"', "\\\"");
        let (host, user) = (n.of(HOSTS), n.of(ACCOUNTS).replace(' ', "_"));
        let (url, agent) = (escaped(n.of(URLS)), escaped(n.of(AGENTS)));
        let _ = writeln!(
            log,
            "{host} 192.0.2.1 - {user} [02/Mar/2026:09:00:00 +0000] \"GET {url} HTTP/1.1\" 200 70000 \"-\" \"{agent}\""
        );
    }
    log
}

fn pair(n: &mut Numbers, value: &str) -> String {
    let quote = if n.one_in(3) { '\'' } else { '"' };
    let escaped = in_line(value).replace('\\', "\\\\").replace(quote, &format!("\\{quote}"));
    let bare = !value.contains([' ', '\t', '"', '\'', '\n', ',', ';']) && n.one_in(2);
    if bare { value.to_owned() } else { format!("{quote}{escaped}{quote}") }
}

fn pairs(n: &mut Numbers) -> String {
    let head = n.of(&[
        "time=2026-03-02T09:00:00Z level=info src=x",
        "date=2026-03-02 time=09:00:00 devid=\"F\" type=\"traffic\" subtype=\"forward\"",
    ]);
    let mut log = String::new();
    for _ in 0..8 {
        log.push_str(head);
        for (name, value) in row(n) {
            let value = pair(n, value);
            let _ = write!(log, " {name}={value}");
        }
        log.push('\n');
    }
    log
}

fn cef_line(n: &mut Numbers) -> String {
    let mut line = String::from("CEF:0|v|p|1|id|name|5|rt=1772442000000");
    for (name, value) in row(n) {
        let value = value.replace('\\', "\\\\").replace('=', "\\=").replace('\n', "\\n");
        let value = if n.one_in(2) { value.replace('|', "\\|") } else { value };
        let _ = write!(line, " {name}={value}");
    }
    line
}

fn cef(n: &mut Numbers) -> String {
    (0..8).map(|_| cef_line(n) + "\n").collect()
}

fn syslog(n: &mut Numbers) -> String {
    let mut log = String::new();
    for _ in 0..8 {
        let (user, host, number) = (in_line(n.of(ACCOUNTS)), n.of(HOSTS), n.of(NUMBERS));
        let message = match n.below(6) {
            0 => format!(
                "sshd {number} - - Failed password for invalid user {user} from {host} port {number} ssh2"
            ),
            1 => format!("sudo 7 - - {user} : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND={}", n.of(COMMANDS)),
            2 => {
                let row = row(n);
                format!("app 7 - - @cee: {}", json_object(n, &row))
            }
            3 => format!("app 7 - - {}", cef_line(n)),
            4 => {
                let escaped =
                    |text: &str| in_line(text).replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
                let (md5, file) = (n.of(HASHES), escaped(n.of(NAMES)));
                format!("app 7 - [fileinfo md5=\"{md5}\" filename=\"{file}\" size=\"{number}\"] x")
            }
            _ => format!("app 7 - - {}", in_line(n.of(COMMANDS))),
        };
        let _ = writeln!(log, "<86>1 {TIME} gate {message}");
    }
    log
}

fn text(n: &mut Numbers) -> String {
    let mut log = String::new();
    for _ in 0..8 {
        let row = row(n);
        let _ = match n.below(3) {
            0 => writeln!(log, "some words and {}", in_line(n.of(COMMANDS))),
            1 => writeln!(log, "{}", json_object(n, &row)),
            _ => writeln!(log, "{}", cef_line(n)),
        };
    }
    log
}

type Format = (&'static str, fn(&mut Numbers) -> String);
const FORMATS: &[Format] = &[
    ("json", json),
    ("csv", csv),
    ("purview", purview),
    ("zeek", zeek),
    ("w3c", w3c),
    ("combined", combined),
    ("pairs", pairs),
    ("cef", cef),
    ("syslog", syslog),
    ("text", text),
];

// --- patterns of what events hold ---

/// Paths of an observation with what they lead to; those of one object stand together.
fn values(event: &Event) -> Vec<Vec<(Path, Value)>> {
    fn walk(
        objects: &std::collections::BTreeMap<String, Value>,
        value: &Value,
        steps: &mut Vec<Step>,
        each: &mut dyn FnMut(&[Step], &Value),
    ) {
        if steps.len() > 5 {
            return;
        }
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    steps.push(Step::Key(key.clone()));
                    let named =
                        value.as_str().filter(|_| key.ends_with("_ref")).and_then(|id| objects.get(id));
                    walk(objects, named.unwrap_or(value), steps, each);
                    steps.pop();
                }
            }
            Value::Array(list) => {
                steps.push(Step::Each);
                let refs =
                    matches!(steps.iter().rev().nth(1), Some(Step::Key(key)) if key.ends_with("_refs"));
                for value in list {
                    let named = value.as_str().filter(|_| refs).and_then(|id| objects.get(id));
                    walk(objects, named.unwrap_or(value), steps, each);
                }
                steps.pop();
            }
            Value::Null => {}
            scalar => each(steps, scalar),
        }
    }
    let objects = observation(event, Timestamp::EPOCH).objects;
    let mut all = Vec::new();
    for object in objects.values() {
        let kind = object.get("type").and_then(Value::as_str).unwrap().to_owned();
        let mut of_object = Vec::new();
        walk(&objects, object, &mut Vec::new(), &mut |steps, value| {
            let is_type = matches!(steps.last(), Some(Step::Key(key)) if key == "type");
            // A field may be named as it likes.
            let odd = steps.iter().any(|step| matches!(step, Step::Key(key) if key.is_empty()));
            if !is_type && !odd {
                of_object.push((Path { object: kind.clone(), steps: steps.to_vec() }, value.clone()));
            }
        });
        all.push(of_object);
    }
    all.retain(|values| !values.is_empty());
    all
}

fn part<'a>(n: &mut Numbers, text: &'a str) -> &'a str {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let (a, b) = (*n.pick(&starts), *n.pick(&starts));
    &text[a.min(b)..a.max(b)]
}

/// A test that mostly holds of a value.
fn test(n: &mut Numbers, path: &Path, value: &Value) -> Test {
    let operator = match value {
        Value::Number(number) => {
            let literal = |number: i64| Literal::Number(Number::Integer(number));
            let number = number.as_i64().unwrap_or(7);
            match n.below(4) {
                0 => Operator::In(vec![literal(number), literal(541)]),
                1 => Operator::GreaterOrEqual(literal(number)),
                _ => Operator::Equal(literal(number)),
            }
        }
        Value::String(text) => of_text(n, text),
        _ => Operator::Exists,
    };
    let path = path.clone();
    Test { path, negated: n.one_in(12), operator }
}

fn of_text(n: &mut Numbers, text: &str) -> Operator {
    let literal = |text: &str| Literal::Text(text.to_owned());
    match n.below(8) {
        0 | 1 => Operator::Equal(literal(text)),
        2 => Operator::In(vec![literal(text), literal("nothing of the kind")]),
        3 if text.parse::<std::net::Ipv4Addr>().is_ok() => {
            Operator::Subset(format!("{text}/{}", n.below(33)))
        }
        3 => Operator::NotEqual(literal("nothing of the kind")),
        4 | 5 => {
            let mut like = String::from("%");
            for c in part(n, text).chars() {
                like.push(if n.one_in(9) { *n.pick(&['_', '%']) } else { c });
            }
            Operator::Like(like + "%")
        }
        _ => {
            let plain = regex_syntax::escape(part(n, text));
            Operator::Matches(match n.below(4) {
                0 => format!("(?i){}", plain.to_uppercase()),
                1 => format!("(?:{plain}|zzzz)+"),
                2 => format!("{plain}.*"),
                _ => plain,
            })
        }
    }
}

fn comparison(n: &mut Numbers, values: &[Vec<(Path, Value)>]) -> Comparison {
    let of_object = n.pick(values);
    let one = |n: &mut Numbers| {
        let (path, value) = n.pick(of_object);
        Comparison::Test(test(n, path, value))
    };
    match n.below(4) {
        0 => Comparison::All(vec![one(n), one(n)]),
        1 => Comparison::Any(vec![one(n), one(n)]),
        _ => one(n),
    }
}

fn pattern(n: &mut Numbers, values: &[Vec<(Path, Value)>]) -> String {
    let one = |n: &mut Numbers| Expression::Observation(comparison(n, values));
    let expression = match n.below(5) {
        0 => Expression::Followed(vec![one(n), one(n)]),
        1 => Expression::Any(vec![one(n), one(n)]),
        _ => one(n),
    };
    Pattern::of(expression).to_string()
}

// --- the law ---

fn found(log: &str, name: &str, set: &PatternSet) -> (Vec<Detection>, FileReport) {
    let (nothing, stop) = (IndicatorSet::build(Vec::new()), AtomicBool::new(false));
    let lookout = Lookout {
        set: &nothing,
        confirm: None,
        patterns: Some(set),
        rules: None,
        detectors: None,
        stop: &stop,
    };
    let mut found = Vec::new();
    let source = Source::new(log.as_bytes(), name);
    let hunt = hunt_source(source, name, &Clock::default(), &lookout, 1, None, &mut |part| {
        found.extend(part.detections);
    });
    let mut run = PatternRun::new(set);
    hunt.left.patterns.into_iter().for_each(|other| run.merge(other));
    let (together, said) = run.finish();
    assert!(said.iter().all(|said| said.code == "pattern-events-left-out"), "{said:?}");
    found.extend(together);
    (found, hunt.report)
}

/// Patterns that were made, those of them that do not need every line, and of these those that found something.
#[derive(Debug, Default)]
struct Tally {
    patterns: usize,
    compared: usize,
    finding: usize,
}

/// Patterns of what a log's events hold find the same whether all of its lines are read or those that may match.
fn law(seed: u64, (name, format): Format, tally: &mut Tally) {
    let mut n = Numbers(seed);
    let log = format(&mut n);
    let block = Block { bytes: log.clone().into_bytes(), offset: 0, first_line: 1 };
    let mut events = Vec::new();
    Reader::new(log.as_bytes(), name, Clock::default()).block(&block).events(&block, &mut |_, read| {
        events.extend(read.ok().flatten());
    });
    let mut values: Vec<_> = events.iter().flat_map(values).collect();
    if !seed.is_multiple_of(4) {
        // What patterns say of the fields themselves makes every line be read.
        values.retain(|of_object| of_object.iter().all(|(path, _)| path.object != "x-event"));
    }
    if values.is_empty() {
        return;
    }
    for _ in 0..12 {
        let text = pattern(&mut n, &values);
        let set = match PatternIndicator::parse("i", "n", &text) {
            Ok(indicator) => PatternSet::build(vec![indicator]),
            Err(error) => panic!("{text}: {error}"),
        };
        tally.patterns += 1;
        if set.is_empty() || set.asks_every_line() {
            continue;
        }
        let (some, _) = found(&log, name, &set);
        let (all, _) = found(&log, name, &set.asking_every_line());
        assert_eq!(some, all, "{name}, seed {seed}, {text}\n{log}");
        tally.compared += 1;
        tally.finding += usize::from(!all.is_empty());
    }
}

#[test]
fn patterns_find_the_same_in_every_format() {
    for format in FORMATS {
        let mut tally = Tally::default();
        (0..12).for_each(|seed| law(seed, *format, &mut tally));
        assert!(tally.compared > tally.patterns / 4, "{}: {tally:?}", format.0);
        assert!(tally.finding > tally.compared / 2, "{}: {tally:?}", format.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn patterns_find_the_same_with_fewer_lines_read(seed in any::<u64>(), format in 0..FORMATS.len()) {
        law(seed, FORMATS[format], &mut Tally::default());
    }
}

#[test]
fn lines_that_no_pattern_needs_are_not_read() {
    let log = "{\"@timestamp\":\"2026-03-02T09:00:00Z\",\"Image\":\"C:\\\\evil.exe\"}\n\
               {\"@timestamp\":\"2026-03-02T09:00:01Z\",\"Image\":\"C:\\\\good.exe\"}\n{\"broken\": \n\
               {\"@timestamp\":\"2026-03-05T09:00:01Z\",\"Image\":\"C:\\\\\\u0065vil.exe\"}\n";
    let set =
        || PatternSet::build(vec![PatternIndicator::parse("i", "n", "[process:name LIKE 'evil%']").unwrap()]);
    let (some, report) = found(log, "a.json", &set());
    let lines: Vec<u64> = some.iter().flat_map(|one| &one.evidence).map(|seen| seen.place.line).collect();
    assert_eq!((lines, report.lines), (vec![1, 4], 4));
    assert_eq!(report.unparsed.total(), 0);
    assert_eq!(report.timeline.longest_gap_seconds(), 0, "between lines that were picked is no silence");
    let (all, report) = found(log, "a.json", &set().asking_every_line());
    assert_eq!((all, report.unparsed.total()), (some, 1));
    assert_eq!(report.timeline.longest_gap_seconds(), 3 * 86_400);
}

/// Web servers' path was asked before the whole, so that no query was part of a URL.
#[test]
fn the_query_that_a_web_server_writes_is_part_of_the_url() {
    let iis = "#Fields: date time c-ip cs-method cs-host cs-uri-stem cs-uri-query\n\
               2026-03-02 09:00:00 192.0.2.1 GET evil.example /a/gate.php id=7&x=1\n\
               2026-03-02 09:00:01 192.0.2.1 GET evil.example /a/plain.php -\n";
    let combined = "evil.example 192.0.2.1 - - [02/Mar/2026:09:00:00 +0000] \"GET /a/gate.php?id=7&x=1 HTTP/1.1\" 200 7 \"-\" \"-\"\n\
                    evil.example 192.0.2.1 - - [02/Mar/2026:09:00:01 +0000] \"GET /a/plain.php HTTP/1.1\" 200 7 \"-\" \"-\"\n";
    for (log, lines) in [(iis, [2, 3]), (combined, [1, 2])] {
        for (pattern, wanted) in [
            ("[url:value = 'https://evil.example/a/gate.php?id=7&x=1']", vec![lines[0]]),
            ("[url:value = 'https://evil.example/a/gate.php']", vec![]),
            ("[url:value LIKE 'http://%/gate.php?id=7%']", vec![lines[0]]),
            ("[url:value MATCHES 'gate\\\\.php\\\\?id=[0-9]&x']", vec![lines[0]]),
            ("[url:value = 'http://evil.example/a/plain.php']", vec![lines[1]]),
            (
                "[network-traffic:extensions.'http-request-ext'.request_value = '/a/gate.php?id=7&x=1']",
                vec![lines[0]],
            ),
        ] {
            let set = PatternSet::build(vec![PatternIndicator::parse("i", "n", pattern).unwrap()]);
            assert!(!set.asks_every_line(), "{pattern}");
            let found = found(log, "web.log", &set).0;
            let at: Vec<u64> = found.iter().map(|found| found.evidence[0].place.line).collect();
            assert_eq!(at, wanted, "{pattern}\n{log}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Lines into events.
//!
//! Golden files: `NAME.in` is a log, `NAME.out` what each of its lines comes to. `POLDER_GOLDEN=write` writes
//! them anew; what changed is reviewed in the diff.

use std::fmt::Write as _;
use std::path::Path;

use hunt::event::{BlockReader, Event, Format, Place, Reader, SourceKind, Unread, UnreadLines};
use hunt::limits::{COLUMNS_MAX, FIELDS_MAX, LIFT_DEPTH_MAX, RECOGNISE_LINES_MAX};
use hunt::reader::Block;
use hunt::time::{Clock, Timeline};
use model::zone::Zone;
use proptest::prelude::*;

/// The golden files' clock: read in the spring of 2024, written in UTC.
fn clock() -> Clock {
    Clock { reference: Some("2024-03-02T00:00:00Z".parse().unwrap()), ..Clock::default() }
}

fn whole(bytes: &[u8]) -> Block {
    Block { bytes: bytes.to_vec(), offset: 0, first_line: 1 }
}

/// What each line comes to.
pub fn read(bytes: &[u8], name: &str, clock: Clock) -> Vec<Result<Option<Event>, Unread>> {
    let mut reader = Reader::new(bytes, name, clock);
    let block = whole(bytes);
    let mut read = Vec::new();
    reader.block(&block).events(&block, &mut |_, result| read.push(result));
    read
}

fn events(bytes: &[u8], name: &str) -> Vec<Event> {
    read(bytes, name, clock()).into_iter().filter_map(|result| result.ok().flatten()).collect()
}

fn shown(result: &Result<Option<Event>, Unread>) -> String {
    let event = match result {
        Err(unread) => return format!("unread: {}", unread.name()),
        Ok(None) => return "header".to_owned(),
        Ok(Some(event)) => event,
    };
    let source = event.class.source;
    let time = event.time.map_or("no time".to_owned(), |time| time.to_string());
    let fields = serde_json::to_string(&event.fields).unwrap();
    format!(
        "{}:{} {} {} {}/{}/{} {time} {fields}",
        event.place.line,
        event.place.offset,
        event.class.format.name(),
        event.class.kind.name(),
        source.product,
        source.category,
        source.service
    )
}

#[test]
fn each_line_of_the_golden_logs_comes_to_what_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/event");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
    names.sort();
    assert!(names.len() >= 19, "{} golden logs", names.len());
    for path in names {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut out = String::new();
        let mut reader = Reader::new(&bytes, name, clock());
        let class = reader.class();
        writeln!(out, "{} {}", reader.format().name(), class.kind.name()).unwrap();
        let block = whole(&bytes);
        let lines = reader.block(&block);
        lines.events(&block, &mut |line, result| {
            writeln!(out, "{}", shown(&result)).unwrap();
            check_class(&lines, line, &result);
            check_time(&lines, line, &result);
        });
        let expected = path.with_extension("out");
        if std::env::var_os("POLDER_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&expected, &out).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        for (nth, (is, should)) in out.lines().zip(expected.lines()).enumerate() {
            assert_eq!(is, should, "{name} line {nth}");
        }
        assert_eq!(out.lines().count(), expected.lines().count(), "{name}");
    }
}

/// The class that is told before a line is read is the one that its event has.
fn check_class(lines: &BlockReader, line: &[u8], result: &Result<Option<Event>, Unread>) {
    let Ok(Some(event)) = result else { return };
    if let Some(class) = lines.class_of(line, event.place) {
        // A line of another form in this log is the exception that a parse finds.
        if class.format == event.class.format {
            assert_eq!(class, event.class, "{}", line.escape_ascii());
        }
    }
}

/// The time that the history and the coverage ask for is the one that a finding of the line has.
fn check_time(lines: &BlockReader, line: &[u8], result: &Result<Option<Event>, Unread>) {
    if let Ok(Some(event)) = result {
        assert_eq!(lines.time(line, event.place), event.time, "{}", line.escape_ascii());
    }
}

/// Times of whole formats never reached the history, or others than those of the findings did.
#[test]
fn a_line_has_one_time_whoever_asks() {
    let okta = r#"{"actor":{"id":"u"},"client":{"ipAddress":"192.0.2.3"},"eventType":"user.session.start","published":"2026-02-01T09:00:00Z"}"#;
    let lines: &[(&str, &str)] = &[
        (okta, "2026-02-01T09:00:00"),
        (
            r#"{"CreationTime":"2026-02-01T09:00:00","Operation":"UserLoggedIn","Workload":"AzureActiveDirectory"}"#,
            "2026-02-01T09:00:00",
        ),
        (
            r#"{"EventTime":"2026-02-01T09:00:00Z","EventID":4625,"Channel":"Security"}"#,
            "2026-02-01T09:00:00",
        ),
        (
            r##"{"Event":{"System":{"EventID":1,"Channel":"Security","TimeCreated":{"#attributes":{"SystemTime":"2026-02-01T09:00:00Z"}}}}}"##,
            "2026-02-01T09:00:00",
        ),
        (
            r#"{"activityDateTime":"2026-02-01T09:00:00Z","activityDisplayName":"Add user"}"#,
            "2026-02-01T09:00:00",
        ),
        (
            r#"{"category":"SignInLogs","properties":{"createdDateTime":"2026-02-01T09:00:00Z"}}"#,
            "2026-02-01T09:00:00",
        ),
        (r#"{"time":"2026-03-03T00:00:00Z","@timestamp":"2026-02-01T09:00:00Z"}"#, "2026-02-01T09:00:00"),
        (r#"{"t\u0073":1,"time":"2026-02-01T09:00:00\u005a"}"#, "2026-02-01T09:00:00"),
        ("Date,Time,Source IP\n2026-02-01,09:00:00,192.0.2.3", "2026-02-01T08:00:00"),
        ("id,time,src\n\"a \"\"b\"\"\",2026-02-01T09:00:00Z,192.0.2.3", "2026-02-01T09:00:00"),
        (
            r#"date=2026-02-01 time=00:30:00 devid="F" eventtime=1769936400000000000 tz="-0900" type="traffic""#,
            "2026-02-01T09:00:00",
        ),
        (r#"date=2026-02-01 time=00:00:00 devid="F" tz="-0900" type="traffic""#, "2026-02-01T09:00:00"),
        (
            r#"date=2026-02-01 time=00:00:00 devid="F eventtime=1600000000 x" tz="-0900" type="traffic""#,
            "2026-02-01T09:00:00",
        ),
        (
            r#"<189>date=2026-02-01 time=00:00:00 devid="F" tz="-0900" type="traffic" subtype="forward""#,
            "2026-02-01T09:00:00",
        ),
        ("Mar  1 08:00:00 fw1 CEF:0|A|B|1|1|c|5|src=192.0.2.3 rt=1769936400000", "2026-02-01T09:00:00"),
        ("#Fields: date time c-ip cs-method\n2026-02-01 09:00:00 - GET", "2026-02-01T08:00:00"),
    ];
    let amsterdam = Clock { zone: Zone::parse("Europe/Amsterdam").unwrap(), ..clock() };
    for (log, expected) in lines {
        let mut reader = Reader::new(log.as_bytes(), "log", amsterdam.clone());
        let block = whole(log.as_bytes());
        let handed = reader.block(&block);
        let mut times = Vec::new();
        handed.events(&block, &mut |line, result| {
            check_time(&handed, line, &result);
            times.extend(result.unwrap().and_then(|event| event.time));
        });
        assert_eq!(
            times.iter().map(|time| time.to_string()[..19].to_owned()).collect::<Vec<_>>(),
            [*expected],
            "{log}"
        );
    }
}

/// Logs of one form each; the first line says it.
const FORMS: [&str; 5] = [
    r#"{"timestamp":"2020-01-01T00:00:00Z","flow_id":1,"event_type":"dns","src_ip":"192.0.2.1"}"#,
    r#"{"ts":1577836800.5,"uid":"C1","id.orig_h":"192.0.2.1","conn_state":"SF"}"#,
    r#"{"_path":"dns","ts":1577836800.5,"uid":"C1"}"#,
    r##"{"Event":{"System":{"EventID":1,"Channel":"Security","TimeCreated":{"#attributes":{"SystemTime":"2020-01-01T00:00:00Z"}}}}}"##,
    r#"{"message":"none of them"}"#,
];

/// Members that say when a line was, or who wrote it, with what may stand there.
fn member() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "timestamp",
        "@timestamp",
        "time",
        "ts",
        r"t\u0073",
        "event_type",
        r"event\u005ftype",
        "_path",
        "uid",
        "EventTime",
        "EventID",
        "Channel",
        "TimeCreated",
        "TimeCreated_SystemTime",
        "category",
        "properties",
        "createdDateTime",
        "appId",
        "published",
        "eventType",
        "actor",
        "Operation",
        "Workload",
        "CreationTime",
        "__REALTIME_TIMESTAMP",
        "message",
    ];
    const VALUES: &[&str] = &[
        r#""2021-05-05T05:05:05Z""#,
        r#""2022-06-06T06:06:06Z""#,
        r#""2023-07-07T07:07:0\u0037Z""#,
        "1609459200.25",
        "1700000000000000",
        r#""dns""#,
        r#""timestamp""#,
        r#"{"createdDateTime":"2019-01-01T00:00:00Z","ts":1}"#,
        "null",
        "7",
    ];
    let plain = (proptest::sample::select(KEYS), proptest::sample::select(VALUES));
    let plain = plain.prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let time = proptest::sample::select(&VALUES[..6]);
    let system = (time.clone(), time, 0..5_u8).prop_map(|(one, other, form)| {
        let (attributes, again) = (format!(r#"{{"SystemTime":{one}}}"#), format!(r#"{{"SystemTime":{other}}}"#));
        let data = format!(r#""EventData":{{"TimeCreated_SystemTime":{other}}}"#);
        match form {
            0 => format!(r##""Event":{{"System":{{"TimeCreated":{{"#attributes":{attributes}}}}},{data}}}"##),
            1 => format!(r##""Event":{{{data},"System":{{"TimeCreated_attributes":{attributes}}}}}"##),
            2 => format!(
                r##""Event":{{"System":{{"TimeCreated":{{"#attributes":{attributes}}},"TimeCreated_attributes":{again}}}}}"##
            ),
            3 => format!(
                r##""Event":{{"System":{{"TimeCreated":{{"#attributes":{{"SystemTime":{one},"SystemTime":{other}}}}}}}}}"##
            ),
            _ => format!(
                r##""Event":{{"System":{{"TimeCreated_attributes":{again}}},"System":{{"TimeCreated_attributes":{attributes}}}}}"##
            ),
        }
    });
    prop_oneof![6 => plain, 1 => system]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Of a name that stands twice the history took the first and the finding the last, and the history took a line in a
    /// log of Suricata's for one of Suricata's.
    #[test]
    fn a_line_has_one_time_whatever_stands_twice(
        form in proptest::sample::select(&FORMS[..]),
        members in proptest::collection::vec(member(), 1..7),
    ) {
        let log = format!("{form}\n{form}\n{{{}}}\n", members.join(","));
        let mut reader = Reader::new(log.as_bytes(), "log", clock());
        let block = whole(log.as_bytes());
        let handed = reader.block(&block);
        handed.events(&block, &mut |line, result| check_time(&handed, line, &result));
    }
}

/// Mail of Postfix was of an unknown kind, and so was what a firewall of an unknown maker wrote in CEF.
#[test]
fn mail_logs_and_firewalls_in_cef_have_a_kind() {
    for (line, kind) in [
        ("Mar  2 08:00:00 mx1 postfix/smtpd[7]: NOQUEUE: from=<a@example.org>", SourceKind::Email),
        ("Mar  2 08:00:00 mx1 postfix-out/submission/smtpd[7]: connect from x", SourceKind::Email),
        ("Mar  2 08:00:00 fw CEF:0|Acme|Wall|1|1|c|5|src=10.0.0.3 dst=192.0.2.3 dpt=443", SourceKind::Flow),
        (
            "Mar  2 08:00:00 fw CEF:0|Acme|Wall|1|1|c|5|src=10.0.0.3 dst=192.0.2.3 request=http://a.example/",
            SourceKind::Proxy,
        ),
        ("Mar  2 08:00:00 fw CEF:0|Acme|Door|1|1|opened|5|suser=jan", SourceKind::Unknown),
    ] {
        assert_eq!(Reader::new(line.as_bytes(), "log", clock()).class().kind, kind, "{line}");
    }
}

#[test]
fn lines_without_a_zone_are_of_the_one_that_is_given() {
    let amsterdam = Clock { zone: Zone::parse("Europe/Amsterdam").unwrap(), ..clock() };
    let time = |line: &str| {
        let read = read(line.as_bytes(), "log", amsterdam.clone());
        read.into_iter().next().unwrap().unwrap().unwrap().time.unwrap().to_string()
    };
    for line in [
        "Jan  2 04:04:05 gate sshd[1]: x",
        "{\"time\":\"2024-01-02T04:04:05\"}",
        "{\"time\":\"2024-01-02T03:04:05Z\"}",
        "{\"time\":\"2024-01-02 04:04:05+0100\"}",
        "date=2024-01-02 time=04:04:05 devid=a logid=1 type=traffic",
        "date=2024-01-02 time=03:04:05 devid=a logid=1 tz=\"+0000\"",
        "time=2024-01-02T04:04:05 a=b c=d",
        "<34>1 2024-01-02T04:04:05 host app - - - x",
        "2024-01-02 04:04:05 a plain line",
    ] {
        assert_eq!(time(line), "2024-01-02T03:04:05.000000Z", "{line}");
    }
    assert_eq!(time("Jul  2 05:04:05 gate sshd[1]: x"), "2023-07-02T03:04:05.000000Z", "summer");
}

#[test]
fn without_a_reference_a_line_without_a_year_has_no_time() {
    let read = read(b"Jan  2 04:04:05 gate sshd[1]: x\n", "log", Clock::default());
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].as_ref().unwrap().as_ref().unwrap().time, None);
}

#[test]
fn a_block_is_read_in_any_order() {
    let log =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/event/zeek_conn.in")).unwrap();
    let block = whole(&log);
    let lines = Reader::new(&log, "x", clock()).block(&block);
    let mut places: Vec<(Place, Vec<u8>, String)> = Vec::new();
    let (mut offset, mut line) = (0, 1);
    lines.events(&block, &mut |bytes, result| {
        places.push((Place { line, offset }, bytes.to_vec(), shown(&result)));
        offset += bytes.len() as u64 + 1;
        line += 1;
    });
    for (place, bytes, expected) in places.iter().rev() {
        assert_eq!(&shown(&lines.parse(bytes, *place)), expected);
    }
}

#[test]
fn too_many_fields_are_told() {
    let object = |count: usize| {
        let fields: Vec<String> = (0..count).map(|nth| format!("\"k{nth}\":1")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let first = |line: String| read(line.as_bytes(), "log", clock()).into_iter().next().unwrap();
    assert!(first(object(FIELDS_MAX)).unwrap().is_some());
    assert_eq!(first(object(FIELDS_MAX + 1)), Err(Unread::TooManyFields));
}

#[test]
fn too_many_columns_are_told() {
    let table = |count: usize| {
        let names: Vec<String> = (0..count).map(|nth| format!("k{nth}")).collect();
        format!("#separator \\x09\n#fields\t{}\n{}\n", names.join("\t"), vec!["1"; count].join("\t"))
    };
    let last = |text: String| read(text.as_bytes(), "log", clock()).pop().unwrap();
    assert!(last(table(COLUMNS_MAX)).unwrap().is_some());
    assert_eq!(last(table(COLUMNS_MAX + 1)), Err(Unread::Header));
}

#[test]
fn what_is_nested_too_deep_is_kept_as_it_stands() {
    let event = |depth: usize| {
        let data = format!("{}\"x\"{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let line = format!("{{\"Event\":{{\"System\":{{\"EventID\":1}},\"UserData\":{data}}}}}");
        events(line.as_bytes(), "log").remove(0)
    };
    assert_eq!(event(LIFT_DEPTH_MAX).text("a").as_deref(), Some("x"));
    assert!(event(LIFT_DEPTH_MAX + 2).field("a").is_some_and(serde_json::Value::is_object));
}

#[test]
fn a_log_is_recognised_by_most_of_its_first_lines() {
    let log = |text: usize, json: usize| ["a line\n".repeat(text), "{\"a\":1}\n".repeat(json)].concat();
    let format = |log: String| Reader::new(log.as_bytes(), "log", clock()).format();
    let half = RECOGNISE_LINES_MAX / 2;
    assert_eq!(format(log(half - 1, half + 1)), Format::Json);
    assert_eq!(format(log(half, half)), Format::Text);
    assert_eq!(format(log(half, 10 * half)), Format::Text, "later lines do not count");
}

#[test]
fn unread_lines_are_counted_by_reason() {
    let mut unread = UnreadLines::default();
    let log = b"{\"a\":1}\n{\"a\":\n{\"a\":2}\n\0\n{\"a\":3}\n";
    for (nth, result) in read(log, "log", clock()).into_iter().enumerate() {
        if let Err(reason) = result {
            unread.add(reason, nth as u64 + 1);
        }
    }
    let told: Vec<_> = unread.iter().collect();
    assert_eq!((told, unread.total()), (vec![(Unread::Json, 2, 2)], 2));
    for (reason, name, _) in Unread::ALL {
        assert_eq!((reason.name(), Unread::from_name(name)), (name, Some(reason)));
    }
    for (kind, name) in SourceKind::ALL {
        assert_eq!((kind.name(), SourceKind::from_name(name)), (name, Some(kind)));
    }
}

#[test]
fn the_flattening_passes_over_the_regression_events() {
    let Some(folder) = regression("the_flattening_passes_over_the_regression_events") else { return };
    let (mut files, mut windows) = (0, 0);
    for path in
        super::files::below(&folder).iter().filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        let bytes = std::fs::read(path).unwrap();
        for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<serde_json::Value>() {
            let read = events(&serde_json::to_vec(&value.unwrap()).unwrap(), "log");
            assert_eq!(read.len(), 1, "{}", path.display());
            files += 1;
            if read[0].class.source.product == "windows" {
                windows += 1;
                assert!(
                    read[0].fields.contains_key("EventID") && read[0].time.is_some(),
                    "{}",
                    path.display()
                );
                assert!(!read[0].class.source.service.is_empty(), "{}", path.display());
            }
        }
    }
    assert!(files >= 110 && windows >= 110, "{files} {windows}");
}

/// The regression cases, unpacked beside the test binary's other files.
pub fn regression(test: &str) -> Option<std::path::PathBuf> {
    super::files::unpacked("data/sigma/regression-a.tar.zst", test)
}

// --- laws ---

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let head = prop::sample::select(vec![
        "",
        "{",
        "{\"event_type\":\"",
        "{\"Event\":{\"System\":",
        "<34>1 ",
        "<34>Jan  1 00:00:00 ",
        "CEF:0|a|b|",
        "date=2024-01-02 time=03:04:05 devid=",
        "192.0.2.7 - - [02/Jan/2024:10:00:00 +0100] \"",
        "a=b c=",
        "#fields\ta\tb",
        "#separator \\x",
        "#Fields: a b",
        "2024-01-02 03:04:05 ",
        "a,b,\"",
        "Jan  1 00:00:00 h sshd[1]: ",
        "Jan  1 00:00:00 h sudo: a : ",
        "{\"AuditData\":",
    ]);
    (head, prop::collection::vec(any::<u8>(), 0..60), "[ -~]{0,40}").prop_map(|(head, bytes, text)| {
        [head.as_bytes(), text.as_bytes(), &bytes].concat().into_iter().filter(|b| *b != b'\n').collect()
    })
}

proptest! {
    /// Whatever the lines are, each is an event, a header or unread, and how blocks are cut changes nothing.
    #[test]
    fn every_line_is_told_and_blocks_do_not_matter(
        lines in prop::collection::vec(any_line(), 1..12), cut in 0..12_usize
    ) {
        let log: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
        let expected = read(&log, "log", clock());
        prop_assert_eq!(expected.len(), lines.len());
        let at: usize = lines.iter().take(cut).map(|line| line.len() + 1).sum();
        let mut reader = Reader::new(&log, "log", clock());
        let mut parts = Vec::new();
        for (bytes, offset, first_line) in [(&log[..at], 0, 1), (&log[at..], at as u64, cut.min(lines.len()) as u64 + 1)] {
            let block = Block { bytes: bytes.to_vec(), offset, first_line };
            let handed = reader.block(&block);
            handed.events(&block, &mut |line, result| {
                if let Ok(Some(event)) = &result {
                    let fresh = handed.class_of(line, event.place);
                    assert!(fresh.is_none_or(|class| class == event.class || class.format != event.class.format
                        || event.class.format == Format::Json));
                    check_time(&handed, line, &result);
                }
                parts.push(result);
            });
        }
        prop_assert_eq!(parts, expected);
    }

    #[test]
    fn timelines_of_parts_join(times in prop::collection::vec(prop::option::of(0..4_000_000_i64), 0..30), cut in 0..30_usize) {
        let times: Vec<_> = times.into_iter().map(|t| t.map(|t| model::time::Timestamp::from_micros(t * 1_000_000))).collect();
        let line = |times: &[Option<model::time::Timestamp>]| {
            let mut line = Timeline::default();
            times.iter().for_each(|time| line.add(*time));
            line
        };
        let (left, right) = times.split_at(cut.min(times.len()));
        let mut joined = line(left);
        joined.join(&line(right));
        let all = line(&times);
        prop_assert_eq!((joined.first, joined.last, joined.timed, joined.untimed), (all.first, all.last, all.timed, all.untimed));
        prop_assert_eq!((joined.jumps_back, joined.jump_micros_max), (all.jumps_back, all.jump_micros_max));
    }
}

/// What one sender's first lines looked like said how those of all others were read.
#[test]
fn lines_of_a_listener_are_each_read_by_their_own_form() {
    let lines = [
        ("#Fields: date time c-ip cs-username", Format::Text),
        ("#separator \\x09", Format::Text),
        ("time,host,message", Format::Text),
        (
            "<86>1 2024-01-02T03:00:00Z gate sshd 9 - - Failed password for u from 198.51.100.7 port 4 ssh2",
            Format::Syslog,
        ),
        (
            "<38>Mar  1 03:00:00 srv sshd[1]: Failed password for u from 198.51.100.7 port 4 ssh2",
            Format::Syslog,
        ),
        ("{\"a\":1}", Format::Json),
        ("user=anna action=deny src=192.0.2.7 dst=203.0.113.7", Format::KeyValue),
        (
            "192.0.2.7 - - [02/Jan/2024:03:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\"",
            Format::CombinedLog,
        ),
    ];
    let log: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let block = Block { bytes: log.clone().into_bytes(), offset: 0, first_line: 1 };
    // Whoever is first.
    for first in [log.as_bytes(), &log.as_bytes()[log.find("time,").unwrap()..]] {
        let reader = Reader::of_listener(first, clock()).block(&block);
        let mut formats = Vec::new();
        reader.events(&block, &mut |line, read| {
            assert_eq!(reader.class_of(line, Place::default()), None, "no line is passed by unread");
            let event = read.unwrap().unwrap();
            formats.push(event.class.format);
            // The year, too, which some lack.
            let told = event.time.map(|time| time.to_string()[..4].to_owned());
            assert_eq!(
                told.is_some_and(|year| year == "2024"),
                event.class.format == Format::Syslog || line.starts_with(b"192")
            );
        });
        assert_eq!(formats, lines.map(|(_, format)| format));
    }
}

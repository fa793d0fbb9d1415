// SPDX-License-Identifier: Apache-2.0
//! Texts that must be there for a comparison to hold: in an event's objects ([`in_objects`]), and in the line that the
//! event is read from ([`in_line`]). They are weaker than the comparison, never stronger.
//!
//! A line writes a value otherwise than the event holds it. So [`in_line`] knows of which paths the values stand in the
//! line, cuts a value at whatever some format escapes, drops or puts in, and asks only for what is left in one piece.
//! Lines with bytes beyond ASCII or with escapes by number are read in any case ([`super::lines`]): in all others a value
//! is ASCII and stands as it is, in some case.

use std::net::Ipv6Addr;

use model::observable::parse_address;
use unicode_normalization::UnicodeNormalization as _;

use super::ast::{Comparison, Literal, Number, Operator, Path, Step, Test};
use crate::limits::PATTERN_LITERALS_MAX;
use crate::rule::Needs;

/// Shortest literal that is worth looking for.
const LITERAL_CHARS_MIN: usize = 3;
/// Of longer texts so many bytes at the end are looked for in lines: it keeps the automaton small.
const NEEDLE_BYTES_MAX: usize = 24;
/// Longest text of a number: sign, 17 digits, point and exponent.
const NUMBER_BYTES_MAX: usize = 25;
/// Spellings of one address of which each is looked for.
const SPELLINGS_MAX: usize = 16;
/// What stands in every IPv6 spelling of an IPv4 address that has no dotted end.
const MAPPED: &str = "ffff:";
/// What observations put before a value that the log lacks: schemes of URLs, roots of the registry in full.
const PUT_BEFORE_URL: &[&str] = &["http:", "https:"];
const PUT_BEFORE_KEY: &[&str] = &["hkey_local_machine", "hkey_users", "hkey_current_user"];
/// Words that stand in so many lines that others are looked for rather.
const COMMON: &[&str] = &[
    "http",
    "https",
    "www",
    "exe",
    "dll",
    "cmd.exe",
    "powershell",
    "powershell.exe",
    "mozilla",
    "windows",
    "microsoft",
    "software",
    "currentversion",
    "controlset001",
    "currentcontrolset",
    "services",
    "system",
    "system32",
    "program files",
    "programdata",
    "users",
    "public",
    "appdata",
    "local",
    "roaming",
    "temp",
    "index.html",
];
/// Truth values are written in other ways, too (`T`).
const TRUTHS: &[&str] = &["true", "false"];

/// Of alternatives the texts of which one must be there; none for what cannot be at all.
type Texts = Vec<String>;

/// Texts of which one stands, in some case, in every observation in which the comparison holds; `None` where
/// there are no such texts.
pub(super) fn in_objects(comparison: &Comparison) -> Option<Texts> {
    of(comparison, &in_objects_of_test)
}

/// Texts of which one stands, in some case, in every line of plain ASCII from whose event an observation can be made in
/// which the comparison holds; `None` where that cannot be told.
pub(super) fn in_line(comparison: &Comparison) -> Option<Texts> {
    of(comparison, &in_line_of_test)
}

fn of(comparison: &Comparison, of_test: &dyn Fn(&Test) -> Option<Texts>) -> Option<Texts> {
    match comparison {
        Comparison::Test(test) => of_test(test),
        // One of its parts is enough to let it in.
        Comparison::All(parts) => rarest(parts.iter().filter_map(|part| of(part, of_test))),
        Comparison::Any(parts) => {
            let all: Option<Vec<_>> = parts.iter().map(|part| of(part, of_test)).collect();
            few(all?.into_iter().flatten().collect())
        }
    }
}

/// The choice whose shortest text is the longest: long ones are the rarest, as a rule.
fn rarest(choices: impl Iterator<Item = Texts>) -> Option<Texts> {
    let rarity = |texts: &Texts| texts.iter().map(|text| rarity(text)).min();
    choices.max_by_key(|texts| rarity(texts).unwrap_or((true, usize::MAX)))
}

/// How rarely a text stands in lines, by guess.
fn rarity(text: &str) -> (bool, usize) {
    let common = COMMON.iter().any(|word| text.eq_ignore_ascii_case(word));
    (!common, text.len())
}

fn few(texts: Texts) -> Option<Texts> {
    (texts.len() <= PATTERN_LITERALS_MAX).then_some(texts)
}

fn is_long(text: &str) -> bool {
    text.chars().count() >= LITERAL_CHARS_MIN
}

fn texts_of(literals: &[Literal]) -> Option<Vec<&str>> {
    fn text(literal: &Literal) -> Option<&str> {
        match literal {
            Literal::Text(text) => Some(text),
            _ => None,
        }
    }
    literals.iter().map(text).collect()
}

/// Of the clauses of a regular expression what `texts` makes of one of them.
fn of_regex(pattern: &str, texts: impl Fn(&str) -> Option<String>) -> Option<Texts> {
    let clauses = Needs::regex(None, &pattern.nfc().collect::<String>()).clauses;
    let clauses = clauses.iter().filter_map(|clause| {
        let all = clause.iter().map(|literal| literal.test.text().and_then(&texts)).collect::<Option<_>>()?;
        few(all)
    });
    rarest(clauses)
}

// --- in the objects of an observation ---

fn in_objects_of_test(test: &Test) -> Option<Texts> {
    // Bytes are compared decoded, as no text of the observation holds them; times in several spellings.
    let bytes = |key: &Step| matches!(key, Step::Key(key) if key.ends_with("_hex") || key.ends_with("_bin"));
    if test.negated || test.path.steps.iter().any(bytes) {
        return None;
    }
    let long = |text: &str| is_long(text).then(|| text.to_owned());
    match &test.operator {
        Operator::Equal(literal) => texts_of(std::slice::from_ref(literal))?.into_iter().map(long).collect(),
        Operator::In(literals) if literals.is_empty() => None,
        Operator::In(literals) => few(texts_of(literals)?.into_iter().map(long).collect::<Option<_>>()?),
        Operator::Like(like) => {
            let run = like.split(['%', '_']).max_by_key(|run| run.len());
            // NFC may change what is not ASCII.
            run.filter(|run| run.is_ascii()).and_then(long).map(|run| vec![run])
        }
        Operator::Matches(pattern) => of_regex(pattern, long),
        _ => None,
    }
}

// --- in a line ---

/// What a path leads to, as far as it tells how the value stands in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An address in its usual spelling, or a name.
    Host,
    /// An IPv4 address.
    HostV4,
    /// A key of the registry, its root in full.
    Key,
    /// A whole number.
    Number,
    /// Part of a field.
    Part,
    /// A URL or part of one, also if it was joined of host, path and query.
    Url,
}

/// What a path leads to; `None` if its values need not stand in the line. [`super::event`] makes them.
fn kind_of(path: &Path) -> Option<Kind> {
    let mut object = path.object.as_str();
    let mut keys = Vec::with_capacity(path.steps.len());
    for step in &path.steps {
        keys.push(match step {
            Step::Key(key) => key.as_str(),
            Step::Each | Step::Index(_) => "*",
        });
    }
    let mut keys = keys.as_slice();
    loop {
        let (named, rest) = match keys {
            ["src_ref" | "dst_ref", rest @ ..] => ("host", rest),
            ["image_ref" | "binary_ref", rest @ ..] => ("file", rest),
            ["parent_ref", rest @ ..] => ("process", rest),
            ["creator_user_ref", rest @ ..] => ("user-account", rest),
            ["parent_directory_ref", rest @ ..] => ("directory", rest),
            ["from_ref" | "sender_ref", rest @ ..] | ["to_refs", "*", rest @ ..] => ("email-addr", rest),
            _ => break,
        };
        (object, keys) = (named, rest);
    }
    Some(match (object, keys) {
        ("host" | "ipv6-addr", ["value"]) => Kind::Host,
        ("ipv4-addr", ["value"]) => Kind::HostV4,
        ("url", ["value"]) | ("network-traffic", ["extensions", "http-request-ext", "request_value"]) => {
            Kind::Url
        }
        ("windows-registry-key", ["key"] | ["values", "*", "name"]) => Kind::Key,
        ("network-traffic", ["src_port" | "dst_port" | "src_byte_count" | "dst_byte_count"])
        | ("process", ["pid"])
        | ("file", ["size"]) => Kind::Number,
        ("network-traffic", ["x_ja3" | "x_ja4"])
        | ("domain-name" | "email-addr", ["value"])
        | ("file", ["name"] | ["hashes", _])
        | ("directory", ["path"])
        | ("process", ["name" | "command_line" | "cwd"])
        | ("windows-registry-key", ["values", "*", "data"])
        | ("email-message", ["subject"])
        | ("user-account", ["account_login" | "user_id" | "x_domain"])
        | (
            "network-traffic",
            ["extensions", "http-request-ext", "request_method"]
            | ["extensions", "http-request-ext", "request_header", "User-Agent"],
        ) => Kind::Part,
        _ => return None,
    })
}

fn in_line_of_test(test: &Test) -> Option<Texts> {
    if test.negated {
        return None;
    }
    let kind = kind_of(&test.path)?;
    match (kind, &test.operator) {
        (Kind::Number, Operator::Equal(literal)) => numbers(std::slice::from_ref(literal)),
        (Kind::Number, Operator::In(literals)) => numbers(literals),
        (Kind::Number, _) => None,
        (_, Operator::Equal(literal)) => values(kind, std::slice::from_ref(literal)),
        (_, Operator::In(literals)) => values(kind, literals),
        (_, Operator::Like(like)) => {
            let like: String = like.nfc().collect();
            if !like.is_ascii() {
                return Some(Texts::new());
            }
            let pieces = like.split(['%', '_']).filter_map(|run| piece(kind, run));
            pieces.max_by_key(|piece| rarity(piece)).map(|piece| with_mapped(kind, piece))
        }
        (Kind::HostV4, Operator::Matches(_)) => None,
        (_, Operator::Matches(pattern)) => of_regex(pattern, |run| piece(kind, run)),
        (Kind::Host | Kind::HostV4, Operator::Subset(network)) => {
            start_of_network(network).map(|start| vec![start, MAPPED.to_owned()])
        }
        _ => None,
    }
}

/// Numbers as they are written, in decimals or, as Windows does, in hexadecimals.
fn numbers(literals: &[Literal]) -> Option<Texts> {
    let mut texts = Texts::new();
    for literal in literals {
        // From here on both are long enough; numbers beyond 32 bits are compared in other ways.
        let Literal::Number(Number::Integer(number @ 256..=0xFFFF_FFFF)) = literal else { return None };
        texts.extend([number.to_string(), format!("{number:x}")]);
    }
    few(texts)
}

/// Values as a whole.
fn values(kind: Kind, literals: &[Literal]) -> Option<Texts> {
    let mut all = Texts::new();
    for text in texts_of(literals)? {
        if !text.is_ascii() {
            continue;
        }
        match (kind, parse_address(text)) {
            (Kind::Host | Kind::HostV4, Some(address)) => all.extend(spellings_of_address(address)?),
            // No address, so that it can be only a name.
            (Kind::Host | Kind::HostV4, None) => all.push(piece(Kind::Part, text)?),
            _ => all.push(piece(kind, text)?),
        }
    }
    few(all)
}

fn with_mapped(kind: Kind, piece: String) -> Texts {
    match kind {
        Kind::HostV4 => vec![piece, MAPPED.to_owned()],
        _ => vec![piece],
    }
}

/// The longest part of a text that stands as it is in a line from which the text was read.
fn piece(kind: Kind, text: &str) -> Option<String> {
    let is_cut = |c: char| match c {
        // JSON, CSV, CEF, structured data of syslog and pairs escape these; URLs are joined at slashes.
        '"' | '\'' | '\\' | '/' | '=' | '|' | ']' => true,
        // The query may stand in a field of its own.
        '?' => kind == Kind::Url,
        c => c.is_control() || !c.is_ascii(),
    };
    let is_part_of = |all: &[&str], piece: &str| {
        let piece = piece.to_ascii_lowercase();
        all.iter().any(|one| one.contains(&piece))
    };
    let stands = |piece: &&str| {
        is_long(piece)
            && !is_number_like(piece)
            && !is_part_of(TRUTHS, piece)
            && match kind {
                Kind::Url => !is_part_of(PUT_BEFORE_URL, piece),
                Kind::Key => !is_part_of(PUT_BEFORE_KEY, piece),
                // Not of an address, which may stand in another spelling.
                Kind::Host => piece.bytes().any(|b| !b.is_ascii_hexdigit() && !matches!(b, b'.' | b':')),
                _ => true,
            }
    };
    let longest = text.split(is_cut).filter(stands).max_by_key(|piece| rarity(piece))?;
    longest.get(longest.len().saturating_sub(NEEDLE_BYTES_MAX)..).map(str::to_owned)
}

/// Whether it may be part of a number's text: numbers are written in several ways.
fn is_number_like(text: &str) -> bool {
    text.len() <= NUMBER_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E'))
        && text.bytes().filter(|b| *b == b'.').count() <= 1
}

/// Texts of which one stands in each spelling of an address.
fn spellings_of_address(address: u128) -> Option<Texts> {
    let address = Ipv6Addr::from(address);
    if let Some(v4) = address.to_ipv4_mapped() {
        return Some(vec![v4.to_string(), MAPPED.to_owned()]);
    }
    let segments = address.segments();
    // The last 32 bits may be written as IPv4. Zeros may be left out: what lies between two of them is in one piece.
    let runs = segments.get(..6)?.split(|segment| *segment == 0);
    let longest = runs.map(spellings_of_segments).max_by_key(|texts| texts.first().map_or(0, String::len))?;
    longest.first().is_some_and(|text| is_long(text)).then_some(longest)
}

/// Each segment may have zeros in front; of so many segments that they have few spellings.
fn spellings_of_segments(segments: &[u16]) -> Texts {
    let mut texts = vec![String::new()];
    for segment in segments {
        let plain = format!("{segment:x}");
        let written: Vec<String> = (plain.len()..=4).map(|width| format!("{segment:0width$x}")).collect();
        if texts.len() * written.len() > SPELLINGS_MAX {
            break;
        }
        let joined = |text: &String| {
            let text = text.clone();
            written.iter().map(move |more| match text.as_str() {
                "" => more.clone(),
                text => format!("{text}:{more}"),
            })
        };
        texts = texts.iter().flat_map(joined).collect();
    }
    texts
}

/// The octets that all addresses of an IPv4 network begin with.
fn start_of_network(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/')?;
    let length: usize = length.parse().ok().filter(|length| *length <= 32)?;
    let v4 = Ipv6Addr::from(parse_address(address)?).to_ipv4_mapped().filter(|_| !address.contains(':'))?;
    let octets = v4.octets();
    let whole = octets.get(..(length / 8).min(3))?;
    let start: String = whole.iter().map(|octet| format!("{octet}.")).collect();
    is_long(&start).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Expression, Pattern};

    fn needles(pattern: &str) -> Option<Texts> {
        let pattern = Pattern::parse(pattern).unwrap();
        let Expression::Observation(comparison) = super::super::fold::folded(pattern.expression()) else {
            panic!("one observation")
        };
        in_line(&comparison)
    }

    #[test]
    fn what_is_looked_for_in_lines() {
        for (pattern, wanted) in [
            (r"[file:name LIKE 'invoice%.scr']", vec!["invoice"]),
            (r"[process:command_line LIKE '%a=bcd%']", vec!["bcd"]),
            (
                r"[process:command_line MATCHES 'cmd(\\.exe)? +/c +(start|rundll32) ']",
                vec!["rundll32", "start"],
            ),
            (r"[directory:path = 'C:\\Users\\Public']", vec!["Public"]),
            (r"[url:value LIKE 'https://%/gate.php?%']", vec!["gate.php"]),
            (r"[url:value = 'http://a.example/b/c.php']", vec!["a.example"]),
            (
                r"[network-traffic:dst_port = 8443 AND network-traffic:dst_ref.value = '198.51.100.7']",
                vec!["198.51.100.7", "ffff:"],
            ),
            (r"[network-traffic:dst_port IN (8443, 541)]", vec!["8443", "20fb", "541", "21d"]),
            (
                r"[network-traffic:dst_ref.value = '2001:DB8::1:2' AND network-traffic:dst_port != 1]",
                vec!["2001:db8", "2001:0db8"],
            ),
            (r"[network-traffic:dst_ref.value ISSUBSET '203.0.113.0/24']", vec!["203.0.113.", "ffff:"]),
            (r"[domain-name:value LIKE '%.Bücher.example']", vec![]),
            (r"[windows-registry-key:key LIKE 'HKEY_LOCAL_MACHINE\\Run\\x%']", vec!["Run"]),
            (r"[windows-registry-key:key LIKE '%\\CurrentVersion\\Run\\evil']", vec!["evil"]),
            (r"[user-account:account_login = 'Jean Dupont']", vec!["Jean Dupont"]),
            (r"[process:name = 'a' OR process:name = 'bcd']", vec!["-"]),
            (r"[network-traffic:dst_port = 80]", vec!["-"]),
            (r"[file:name != 'evil.exe']", vec!["-"]),
            (r"[file:name NOT = 'evil.exe']", vec!["-"]),
            (r"[user-account:user_id = '12345']", vec!["-"]),
            (r"[user-account:user_id = 'rue']", vec!["-"]),
            (r"[network-traffic:protocols[*] = 'icmp']", vec!["-"]),
            (r"[x-event:outcome = 'success']", vec!["-"]),
            (r"[network-traffic:dst_ref.value LIKE '%dead:beef%']", vec!["-"]),
            (r"[network-traffic:dst_ref.value = '::1']", vec!["-"]),
            (r"[url:value LIKE 'https%']", vec!["-"]),
            (r"[file:type = 'file']", vec!["-"]),
        ] {
            let found = needles(pattern).unwrap_or_else(|| vec!["-".to_owned()]);
            assert_eq!(found, wanted, "{pattern}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_holds_one_of_its_texts() {
        for (address, spellings) in [
            (
                "198.51.100.7",
                &["198.51.100.7", "::ffff:198.51.100.7", "::FFFF:c633:6407", "0:0::ffff:c633:6407"][..],
            ),
            ("0.0.0.7", &["0.0.0.7", "::ffff:0:7", "0:0:0:0:0:ffff::7"]),
            ("2001:db8:0:1::7", &["2001:db8:0:1::7", "2001:0DB8:0000:0001:0:0:0:7", "2001:db8:0:1::0.0.0.7"]),
            ("64:ff9b::c000:201", &["64:ff9b::192.0.2.1", "0064:FF9B::c000:0201"]),
        ] {
            let texts = spellings_of_address(parse_address(address).unwrap()).unwrap();
            for spelling in spellings {
                assert_eq!(parse_address(spelling), parse_address(address), "{spelling}");
                let spelling = spelling.to_ascii_lowercase();
                assert!(texts.iter().any(|text| spelling.contains(text)), "{spelling}: {texts:?}");
            }
        }
    }
}

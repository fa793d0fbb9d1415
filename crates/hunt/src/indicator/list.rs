// SPDX-License-Identifier: Apache-2.0
//! Plain lists: one value a line.

use model::diagnostic::Diagnostic;
use model::observable::{Observable, ObservableKind, refang};

use super::{Indicator, Mode, Reading, excerpt, list_mode, suffix};
use crate::limits::{
    LIST_BYTES_MAX, LIST_ENTRIES_MAX, LIST_LINE_BYTES_MAX, NETWORK_V4_PREFIX_MIN, NETWORK_V6_PREFIX_MIN,
};

/// Reads a plain list: one value a line, `#` begins a comment, values may be defanged. A byte order mark
/// and both kinds of line end are understood. `name` is the list's, for messages and for the indicators.
///
/// ```
/// let list = hunt::indicator::read_list(b"# seen in March\r\nvpn[.]example\r\n203.0.113.7\r\nco.uk\r\n", "march");
/// assert_eq!(list.taken, 2);
/// assert_eq!(list.diagnostics[0].to_string().split(':').next(), Some("error [public-suffix] march line 4"));
/// ```
pub fn read_list(bytes: &[u8], name: &str) -> Reading {
    let mut reading = Reading::default();
    if bytes.len() > LIST_BYTES_MAX {
        reading.refuse(
            Diagnostic::error(
                "list-too-large",
                name,
                format!("the list has more than {LIST_BYTES_MAX} bytes"),
            )
            .with_fix("split it"),
        );
        return reading;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if reading.indicators.len() >= LIST_ENTRIES_MAX {
            let what = format!("the list has more than {LIST_ENTRIES_MAX} entries; the rest is not read");
            reading.refuse(Diagnostic::error("list-too-long", name, what).with_fix("split it"));
            break;
        }
        let place = || format!("{name} line {}", index + 1);
        match entry(line) {
            Ok(None) => {}
            Ok(Some(text)) => match indicator(text, &place) {
                Ok(indicator) => reading.take([indicator]),
                Err(diagnostic) => reading.refuse(diagnostic),
            },
            Err((code, what)) => reading.refuse(Diagnostic::error(code, place(), what)),
        }
    }
    reading
}

/// The value of a line, without comment and spaces.
fn entry(line: &[u8]) -> Result<Option<&str>, (&'static str, &'static str)> {
    if line.len() > LIST_LINE_BYTES_MAX {
        return Err(("line-too-long", "the line has more than 16384 bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|_| ("not-utf-8", "the line is not UTF-8"))?.trim();
    // A `#` inside a word is a URL's fragment, not a comment.
    let comment = text.char_indices().find(|(at, c)| {
        *c == '#' && text.get(..*at).is_none_or(|head| head.is_empty() || head.ends_with(char::is_whitespace))
    });
    let text = comment.and_then(|(at, _)| text.get(..at)).unwrap_or(text).trim();
    Ok((!text.is_empty()).then_some(text))
}

/// The indicator of an entry.
fn indicator(text: &str, place: &dyn Fn() -> String) -> Result<Indicator, Diagnostic> {
    let Some(observable) = Observable::guess(&refang(text)) else {
        let what = format!(
            "`{}` is not an address, network, domain of two labels or more, URL, e-mail address or hash",
            excerpt(text)
        );
        return Err(Diagnostic::error("not-an-observable", place(), what)
            .with_fix("write one value a line, without a port, after # what is a comment"));
    };
    let mode = list_mode(&observable);
    if let Some((code, what)) = too_wide(&observable, mode) {
        return Err(Diagnostic::error(code, place(), what));
    }
    Ok(Indicator {
        id: text.to_owned(),
        observable,
        mode,
        name: place(),
        valid_from: None,
        valid_until: None,
    })
}

/// Why a value is not hunted for although it can be read: it would match half of the world. Answers the
/// code and what is wrong.
pub(crate) fn too_wide(observable: &Observable, mode: Mode) -> Option<(&'static str, String)> {
    match observable.kind() {
        ObservableKind::Cidr => {
            let network = observable.network()?;
            let shortest = if network.is_v4() { NETWORK_V4_PREFIX_MIN } else { NETWORK_V6_PREFIX_MIN };
            let wide = network.written_prefix() < shortest;
            wide.then(|| {
                ("network-too-wide", format!("`{network}` is a large part of the internet; /{shortest} is the widest that is hunted for"))
            })
        }
        ObservableKind::Domain if mode == Mode::WithSubdomains => {
            let name = observable.display();
            suffix::is_public(&name).then(|| {
                ("public-suffix", format!("`{name}` is a public suffix: names of many owners end with it"))
            })
        }
        _ => None,
    }
}

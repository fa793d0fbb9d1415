// SPDX-License-Identifier: Apache-2.0
//! Findings that wait to be stored, as bytes.

use std::borrow::Cow;

use hunt::waiting::Waiting;

use crate::report::sample;

#[test]
fn what_waits_comes_back() {
    let findings = sample::firm().hits;
    assert!(!findings.is_empty());
    for (number, is_received) in [(None, true), (Some(i64::MIN), false)] {
        let log = Cow::Borrowed("syslog-udp:127.0.0.1:1 from \u{e9}");
        let waiting = Waiting { log, number, is_received, findings: Cow::Borrowed(&findings) };
        assert_eq!(Waiting::from_bytes(&waiting.to_bytes()), Ok(waiting));
    }
}

#[test]
fn what_is_damaged_or_nothing_that_waits_is_refused() {
    let findings = sample::firm().hits;
    let waiting = Waiting {
        log: "a.log".into(),
        number: Some(3),
        is_received: false,
        findings: Cow::Borrowed(&findings),
    };
    let bytes = waiting.to_bytes();
    assert!(Waiting::from_bytes(b"").is_err());
    for at in (0..bytes.len()).step_by(bytes.len() / 97 + 1) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Waiting::from_bytes(&damaged).is_err(), "a bit at {at}");
        assert!(Waiting::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(Waiting::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
}

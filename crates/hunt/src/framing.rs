// SPDX-License-Identifier: Apache-2.0
//! Syslog messages from a stream or a datagram, as lines (RFC 6587, RFC 5426).
//!
//! A stream carries each message behind its length in octets (RFC 6587 section 3.4.1) or before a line feed or NUL
//! (section 3.4.2); which of the two is told by its first octet, and stays so: the text of a message must not begin a frame
//! that swallows the messages of others. Where a length should stand and none does, the rest of the stream is by lines. A
//! message is one line afterwards: line feeds and other control characters inside it are written as `#012`, three octal
//! digits, as relays do.
//!
//! ```
//! use hunt::framing::{Framer, Lines};
//!
//! let (mut framer, mut lines) = (Framer::default(), Lines::default());
//! framer.feed(b"8 <34>a\nb!<34>c", &mut lines);
//! framer.feed(b"d\n", &mut lines);
//! assert_eq!(lines.bytes, b"<34>a#012b!\n<34>cd\n");
//! ```

use crate::limits::{SYSLOG_FRAME_BYTES_MAX, SYSLOG_LENGTH_DIGITS_MAX, SYSLOG_MESSAGE_BYTES_MAX};

/// Messages as lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// How many.
    pub count: u64,
    /// Messages that were longer than [`SYSLOG_MESSAGE_BYTES_MAX`]: their beginning is a line, the rest is lost.
    pub cut: u64,
    /// Streams that ceased to put lengths before their messages.
    pub uncounted: u64,
}

impl Lines {
    /// Takes a datagram: one message (RFC 5426 section 3.1). An empty one is none.
    pub fn datagram(&mut self, message: &[u8]) {
        let message = message.strip_suffix(b"\n").unwrap_or(message);
        self.message(message, message.len() > SYSLOG_MESSAGE_BYTES_MAX);
    }

    fn message(&mut self, message: &[u8], cut: bool) {
        let message = message.strip_suffix(b"\r").unwrap_or(message);
        if message.is_empty() {
            return;
        }
        for byte in message.iter().take(SYSLOG_MESSAGE_BYTES_MAX) {
            match byte {
                b'\t' => self.bytes.push(b'\t'),
                0..=31 | 127 => self.bytes.extend_from_slice(format!("#{byte:03o}").as_bytes()),
                _ => self.bytes.push(*byte),
            }
        }
        self.bytes.push(b'\n');
        self.count += 1;
        self.cut += u64::from(cut);
    }
}

/// Where in a frame the stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In a message of which so many octets are still to come.
    Counted(usize),
    /// In a message that ends with a line feed or NUL; the stream has no lengths.
    Delimited,
    /// In the digits of a length.
    Length,
    /// Before the first octet of the stream, or of a frame that begins with a length.
    #[default]
    Start,
}

/// Cuts one connection's stream into messages.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    state: State,
    /// Whether a message with a length came.
    is_counted: bool,
    /// What came of the present message, or of its length.
    held: Vec<u8>,
    /// Whether octets of the present message were left out.
    cut: bool,
}

impl Framer {
    /// Takes what came; whole messages go into `lines`.
    pub fn feed(&mut self, bytes: &[u8], lines: &mut Lines) {
        bytes.iter().for_each(|byte| self.take(*byte, lines));
    }

    /// The connection ended: what is left is a message, too, unless it is a length alone.
    pub fn end(mut self, lines: &mut Lines) {
        if self.state != State::Length {
            self.finish(lines);
        }
    }

    fn take(&mut self, byte: u8, lines: &mut Lines) {
        match (self.state, byte) {
            // What stands between frames.
            (State::Start, b'\n' | b'\r' | 0) => {}
            (State::Start, b'1'..=b'9') => {
                self.state = State::Length;
                self.held.push(byte);
            }
            (State::Length, b'0'..=b'9') if self.held.len() < SYSLOG_LENGTH_DIGITS_MAX => {
                self.held.push(byte);
            }
            (State::Length, b' ') if self.length() <= self.length_max() => {
                self.state = State::Counted(self.length());
                self.held.clear();
            }
            (State::Counted(left), _) => {
                self.push(byte);
                self.state = State::Counted(left - 1);
                if left == 1 {
                    self.finish(lines);
                    (self.state, self.is_counted) = (State::Start, true);
                }
            }
            // No length: the stream is by lines from here on.
            (State::Start | State::Length, _) => {
                lines.uncounted += u64::from(self.is_counted);
                self.state = State::Delimited;
                self.take(byte, lines);
            }
            (State::Delimited, b'\n' | 0) => self.finish(lines),
            (State::Delimited, _) => self.push(byte),
        }
    }

    /// The length of which the digits came.
    fn length(&self) -> usize {
        self.held.iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
    }

    /// What else may be a number in the text of a first line. Who has put lengths before other messages means it.
    fn length_max(&self) -> usize {
        if self.is_counted { SYSLOG_FRAME_BYTES_MAX } else { SYSLOG_MESSAGE_BYTES_MAX }
    }

    fn push(&mut self, byte: u8) {
        if self.held.len() < SYSLOG_MESSAGE_BYTES_MAX {
            self.held.push(byte);
        } else {
            self.cut = true;
        }
    }

    fn finish(&mut self, lines: &mut Lines) {
        lines.message(&self.held, self.cut);
        self.held.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(parts: &[&[u8]]) -> Lines {
        let (mut framer, mut lines) = (Framer::default(), Lines::default());
        parts.iter().for_each(|part| framer.feed(part, &mut lines));
        framer.end(&mut lines);
        lines
    }

    #[test]
    fn both_framings_of_rfc_6587_in_any_pieces() {
        let counted = b"11 <13>a b\nc\x00d\n5 <1>xy\n\n12 <13>12 stays".as_slice();
        let by_lines = b"<13>plain\r\n<13>12 stays\0\n5 <1>xy\n<13>last".as_slice();
        for (stream, expected) in [
            (counted, "<13>a b#012c#000d\n<1>xy\n<13>12 stays\n"),
            (by_lines, "<13>plain\n<13>12 stays\n5 <1>xy\n<13>last\n"),
        ] {
            let whole = framed(&[stream]);
            assert_eq!(
                (String::from_utf8(whole.bytes.clone()).unwrap().as_str(), whole.uncounted),
                (expected, 0)
            );
            for cut in 0..stream.len() {
                assert_eq!(framed(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
            }
        }
    }

    /// Of a stream by lines one line that began with a number and a space swallowed up to 95 MiB of what came after it.
    #[test]
    fn a_number_at_the_start_of_a_line_swallows_nothing() {
        let lines = framed(&[b"<13>attacker\n99999999 x\n300 y\n<13>other\n"]);
        assert_eq!(lines.bytes, b"<13>attacker\n99999999 x\n300 y\n<13>other\n");
        // Nor at the start of the stream, if it is longer than any message.
        let lines = framed(&[b"65537 x\n<13>other\n9 z\n"]);
        assert_eq!(lines.bytes, b"65537 x\n<13>other\n9 z\n");
        // What is taken for a length all the same costs one message.
        let lines = framed(&[b"10 x\n<13>other\n9 z\n"]);
        assert_eq!((lines.bytes.as_slice(), lines.uncounted), (b"x#012<13>othe\nr\n9 z\n".as_slice(), 1));
        let lines = framed(&[b"1 a9999999 x\n<13>other\n"]);
        assert_eq!((lines.bytes.as_slice(), lines.uncounted), (b"a\n9999999 x\n<13>other\n".as_slice(), 1));
    }

    #[test]
    fn what_looks_like_a_length_and_is_none_is_text() {
        assert_eq!(
            framed(&[b"2024-01-02 a\n12:30 b\n123456789 c\n17\n"]).bytes,
            b"2024-01-02 a\n12:30 b\n123456789 c\n17\n"
        );
    }

    #[test]
    fn a_long_message_is_cut_and_counted_at_its_limit() {
        let long = vec![b'x'; SYSLOG_MESSAGE_BYTES_MAX];
        let lines = framed(&[&long, b"\n"]);
        assert_eq!((lines.count, lines.cut, lines.bytes.len()), (1, 0, SYSLOG_MESSAGE_BYTES_MAX + 1));
        let lines = framed(&[&long, b"y\nnext\n"]);
        assert_eq!((lines.count, lines.cut), (2, 1));
        assert!(lines.bytes.ends_with(b"x\nnext\n"));
        let head = format!("1 a{} ", SYSLOG_MESSAGE_BYTES_MAX + 1);
        let counted = framed(&[head.as_bytes(), &long, b"y4 next"]);
        assert_eq!((counted.count, counted.cut, counted.uncounted), (3, 1, 0));
        assert!(counted.bytes.ends_with(b"x\nnext\n"));
    }

    #[test]
    fn a_datagram_is_one_message() {
        let mut lines = Lines::default();
        lines.datagram(b"<13>a\nb\n");
        lines.datagram(b"");
        lines.datagram(b"\n");
        assert_eq!((lines.bytes.as_slice(), lines.count), (b"<13>a#012b\n".as_slice(), 1));
    }
}

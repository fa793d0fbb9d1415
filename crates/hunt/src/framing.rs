// SPDX-License-Identifier: Apache-2.0
//! Syslog messages from a stream or a datagram, as lines (RFC 6587, RFC 5426).
//!
//! A stream carries each message behind its length in octets (RFC 6587 section 3.4.1) or before a line feed or NUL
//! (section 3.4.2); which of the two is told frame by frame, by a digit at its start. A message is one line
//! afterwards: line feeds and other control characters inside it are written as `#012`, three octal digits, as relays
//! do.
//!
//! ```
//! use hunt::framing::{Framer, Lines};
//!
//! let (mut framer, mut lines) = (Framer::default(), Lines::default());
//! framer.feed(b"8 <34>a\nb!<34>c", &mut lines);
//! framer.feed(b"d\n", &mut lines);
//! assert_eq!(lines.bytes, b"<34>a#012b!\n<34>cd\n");
//! ```

use crate::limits::{SYSLOG_LENGTH_DIGITS_MAX, SYSLOG_MESSAGE_BYTES_MAX};

/// Messages as lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// How many.
    pub count: u64,
    /// Messages that were longer than [`SYSLOG_MESSAGE_BYTES_MAX`]: their beginning is a line, the rest is lost.
    pub cut: u64,
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
    /// In a message that ends with a line feed or NUL.
    Delimited,
    /// In the digits of a length.
    Length,
    /// Before the first octet of a frame.
    #[default]
    Start,
}

/// Cuts one connection's stream into messages.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    state: State,
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
                self.held.push(byte)
            }
            (State::Length, b' ') => {
                let length = self.held.iter().fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
                self.held.clear();
                self.state = State::Counted(length);
            }
            (State::Counted(left), _) => {
                self.push(byte);
                self.state = State::Counted(left - 1);
                if left == 1 {
                    self.finish(lines);
                }
            }
            (State::Delimited | State::Length, b'\n' | 0) => self.finish(lines),
            // Digits that no space followed begin a message without a length.
            (State::Start | State::Length | State::Delimited, _) => {
                self.state = State::Delimited;
                self.push(byte);
            }
        }
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
        *self = Framer { held: std::mem::take(&mut self.held), ..Framer::default() };
        self.held.clear();
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
        let stream = b"11 <13>a b\nc\x00d\n<13>plain\r\n5 <1>xy\n<13>12 stays\0<13>last";
        let whole = framed(&[stream]);
        let text = String::from_utf8(whole.bytes.clone()).unwrap();
        assert_eq!(text, "<13>a b#012c#000d\n<13>plain\n<1>xy\n<13>12 stays\n<13>last\n");
        for cut in 0..stream.len() {
            assert_eq!(framed(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
        }
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
        let counted = framed(&[format!("{} ", SYSLOG_MESSAGE_BYTES_MAX + 1).as_bytes(), &long, b"ynext\n"]);
        assert_eq!((counted.count, counted.cut), (2, 1));
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

// SPDX-License-Identifier: Apache-2.0
//! Bodies of requests: counted while they come, held in the pieces in which they came.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use hyper::body::{Body as _, Bytes};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{
    CONTENT_BYTES_MAX, DRAIN_BYTES_MAX, DRAIN_SECONDS_MAX, DRAIN_STRANGER_BYTES_MAX, UPLOAD_BYTES_MAX,
    UPLOAD_GAP_SECONDS_MAX, UPLOAD_SECONDS_MAX,
};
use crate::refusal::Refusal;

/// Bytes that all clients together have on their way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// A body that has come, or as much of it as has come.
#[derive(Debug)]
pub(crate) struct Upload {
    pieces: VecDeque<Bytes>,
    counted: usize,
    budget: Budget,
}

impl Upload {
    /// Receives a body. Neither it nor all bodies together may grow beyond their limits, whatever
    /// `Content-Length` says.
    pub(crate) async fn receive(
        budget: &Budget,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<Upload, Refusal> {
        let length = headers.get(CONTENT_LENGTH).and_then(|line| line.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > CONTENT_BYTES_MAX as u64) {
            return Err(Refusal::BodyTooLarge);
        }
        let mut upload = Upload { pieces: VecDeque::new(), counted: 0, budget: budget.clone() };
        let end = Instant::now() + Duration::from_secs(UPLOAD_SECONDS_MAX);
        loop {
            let gap = Instant::now() + Duration::from_secs(UPLOAD_GAP_SECONDS_MAX);
            let piece = timeout_at(end.min(gap), piece(body)).await.map_err(|_| Refusal::BodyTooSlow)?;
            match piece {
                None => return Ok(upload),
                Some(Err(_)) => return Err(Refusal::BodyBroken),
                Some(Ok(piece)) => upload.take(piece)?,
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<(), Refusal> {
        let bytes = piece.len();
        if self.counted + bytes > CONTENT_BYTES_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        self.counted += bytes;
        let all = self.budget.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > UPLOAD_BYTES_MAX {
            return Err(Refusal::Busy);
        }
        self.pieces.push_back(piece);
        Ok(())
    }

    /// Reads the body and keeps it.
    pub(crate) fn look(&self) -> impl io::Read + '_ {
        Look { pieces: self.pieces.iter(), rest: &[] }
    }

    /// Reads the body and lets go of what was read.
    pub(crate) fn consume(&mut self) -> impl io::Read + '_ {
        Consume(self)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

struct Look<'u> {
    pieces: std::collections::vec_deque::Iter<'u, Bytes>,
    rest: &'u [u8],
}

impl io::Read for Look<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.next() {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        self.rest.read(buffer)
    }
}

struct Consume<'u>(&'u mut Upload);

impl io::Read for Consume<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.0.pieces.front_mut() {
            if piece.is_empty() {
                self.0.pieces.pop_front();
                continue;
            }
            let bytes = piece.len().min(buffer.len());
            let read = piece.split_to(bytes);
            buffer.iter_mut().zip(read.iter()).for_each(|(to, from)| *to = *from);
            return Ok(bytes);
        }
        Ok(0)
    }
}

/// Reads the rest of a body that nobody wants, within limits.
pub(crate) async fn drain(body: &mut Body, known: bool) {
    let bytes_max = if known { DRAIN_BYTES_MAX } else { DRAIN_STRANGER_BYTES_MAX };
    let all = async {
        let mut bytes = 0;
        while let Some(Ok(piece)) = piece(body).await {
            bytes += piece.len();
            if bytes > bytes_max {
                return;
            }
        }
    };
    // Whoever sends more, or more slowly, may miss the answer.
    let _ = timeout(Duration::from_secs(DRAIN_SECONDS_MAX), all).await;
}

/// The next bytes of a body; trailers are none.
async fn piece(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => return Some(Ok(bytes)),
            Ok(Err(_)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[tokio::test]
    async fn bodies_are_read_twice_and_counted_once() {
        let budget = Budget::default();
        let mut body = Body::from("0123456789");
        let mut upload = Upload::receive(&budget, &HeaderMap::new(), &mut body).await.unwrap();
        assert_eq!(budget.0.load(Ordering::Relaxed), 10);
        for _ in 0..2 {
            let mut text = String::new();
            upload.look().read_to_string(&mut text).unwrap();
            assert_eq!(text, "0123456789");
        }
        let (mut text, mut few) = (String::new(), [0; 3]);
        let mut consume = upload.consume();
        assert_eq!((consume.read(&mut few).unwrap(), &few), (3, b"012"));
        consume.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456789");
        drop(consume);
        drop(upload);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn sizes_are_limited_however_they_are_told() {
        let budget = Budget::default();
        let receive = async |bytes: usize, length: Option<usize>| {
            let mut headers = HeaderMap::new();
            headers.extend(length.map(|length| (CONTENT_LENGTH, length.into())));
            Upload::receive(&budget, &headers, &mut Body::from(vec![b' '; bytes])).await
        };
        assert!(receive(CONTENT_BYTES_MAX, None).await.is_ok());
        assert!(receive(CONTENT_BYTES_MAX, Some(CONTENT_BYTES_MAX)).await.is_ok());
        assert!(matches!(receive(1, Some(CONTENT_BYTES_MAX + 1)).await, Err(Refusal::BodyTooLarge)));
        assert!(matches!(receive(CONTENT_BYTES_MAX + 1, None).await, Err(Refusal::BodyTooLarge)));
        let held = [receive(CONTENT_BYTES_MAX, None).await, receive(CONTENT_BYTES_MAX, None).await];
        assert!(held.iter().all(Result::is_ok));
        assert!(matches!(receive(1, None).await, Err(Refusal::Busy)));
        drop(held);
        assert!(receive(1, None).await.is_ok(), "what was refused is counted no more");
    }
}

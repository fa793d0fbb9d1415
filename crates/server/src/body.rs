// SPDX-License-Identifier: Apache-2.0
//! Bodies of answers: a few large pieces, handed to the connection without being copied together.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Bytes of answers that clients have not taken yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body in pieces. What the client has not taken counts as waiting, until it is taken or the
/// connection is gone.
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: usize,
    waiting: Waiting,
}

impl Pieces {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Vec<u8>>, waiting: &Waiting) -> Pieces {
        let pieces: VecDeque<Bytes> =
            pieces.into_iter().filter(|piece| !piece.is_empty()).map(Bytes::from).collect();
        let left = pieces.iter().map(Bytes::len).sum();
        waiting.0.fetch_add(left, Ordering::Relaxed);
        Pieces { pieces, left, waiting: waiting.clone() }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        let taken = piece.as_ref().map_or(0, Bytes::len);
        self.left -= taken;
        self.waiting.0.fetch_sub(taken, Ordering::Relaxed);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.waiting.0.fetch_sub(self.left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_counts_until_it_is_dropped() {
        let waiting = Waiting::default();
        let mut body = Pieces::new([b"{".to_vec(), Vec::new(), b"}}".to_vec()], &waiting);
        assert_eq!((waiting.bytes(), body.size_hint().exact()), (3, Some(3)));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut context), Poll::Ready(Some(Ok(_)))));
        assert_eq!((waiting.bytes(), body.is_end_stream()), (2, false));
        drop(body);
        assert_eq!(waiting.bytes(), 0);
    }
}

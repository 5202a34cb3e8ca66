//! What a socket has sent of a message that is not whole: memory like that of a body, and counted
//! with them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::quota::Held;

/// Counts what comes on a socket until it is a whole message. A cheap handle.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<Mutex<Reading>>);

#[derive(Debug)]
struct Reading {
    held: Held,
    /// Since the last message was whole.
    bytes: usize,
    /// What all bodies and messages together may have.
    max: usize,
}

impl Meter {
    pub(super) fn new(held: Held, max: usize) -> Self {
        let bytes = 0;
        Self(Arc::new(Mutex::new(Reading { held, bytes, max })))
    }

    /// Takes in so many bytes more, if there is room for them.
    fn take(&self, bytes: usize) -> bool {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.bytes = reading.bytes.saturating_add(bytes);
        let (bytes, max) = (reading.bytes, reading.max);
        reading.held.set(bytes, max)
    }

    /// Nothing of the next message has come, or so little that it does not count.
    pub(super) fn is_whole(&self) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.bytes = 0;
        let max = reading.max;
        let _always = reading.held.set(0, max);
    }
}

/// A connection whose input is counted, if it is the hub's own to count.
#[derive(Debug)]
pub struct Metered<S> {
    pub(super) inner: S,
    pub(super) meter: Option<Meter>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, into))?;
        let came = into.filled().len() - before;
        let has_room = self.meter.as_ref().is_none_or(|meter| meter.take(came));
        Poll::Ready(match has_room {
            true => Ok(()),
            false => Err(io::ErrorKind::QuotaExceeded.into()),
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

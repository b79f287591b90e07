//! One HTTP/2 CONNECT stream as a byte stream, the same on both of its ends.
//!
//! | TCP                    | HTTP/2                            |
//! |------------------------|-----------------------------------|
//! | end of one direction   | END_STREAM                        |
//! | connection reset       | RST_STREAM                        |
//! | receive window         | capacity, given back once read    |

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Above this much not yet sent, a writer has to wait, whatever the peer's window would allow.
const SEND_AHEAD: usize = 64 * 1024;

/// A tunnelled connection. Dropped before both directions have ended it resets the stream.
pub struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Received but not yet read.
    unread: Bytes,
    /// Whether END_STREAM has been sent.
    ended: bool,
    /// What the owner wants to live exactly as long as the stream: its place on the connection.
    _place: Box<dyn Send + Sync>,
}

impl Stream {
    pub(crate) fn new(
        send: SendStream<Bytes>,
        receive: RecvStream,
        place: impl Send + Sync + 'static,
    ) -> Self {
        Self {
            send,
            receive,
            unread: Bytes::new(),
            ended: false,
            _place: Box::new(place),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receive.poll_data(context)) {
                Some(data) => self.unread = data.map_err(into_io)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        self.receive
            .flow_control()
            .release_capacity(length)
            .map_err(into_io)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(buffer.len().min(SEND_AHEAD));
        let capacity = loop {
            match self.send.capacity() {
                0 => match ready!(self.send.poll_capacity(context)) {
                    Some(capacity) => _ = capacity.map_err(into_io)?,
                    None => return Poll::Ready(Err(self.closed(context))),
                },
                capacity => break capacity,
            }
        };
        let length = buffer.len().min(capacity);
        self.send
            .send_data(Bytes::copy_from_slice(&buffer[..length]), false)
            .map_err(into_io)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes as fast as the peer takes it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        match self.send.send_data(Bytes::new(), true) {
            Ok(()) => self.ended = true,
            Err(_) => return Poll::Ready(Err(self.closed(context))),
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream {
    /// Why nothing can be sent any more.
    fn closed(&mut self, context: &mut Context<'_>) -> io::Error {
        match self.send.poll_reset(context) {
            Poll::Ready(Ok(reason)) => {
                io::Error::new(io::ErrorKind::ConnectionReset, h2::Error::from(reason))
            }
            Poll::Ready(Err(error)) => into_io(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

/// A reset of this stream is told apart from the end of the whole HTTP/2 connection.
fn into_io(error: h2::Error) -> io::Error {
    let kind = match error.is_reset() {
        true => io::ErrorKind::ConnectionReset,
        false => io::ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, error)
}

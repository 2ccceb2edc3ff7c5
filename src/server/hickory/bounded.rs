//! Streams of HTTP/3 with an end: h3 keeps whatever comes until a frame is whole, and frames may be as long as they like.
//!
//! h3-quinn gives a stream away to the future that waits for its next octets, and panics when it is asked meanwhile for the
//! stream's number or to stop it. A client decides when that is, so neither reaches it then.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    self, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream, StreamErrorIncoming, StreamId, WriteBuf,
};

use super::quic::REQUEST;

/// Most octets of a stream that carries no request: settings, and what is said of requests' priorities.
const CONTROL: usize = 64 << 10;

/// A connection whose streams are bounded.
pub(super) struct Bounded(h3_quinn::Connection);

/// A stream of which so many octets more are read.
pub(super) struct BoundedStream<S> {
    stream: S,
    /// Octets that may still come.
    left: usize,
    /// Whether the stream is away, with the future that waits for its octets. Whoever drops that future stops the stream.
    is_away: bool,
    id: StreamId,
}

/// What opens streams.
pub(super) struct Opener(h3_quinn::OpenStreams);

impl Bounded {
    pub(super) const fn new(connection: h3_quinn::Connection) -> Self {
        Self(connection)
    }
}

impl<S: RecvStream> BoundedStream<S> {
    fn new(stream: S, left: usize) -> Self {
        Self { id: stream.recv_id(), stream, left, is_away: false }
    }

    /// A request, with its frames and fields.
    fn request(stream: S) -> Self {
        Self::new(stream, REQUEST + (REQUEST >> 1))
    }
}

impl quic::Connection<Bytes> for Bounded {
    type RecvStream = BoundedStream<h3_quinn::RecvStream>;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.0, cx))?;
        Poll::Ready(Ok(BoundedStream::new(stream, CONTROL)))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        quic::Connection::<Bytes>::poll_accept_bidi(&mut self.0, cx).map_ok(BoundedStream::request)
    }

    fn opener(&self) -> Opener {
        Opener(quic::Connection::<Bytes>::opener(&self.0))
    }
}

/// Has streams opened by what is within.
macro_rules! open_streams {
    ($opener:ty) => {
        impl OpenStreams<Bytes> for $opener {
            type BidiStream = BoundedStream<h3_quinn::BidiStream<Bytes>>;
            type SendStream = h3_quinn::SendStream<Bytes>;

            fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
                OpenStreams::<Bytes>::poll_open_bidi(&mut self.0, cx).map_ok(BoundedStream::request)
            }

            fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
                OpenStreams::<Bytes>::poll_open_send(&mut self.0, cx)
            }

            fn close(&mut self, code: Code, reason: &[u8]) {
                OpenStreams::<Bytes>::close(&mut self.0, code, reason);
            }
        }
    };
}

open_streams!(Bounded);
open_streams!(Opener);

impl<S: RecvStream> RecvStream for BoundedStream<S> {
    type Buf = S::Buf;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<S::Buf>, StreamErrorIncoming>> {
        let polled = self.stream.poll_data(cx);
        self.is_away = polled.is_pending();
        let data = ready!(polled)?;
        let len = data.as_ref().map_or(0, Buf::remaining);
        if len > self.left {
            let error_code = Code::H3_EXCESSIVE_LOAD.value();
            self.stream.stop_sending(error_code);
            return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code }));
        }
        self.left -= len;
        Poll::Ready(Ok(data))
    }

    fn stop_sending(&mut self, error_code: u64) {
        if !self.is_away {
            self.stream.stop_sending(error_code);
        }
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

impl<S: SendStream<Bytes>> SendStream<Bytes> for BoundedStream<S> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.stream.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.stream.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.stream.send_id()
    }
}

//! Bounds on HTTP/3 streams: h3 buffers a frame until it is complete, and frames may have any length.
//!
//! h3-quinn moves a stream into the future that waits for its next octets, and panics if it is asked for the stream's number, or
//! to stop it, in the meantime. Clients control the timing, so neither call reaches it then.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    self, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream, StreamErrorIncoming, StreamId, WriteBuf,
};

use super::quic::REQUEST;

/// Maximum octets of a stream without requests, for settings and priorities.
const CONTROL: usize = 64 << 10;

/// A connection with bounded streams.
pub(super) struct Bounded(h3_quinn::Connection);

/// A stream with a bound on its octets.
pub(super) struct BoundedStream<S> {
    stream: S,
    /// Octets that may still arrive.
    left: usize,
    /// Whether the stream is in the future that waits for its octets. Dropping that future stops the stream.
    is_away: bool,
    id: StreamId,
}

/// Opens streams.
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

    /// A request stream, bounded to the size of a request with frames and fields.
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

/// Forwards the opening of streams to the inner value.
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

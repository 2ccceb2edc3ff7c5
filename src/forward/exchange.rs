//! One question to one server, by hickory-net. Nothing here has an end of its own: the caller sets the time.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::tcp::TcpClientStream;
use hickory_net::udp::UdpClientStream;
use hickory_net::xfer::DnsRequestSender;
use hickory_net::{DnsStreamHandle, NetError};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, SerialMessage};
use hickory_proto::serialize::binary::BinDecodable;

use super::ForwardQuestion;

/// The size of a response over UDP that passes nearly every path unfragmented (DNS flag day 2020, RFC 9715).
const UDP_PAYLOAD: u16 = 1232;
/// Most datagrams for one question.
const MAX_DATAGRAMS: u8 = 3;
/// hickory-net wants a time-out of its own; the caller's comes first.
const NO_TIMEOUT: Duration = Duration::from_secs(3600);

/// A request with a random ID, to be sent again over UDP after each `retransmit`.
pub(super) fn request(question: &ForwardQuestion, retransmit: Duration) -> Result<DnsRequest, NetError> {
    let qname = BinDecodable::from_bytes(question.qname.as_wire())?;
    let mut options = DnsRequestOptions::default();
    options.use_edns = true;
    options.edns_payload_len = UDP_PAYLOAD;
    options.recursion_desired = true;
    options.retry_interval = retransmit;
    Ok(DnsRequest::from_query(Query::query(qname, question.qtype), options))
}

/// Asks over UDP, from a random port for each datagram. Does not take what has another source, ID or question for the
/// response (RFC 5452 §9).
pub(super) async fn over_udp(target: SocketAddr, request: DnsRequest) -> Result<DnsResponse, NetError> {
    let mut stream = UdpClientStream::builder(target, TokioRuntimeProvider::new())
        .with_timeout(Some(NO_TIMEOUT))
        .with_max_retries(MAX_DATAGRAMS)
        .with_retry_interval_floor(0)
        .build();
    stream.send_message(request).next().await.unwrap_or(Err(NetError::NoConnections))
}

/// Asks over a connection of its own: truncated responses are too rare to keep connections for.
pub(super) async fn over_tcp(target: SocketAddr, request: DnsRequest) -> Result<DnsResponse, NetError> {
    let (connecting, mut outbound) = TcpClientStream::new(target, None, Some(NO_TIMEOUT), TokioRuntimeProvider::new());
    let mut stream = connecting.await?;
    outbound.send(SerialMessage::new(request.to_vec()?, target))?;
    let message = stream.next().await.unwrap_or(Err(NetError::NoConnections))?;
    let response = DnsResponse::from_buffer(message.into_parts().0)?;
    if response.id != request.id || response.queries != request.queries {
        return Err(NetError::Message("the response over TCP is not for the question"));
    }
    if response.truncation {
        return Err(NetError::Message("the response over TCP is truncated"));
    }
    Ok(response)
}

//! A server on loopback that behaves as a test tells it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::sleep;

use super::answer;

/// What carried a query to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Udp,
    Tcp,
}

/// A server that answers queries by a script: none, one or several messages for each, after a pause.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    udp_queries: Arc<AtomicUsize>,
    tcp_queries: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start(script: impl Fn(By, usize, Message) -> Vec<Message> + Send + Sync + 'static) -> Self {
        Self::slow(Duration::ZERO, script).await
    }

    /// The script gets how many queries came before by the same way.
    pub(super) async fn slow(
        pause: Duration,
        script: impl Fn(By, usize, Message) -> Vec<Message> + Send + Sync + 'static,
    ) -> Self {
        let (listener, socket) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
                break (listener, Arc::new(socket));
            }
        };
        let server =
            Self { address: listener.local_addr().unwrap(), udp_queries: Arc::default(), tcp_queries: Arc::default() };
        let script = Arc::new(script);
        let (for_tcp, count) = (script.clone(), server.tcp_queries.clone());
        tokio::spawn(async move {
            let mut silent = vec![];
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let len = stream.read_u16().await.unwrap();
                let mut query = vec![0; len.into()];
                stream.read_exact(&mut query).await.unwrap();
                let query = Message::from_vec(&query).unwrap();
                let responses = for_tcp(By::Tcp, count.fetch_add(1, Ordering::Relaxed), query);
                for response in &responses {
                    let octets = response.to_vec().unwrap();
                    stream.write_u16(octets.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&octets).await.unwrap();
                }
                if responses.is_empty() {
                    silent.push(stream);
                }
            }
        });
        let count = server.udp_queries.clone();
        tokio::spawn(async move {
            let mut octets = [0; 4096];
            loop {
                let (len, client) = socket.recv_from(&mut octets).await.unwrap();
                let query = Message::from_vec(&octets[..len]).unwrap();
                let (script, socket) = (script.clone(), socket.clone());
                let before = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    sleep(pause).await;
                    for response in script(By::Udp, before, query) {
                        socket.send_to(&response.to_vec().unwrap(), client).await.unwrap();
                    }
                });
            }
        });
        server
    }

    /// A server that takes queries and says nothing.
    pub(super) async fn silent() -> Self {
        Self::start(|_, _, _| vec![]).await
    }

    /// A server with one answer for every query.
    pub(super) async fn with_answer(records: Vec<Record>) -> Self {
        Self::start(move |_, _, query| vec![answer(&query, records.clone())]).await
    }

    pub(super) fn queries(&self) -> (usize, usize) {
        (self.udp_queries.load(Ordering::Relaxed), self.tcp_queries.load(Ordering::Relaxed))
    }
}

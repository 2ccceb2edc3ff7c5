//! A server on loopback that behaves as a test tells it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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

/// A query as it came over UDP.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) id: u16,
    /// The name as it was spelled.
    pub(super) qname: String,
}

/// A server that answers queries by a script: none, one or several messages for each, after a pause.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    udp_queries: Arc<AtomicUsize>,
    tcp_queries: Arc<AtomicUsize>,
    datagrams: Arc<Mutex<Vec<Datagram>>>,
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
        let in_octets = move |by, before, query| {
            script(by, before, query).iter().map(|response| response.to_vec().unwrap()).collect()
        };
        Self::run(pause, true, in_octets).await
    }

    /// A server whose script makes octets.
    pub(super) async fn raw(script: impl Fn(By, usize, Message) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::run(Duration::ZERO, true, script).await
    }

    /// A server that takes no connections.
    pub(super) async fn without_tcp(script: impl Fn(usize, Message) -> Vec<Message> + Send + Sync + 'static) -> Self {
        let in_octets =
            move |_, before, query| script(before, query).iter().map(|response| response.to_vec().unwrap()).collect();
        Self::run(Duration::ZERO, false, in_octets).await
    }

    async fn run(
        pause: Duration,
        has_tcp: bool,
        script: impl Fn(By, usize, Message) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let (listener, socket) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
                break (listener, Arc::new(socket));
            }
        };
        let server = Self {
            address: listener.local_addr().unwrap(),
            udp_queries: Arc::default(),
            tcp_queries: Arc::default(),
            datagrams: Arc::default(),
        };
        let script = Arc::new(script);
        if has_tcp {
            let (script, count) = (script.clone(), server.tcp_queries.clone());
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let (script, count) = (script.clone(), count.clone());
                    tokio::spawn(async move {
                        let len = stream.read_u16().await?;
                        let mut query = vec![0; len.into()];
                        stream.read_exact(&mut query).await?;
                        let query = Message::from_vec(&query).unwrap();
                        let responses = script(By::Tcp, count.fetch_add(1, Ordering::Relaxed), query);
                        for octets in &responses {
                            stream.write_u16(octets.len().try_into().unwrap()).await?;
                            stream.write_all(octets).await?;
                        }
                        if responses.is_empty() {
                            // The connection stays, silent.
                            std::future::pending::<()>().await;
                        }
                        io::Result::Ok(())
                    });
                }
            });
        }
        let (count, datagrams) = (server.udp_queries.clone(), server.datagrams.clone());
        tokio::spawn(async move {
            let mut octets = [0; 4096];
            loop {
                let (len, from) = socket.recv_from(&mut octets).await.unwrap();
                let query = Message::from_vec(&octets[..len]).unwrap();
                let qname = query.queries[0].name().to_ascii();
                datagrams.lock().unwrap().push(Datagram { from, id: query.id, qname });
                let (script, socket) = (script.clone(), socket.clone());
                let before = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    sleep(pause).await;
                    for octets in script(By::Udp, before, query) {
                        // Who asked may have gone away.
                        let _ = socket.send_to(&octets, from).await;
                    }
                });
            }
        });
        server
    }

    /// The queries that came over UDP, in their order.
    pub(super) fn datagrams(&self) -> Vec<Datagram> {
        self.datagrams.lock().unwrap().clone()
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

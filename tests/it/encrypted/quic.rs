//! What QUIC and HTTP/3 say beside answers.

use bytes::{Buf, Bytes};
use data_encoding::BASE64URL_NOPAD;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use http::{Method, Request};
use quinn::{ConnectionError, VarInt};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{HOST, Lab, NAME, address, ask, host, open};
use crate::encrypted_client::{Connection, Way, quic};
use crate::support::{PATIENCE, query, show};

fn message(id: u16) -> Vec<u8> {
    let mut query = query(HOST, RecordType::A);
    query.metadata.id = id;
    query.to_vec().unwrap()
}

/// DOQ_PROTOCOL_ERROR is 2, DOQ_EXCESSIVE_LOAD 4 (RFC 9250 §4.3, §8.4).
#[test]
fn a_connection_that_is_misused_ends_with_a_code_that_says_why() {
    let lab = Lab::new();
    let server = lab.serve("", "");
    let framed = |message: &[u8]| [&(message.len() as u16).to_be_bytes(), message].concat();
    // RFC 9250 §4.2.1: the ID is 0. §4.3.3: a message is whole.
    let misuses = [(framed(&message(7)), 2), (framed(&message(0))[..20].to_vec(), 2), (vec![0xff; 20_000], 4)];
    Runtime::new().unwrap().block_on(async {
        for (octets, code) in misuses {
            let from = "127.1.0.4".parse().unwrap();
            let (connection, _endpoint) =
                quic(Way::Quic, address(&server, Way::Quic), from, &lab.trust()).await.unwrap();
            let (mut send, _receive) = connection.open_bi().await.unwrap();
            // The server may have had enough before all is sent.
            let _ = send.write_all(&octets).await;
            let _ = send.finish();
            match timeout(PATIENCE, connection.closed()).await.unwrap() {
                ConnectionError::ApplicationClosed(closed) => assert_eq!(closed.error_code, VarInt::from_u32(code)),
                other => panic!("{other}"),
            }
        }
    });
}

#[test]
fn a_connection_carries_as_many_requests_as_its_client_has() {
    let lab = Lab::new();
    let server = lab.serve("", "");
    Runtime::new().unwrap().block_on(async {
        for way in [Way::Http3, Way::Quic] {
            let mut connection = open(&server, way, "127.1.0.4", &lab.trust()).await;
            for _ in 0..250 {
                assert_eq!(show(&ask(&mut connection, way).await), host(1), "{way:?}");
            }
        }
    });
}

/// A wildcard address does not tell which network is asked; the one that a datagram was sent to does.
#[test]
fn an_inbound_endpoint_is_told_by_its_address_over_quic() {
    let lab = Lab::new();
    let endpoints = super::config("", "").replace("127.0.0.1:0", "0.0.0.0:0");
    let endpoint = "[[virtual_network]]\nname = \"one\"\ninbound_endpoints = [\"127.0.0.77\"]\naddress_space = [\"127.0.0.0/24\"]\n";
    let config = endpoints.replace("[[virtual_network]]\nname = \"one\"\n", endpoint);
    let files = lab.files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = crate::support::Server::configured_with(&config, &files);
    Runtime::new().unwrap().block_on(async {
        for way in [Way::Tls, Way::Https, Way::Http3, Way::Quic] {
            for (at, expected) in [([127, 0, 0, 77], 1), ([127, 0, 0, 1], 2)] {
                let server = (at, address(&server, way).port()).into();
                let from = "127.2.0.4".parse().unwrap();
                let mut connection = Connection::open(way, server, from, &lab.trust()).await.unwrap();
                assert_eq!(show(&ask(&mut connection, way).await), host(expected), "{way:?} at {at:?}");
            }
        }
    });
}

/// RFC 8484 §4.1, RFC 9110 §15.5.
#[test]
fn http3_takes_post_and_get_and_says_what_is_wrong_with_others() {
    let lab = Lab::new();
    let server = lab.serve("", "");
    let authority = format!("https://{NAME}:{}", address(&server, Way::Http3).port());
    let get = format!("/dns-query?other=1&dns={}", BASE64URL_NOPAD.encode(&message(0)));
    let media_type = "application/dns-message";
    let cases = [
        (Method::POST, "/dns-query", media_type, message(0), 200),
        (Method::POST, "/dns-query", "Application/DNS-Message", message(0), 200),
        (Method::GET, &get, "", vec![], 200),
        (Method::GET, "/dns-query?dns=AAA*", "", vec![], 400),
        (Method::GET, "/dns-query", "", vec![], 400),
        (Method::POST, "/other", media_type, message(0), 404),
        (Method::PUT, "/dns-query", media_type, message(0), 405),
        (Method::POST, "/dns-query", "text/plain", message(0), 415),
        (Method::POST, "/dns-query", media_type, vec![0; 20_000], 413),
    ];
    Runtime::new().unwrap().block_on(async {
        for (method, path, media_type, body, status) in cases {
            let opened = open(&server, Way::Http3, "127.1.0.4", &lab.trust()).await;
            let Connection::Http3(mut sender, ..) = opened else { panic!("not over HTTP/3") };
            let request = Request::builder().method(&method).uri(format!("{authority}{path}"));
            let request = request.header("content-type", media_type).body(()).unwrap();
            let mut stream = sender.send_request(request).await.unwrap();
            // A body may be more than is read.
            let _ = stream.send_data(Bytes::from(body)).await;
            let _ = stream.finish().await;
            let response = timeout(PATIENCE, stream.recv_response()).await.unwrap().unwrap();
            assert_eq!(response.status().as_u16(), status, "{method} {path} {media_type}");
            let mut received = Vec::new();
            while let Some(mut data) = timeout(PATIENCE, stream.recv_data()).await.unwrap().unwrap() {
                received.extend_from_slice(&data.copy_to_bytes(data.remaining()));
            }
            if status == 200 {
                assert_eq!(response.headers()["content-type"], "application/dns-message");
                assert_eq!(show(&Message::from_vec(&received).unwrap()), host(1));
            } else {
                assert!(received.is_empty());
            }
        }
    });
}

/// A library keeps what it reads until a frame is whole. H3_EXCESSIVE_LOAD is 0x107 (RFC 9114 §8.1).
#[test]
fn a_frame_of_http3_is_not_read_without_an_end() {
    const MOST: usize = 1 << 20;
    let lab = Lab::new();
    let server = lab.serve("", "");
    Runtime::new().unwrap().block_on(async {
        let from = "127.1.0.4".parse().unwrap();
        let (connection, _endpoint) = quic(Way::Http3, address(&server, Way::Http3), from, &lab.trust()).await.unwrap();
        // The control stream, with settings that say nothing; then fields of a gigabyte (RFC 9114 §7.2.2, §7.2.4).
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(&[0, 4, 0]).await.unwrap();
        let (mut request, _receive) = connection.open_bi().await.unwrap();
        request.write_all(b"\x01\xc0\0\0\0\x40\0\0\0").await.unwrap();
        let mut written = 0;
        let error = loop {
            match timeout(PATIENCE, request.write_all(&[0; 1024])).await.unwrap() {
                Ok(()) => written += 1024,
                Err(error) => break error,
            }
            assert!(written < MOST, "it is read without an end");
        };
        assert_eq!(error, quinn::WriteError::Stopped(VarInt::from_u32(0x107)));
    });
}

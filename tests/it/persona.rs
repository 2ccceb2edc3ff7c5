//! The azure-resolver persona: what 168.63.129.16 would send, beside a listener that stays authoritative.

use std::io::Write;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::RecordType;

use crate::support::{PATIENCE, Server, check, plain_query, query, receive, send, show_with_flags};
use crate::topology::{account_with_endpoint, network, zone};

const PRIVATELINK: &str = "privatelink.blob.core.windows.net";
const SOA: &str = "authority: privatelink.blob.core.windows.net. 10 IN SOA azureprivatedns.net. \
                   azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";

/// Two listeners over one world: an authoritative one, and an azure-resolver with these keys.
fn server(more: &str) -> Server {
    Server::configured(&format!(
        "limits = \"off\"\n[server]\nudp_workers = 1\nlisten = [\"127.0.0.1:0\", {{ address = \"127.0.0.1:0\", persona = \
         \"azure-resolver\"{more} }}]\n{}{}{}{}{}",
        network("v", 1, ""),
        account_with_endpoint("acct", "v", "10.1.0.7", &[PRIVATELINK]),
        zone(PRIVATELINK, &["v"], &[("blocked", "10.1.0.9")]),
        // 1222 and 1227 octets: 16 for each address, and header, question and OPT record.
        fits("fits", 74) + &fits("over-size", 74),
        "[[dns_security_policy]]\nname = \"p\"\nvirtual_network_links = [{ virtual_network = \"v\" }]\n\
         [[dns_security_policy.dns_security_rule]]\npriority = 100\naction = \"Block\"\n\
         domains = [\"blocked.privatelink.blob.core.windows.net\"]\n"
    ))
}

/// A zone `NAME.test` with so many addresses at its apex.
fn fits(name: &str, count: u8) -> String {
    let addresses: Vec<_> = (0..count).map(|n| format!("\"10.0.0.{n}\"")).collect();
    zone(&format!("{name}.test"), &["v"], &[])
        + &format!(
            "[[private_dns_zone.record_set]]\nname = \"@\"\ntype = \"A\"\nttl = 86400\nrecords = [{}]\n",
            addresses.join(", ")
        )
}

/// The same server, asked at its azure-resolver.
fn as_resolver(server: &mut Server) {
    server.address = server.addresses[1];
}

#[test]
fn flags_are_those_of_azure_and_the_records_are_the_same() {
    let mut server = server("");
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let private = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.7";
    let missing = "no.privatelink.blob.core.windows.net";
    for (is_resolver, flags) in [(false, "qr aa rd"), (true, "qr rd ra")] {
        if is_resolver {
            as_resolver(&mut server);
        }
        let first = |rcode: &str| format!("{rcode} {flags}");
        let account = "acct.blob.core.windows.net";
        check(&server, "127.1.0.1", account, RecordType::A, &[&first("NoError"), alias, private]);
        check(&server, "127.1.0.1", account, RecordType::AAAA, &[&first("NoError"), alias, SOA]);
        check(&server, "127.1.0.1", missing, RecordType::A, &[&first("NXDomain"), SOA]);
        let refused = if is_resolver { "Refused qr rd ra" } else { "Refused qr rd" };
        check(&server, "127.1.0.1", "www.example", RecordType::A, &[refused]);
        check(&server, "127.9.0.1", "www.example", RecordType::A, &[refused]);
        let ra = if is_resolver { " ra" } else { "" };
        let blocked = [
            &format!("NoError qr rd{ra}"),
            "answer: blocked.privatelink.blob.core.windows.net. 1006632960 IN CNAME blockpolicy.azuredns.invalid.",
            "authority: blockpolicy.azuredns.invalid. 60 IN SOA ns1.azure-dns.com. support.azure.com. 1000 3600 600 \
             1800 60",
        ];
        check(&server, "127.1.0.1", "blocked.privatelink.blob.core.windows.net", RecordType::A, &blocked);
        let mut two_questions = query("contoso.internal", RecordType::A);
        two_questions.add_query(two_questions.queries[0].clone());
        let mut update = plain_query("contoso.internal", RecordType::SOA);
        update.metadata.op_code = OpCode::Update;
        let mut authenticated = query(missing, RecordType::A);
        authenticated.metadata.authentic_data = true;
        for (message, rcode) in [(two_questions, "FormErr"), (update, "NotImp"), (authenticated, "NXDomain")] {
            let over_udp = server.exchange("127.1.0.1", &message.to_vec().unwrap());
            let mut stream = server.tcp_stream("127.1.0.1");
            send(&mut stream, &message.to_vec().unwrap());
            for octets in [over_udp, receive(&mut stream).unwrap()] {
                let flags = show_with_flags(&Message::from_vec(&octets).unwrap())[0].clone();
                let ad = if rcode == "NXDomain" && !is_resolver { " aa" } else { "" };
                assert_eq!(flags, format!("{rcode} qr{ad} rd{ra}"));
            }
        }
    }
}

#[test]
fn the_edns_size_is_advertised_and_kept_to() {
    let mut server = server("");
    for (size, over) in [(1232, false), (1224, true)] {
        if over {
            as_resolver(&mut server);
        }
        for (name, is_cut) in [("fits.test", false), ("over-size.test", over)] {
            let mut message = query(name, RecordType::A);
            message.edns.as_mut().unwrap().set_max_payload(4096);
            let response = server.exchange("127.1.0.1", &message.to_vec().unwrap());
            let decoded = Message::from_vec(&response).unwrap();
            assert_eq!(decoded.metadata.truncation, is_cut, "{name} in {} octets", response.len());
            assert_eq!(decoded.answers.is_empty(), is_cut);
            assert_eq!(decoded.edns.unwrap().max_payload(), size);
            assert!(response.len() <= usize::from(size));
            let over_tcp = server.ask_tcp("127.1.0.1", name, RecordType::A);
            assert!(!over_tcp.metadata.truncation && over_tcp.answers.len() == 74);
            assert_eq!(over_tcp.edns.unwrap().max_payload(), size);
        }
        // Who says nothing of a size gets 512 octets, and no OPT record.
        let response = server.exchange("127.1.0.1", &plain_query("fits.test", RecordType::A).to_vec().unwrap());
        let decoded = Message::from_vec(&response).unwrap();
        assert!(decoded.metadata.truncation && decoded.edns.is_none() && response.len() <= 512);
    }
}

#[test]
fn a_cookie_comes_back_as_it_came() {
    let mut server = server("");
    for is_resolver in [false, true] {
        if is_resolver {
            as_resolver(&mut server);
        }
        let mut request = plain_query("fits.test", RecordType::TXT).to_vec().unwrap();
        request[11] = 1;
        request.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x0812345678");
        let response = server.exchange("127.1.0.1", &request);
        assert_eq!(response.ends_with(b"\0\x0c\0\x0a\0\x0812345678"), is_resolver, "{response:?}");
    }
}

#[test]
fn a_ttl_cap_lowers_what_is_above_it_on_its_listener_alone() {
    let mut server = server(", ttl_cap = 1800");
    let ttls = |server: &Server, name: &str, qtype| -> Vec<u32> {
        let message = server.ask("127.1.0.1", name, qtype);
        let ttls: Vec<_> = message.answers.iter().chain(&message.authorities).map(|record| record.ttl).collect();
        let over_tcp = server.ask_tcp("127.1.0.1", name, qtype);
        assert!(over_tcp.answers.iter().chain(&over_tcp.authorities).map(|record| record.ttl).eq(ttls.iter().copied()));
        ttls
    };
    let blocked = "blocked.privatelink.blob.core.windows.net";
    let account = "acct.blob.core.windows.net";
    assert_eq!(ttls(&server, PRIVATELINK, RecordType::SOA), [3600]);
    assert_eq!(ttls(&server, blocked, RecordType::A), [1_006_632_960, 60]);
    as_resolver(&mut server);
    assert_eq!(ttls(&server, PRIVATELINK, RecordType::SOA), [1800]);
    assert_eq!(ttls(&server, account, RecordType::A), [60, 10]);
    assert_eq!(ttls(&server, account, RecordType::AAAA), [60, 10]);
    assert_eq!(ttls(&server, blocked, RecordType::A), [1800, 60]);
}

/// Asserts that of many queries a second's worth is answered at once, 20, and what has come due since `start`.
#[track_caller]
fn assert_limited(answered: usize, start: Instant) {
    let due = (start.elapsed().as_secs_f64() * 20.0).ceil() as usize;
    assert!((20..=20 + due).contains(&answered), "{answered} answers, {due} came due");
}

/// How many of so many queries at once get an answer.
fn answered(server: &Server, from: &str, queries: usize) -> usize {
    let socket = server.udp_socket(from);
    let request = query("acct.blob.core.windows.net", RecordType::A).to_vec().unwrap();
    for _ in 0..queries {
        socket.send(&request).unwrap();
    }
    // Another client's answer is of the same batch or a later one, its second of a later one: the server has one worker.
    for _ in 0..2 {
        server.exchange("127.1.0.9", &request);
    }
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    std::iter::from_fn(|| socket.recv(&mut [0; 1232]).ok()).count()
}

#[test]
fn what_one_client_asks_too_often_is_dropped_and_others_do_not_notice() {
    let mut server = server(", queries_per_second = 20");
    assert_eq!(answered(&server, "127.1.0.1", 100), 100, "the authoritative listener has no bound");
    as_resolver(&mut server);
    let start = Instant::now();
    assert_limited(answered(&server, "127.1.0.1", 100), start);
    assert_eq!(answered(&server, "127.1.0.2", 20), 20);
    // Over TCP they count, too: a query too many gets no answer, and the connection stays.
    let mut stream = server.tcp_stream("127.1.0.3");
    let request = query("acct.blob.core.windows.net", RecordType::A).to_vec().unwrap();
    let start = Instant::now();
    let framed = [&(request.len() as u16).to_be_bytes()[..], &request].concat();
    stream.write_all(&framed.repeat(100)).unwrap();
    // Until one is answered that comes behind them: a second later one is due again.
    let mut last = request;
    last[0] ^= 0x80;
    let (mut over_tcp, mut is_last) = (0, false);
    while !is_last {
        assert!(start.elapsed() < PATIENCE, "the client is not heard again");
        std::thread::sleep(Duration::from_secs(1));
        send(&mut stream, &last);
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        while !is_last && let Some(response) = receive(&mut stream) {
            is_last = response[..2] == last[..2];
            over_tcp += usize::from(!is_last);
        }
    }
    assert_limited(over_tcp, start);
    assert!(answered(&server, "127.1.0.1", 1) == 1, "the client is heard again");
}

#[test]
fn queries_that_wait_are_bounded_for_each_client() {
    let dead = crate::topology::Target::silent();
    let server = Server::configured(&format!(
        "[server]\nlisten = [{{ address = \"127.0.0.1:0\", persona = \"azure-resolver\", pending_queries = 5 }}]\n{}{}",
        network("v", 1, ""),
        crate::topology::ruleset("r", &["v"], &[("test", &[&dead.text()])]),
    ));
    let (one, other) = (server.udp_socket("127.1.0.1"), server.udp_socket("127.1.0.2"));
    for n in 0..50 {
        one.send(&query(&format!("n{n}.test"), RecordType::A).to_vec().unwrap()).unwrap();
    }
    other.send(&query("other.test", RecordType::A).to_vec().unwrap()).unwrap();
    for (socket, expected) in [(&one, 5), (&other, 1)] {
        (0..expected).for_each(|_| assert!(socket.recv(&mut [0; 1232]).is_ok()));
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(socket.recv(&mut [0; 1232]).is_err(), "more than {expected} are answered");
    }
}

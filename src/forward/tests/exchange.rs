//! What goes over the wire to a target, and what is taken for its response.

use super::*;

/// A name with enough letters that nobody expects two random spellings of it to be equal.
const LONG: &str = "the-quick-brown-fox.jumps-over-the-lazy-dog.example";

/// An A record for the name of a query.
fn found(query: &Message, last: u8) -> Message {
    answer(query, vec![a(&query.queries[0].name().to_ascii(), 60, last)])
}

/// A response whose question is in lower case.
fn in_lower_case(query: &Message) -> Message {
    let mut message = found(query, 1);
    message.queries[0].name = query.queries[0].name().to_lowercase();
    message
}

#[tokio::test]
async fn each_datagram_has_an_id_a_port_and_a_spelling_of_its_own() {
    let silent = Server::silent().await;
    let question = question(&[&silent], LONG, RecordType::A);
    assert_eq!(upstreams().ask(&question).await, Err(ForwardError::NoResponse));
    let mut datagrams = silent.datagrams();
    // Another question has more of them.
    assert_eq!(upstreams().ask(&question).await, Err(ForwardError::NoResponse));
    datagrams.extend(silent.datagrams().split_off(datagrams.len()));
    assert!(datagrams.len() >= 4, "{datagrams:?}");
    let count = |mut values: Vec<String>| {
        values.sort();
        values.dedup();
        values.len()
    };
    let each = |value: fn(&server::Datagram) -> String| datagrams.iter().map(value).collect::<Vec<_>>();
    // One ID in 65536 is the same by chance, a port once it is free again.
    assert!(count(each(|datagram| datagram.id.to_string())) >= datagrams.len() - 1, "{datagrams:?}");
    assert!(count(each(|datagram| datagram.from.port().to_string())) >= datagrams.len() - 1, "{datagrams:?}");
    assert_eq!(count(each(|datagram| datagram.qname.clone())), datagrams.len(), "{datagrams:?}");
    for datagram in &datagrams {
        assert_eq!(datagram.qname.to_ascii_lowercase(), format!("{LONG}."));
        let upper = datagram.qname.bytes().filter(u8::is_ascii_uppercase).count();
        assert!((5..40).contains(&upper), "{datagram:?}");
    }
}

#[tokio::test]
async fn a_late_response_to_the_first_datagram_is_taken() {
    // After the second datagram, before the third.
    let server = Server::slow(Duration::from_millis(450), |_, _, query| vec![found(&query, 1)]).await;
    let reply = upstreams().ask(&question(&[&server], "www", RecordType::A)).await;
    check(reply, &[NO_ERROR, "www. 60 A 192.0.2.1"]);
    assert!(server.queries().0 >= 2, "{:?}", server.queries());
}

#[tokio::test]
async fn a_target_that_changes_the_case_is_asked_over_tcp_once_and_in_lower_case_from_then_on() {
    let server = Server::start(|_, _, query| vec![in_lower_case(&query)]).await;
    let upstreams = upstreams();
    let ask = async |name: &str| {
        let reply = upstreams.ask(&question(&[&server], name, RecordType::A)).await;
        check(reply, &[NO_ERROR, &format!("{name}. 60 A 192.0.2.1")]);
        (server.queries(), server.datagrams().pop().unwrap().qname)
    };
    assert_eq!(ask("first.Name.in.many.letters").await.0, (1, 1));
    assert_eq!(ask("second.Name.in.many.letters").await, ((2, 1), "second.name.in.many.letters.".to_owned()));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::time::resume();
    let (queries, spelled) = ask("third.Name.in.many.letters").await;
    assert_eq!(queries, (3, 2));
    assert_ne!(spelled, spelled.to_ascii_lowercase());
}

#[tokio::test]
async fn one_changed_case_is_no_habit_where_the_target_keeps_it_over_tcp() {
    // The first is from someone who has guessed all but the case.
    let server = Server::start(|by, before, query| {
        let forged = by == By::Udp && before == 0;
        vec![if forged { answer(&in_lower_case(&query), vec![a(LONG, 60, 66)]) } else { found(&query, 1) }]
    })
    .await;
    let upstreams = upstreams();
    for (name, queries) in [(LONG, (1, 1)), ("another.name.in.many.letters", (2, 1))] {
        let reply = upstreams.ask(&question(&[&server], name, RecordType::A)).await;
        check(reply, &[NO_ERROR, &format!("{name}. 60 A 192.0.2.1")]);
        assert_eq!(server.queries(), queries);
        let spelled = server.datagrams().pop().unwrap().qname;
        assert_ne!(spelled, spelled.to_ascii_lowercase());
    }
}

#[tokio::test]
async fn a_target_that_changes_the_case_and_takes_no_connections_is_asked_in_lower_case() {
    let server = Server::without_tcp(|_, query| vec![in_lower_case(&query)]).await;
    let upstreams = upstreams();
    let mut queries = Vec::new();
    for n in 0..5 {
        let name = format!("name-{n}.in.many.letters");
        let reply = upstreams.ask(&question(&[&server], &name, RecordType::A)).await;
        check(reply, &[NO_ERROR, &format!("{name}. 60 A 192.0.2.1")]);
        queries.push(server.queries().0);
    }
    // At the third it is known.
    assert_eq!(queries, [2, 4, 6, 7, 8]);
}

#[tokio::test]
async fn the_spelling_of_a_query_stays_between_us_and_the_target() {
    let server = Server::start(|_, _, query| {
        let qname = query.queries[0].name().clone();
        let first = String::from_utf8(qname.iter().next().unwrap().to_vec()).unwrap();
        let zone = qname.base_name();
        // What a server makes of the question's letters: owners, an alias from a DNAME record, the apex of a zone.
        vec![match query.queries[0].query_type() {
            RecordType::A => {
                let target = format!("{first}.other.");
                let alias = Record::from_rdata(qname, 0, RData::CNAME(CNAME(hickory_name(&target))));
                let dname = dname(&zone.to_ascii(), 60, "other.");
                answer(&query, vec![dname, alias, a(&target, 60, 1)])
            }
            _ => negative(&query, ResponseCode::NXDomain, vec![soa(&zone.to_ascii(), 60, 60)]),
        }]
    })
    .await;
    let upstreams = upstreams();
    for qname in ["the-quick-brown-fox.jumps-over-the-lazy-dog", "THE-QUICK-BROWN-FOX.Jumps-Over-The-Lazy-Dog"] {
        let alias = format!("{qname}. 0 CNAME the-quick-brown-fox.other.");
        let expected =
            [NO_ERROR, "jumps-over-the-lazy-dog. 60 DNAME other.", &alias, "the-quick-brown-fox.other. 60 A 192.0.2.1"];
        check(upstreams.ask(&question(&[&server], qname, RecordType::A)).await, &expected);
        let nothing = upstreams.ask(&question(&[&server], qname, RecordType::AAAA)).await;
        check(nothing, &[NX_DOMAIN, "---", "jumps-over-the-lazy-dog. 60 SOA 60"]);
    }
}

#[tokio::test]
async fn a_datagram_that_is_longer_than_we_said_or_is_cut_is_asked_for_over_tcp() {
    for len in [1233, 1500, 4000, 40] {
        let server = Server::raw(move |by, _, query| {
            let mut octets = found(&query, if by == By::Udp { 66 } else { 1 }).to_vec().unwrap();
            if by == By::Udp {
                // As one record more, of an unknown type in the additional section, or in the midst of a record.
                let rdata = usize::saturating_sub(len, octets.len() + 11);
                if rdata > 0 {
                    octets[11] += 1;
                    octets.extend([b"\0\xff\x01\0\x01\0\0\0\0", &(rdata as u16).to_be_bytes()[..]].concat());
                }
                octets.resize(len, 0);
            }
            vec![octets]
        })
        .await;
        let reply = upstreams().ask(&question(&[&server], "www.example", RecordType::A)).await;
        check(reply, &[NO_ERROR, "www.example. 60 A 192.0.2.1"]);
        assert_eq!(server.queries(), (1, 1), "{len} octets");
    }
}

#[tokio::test]
async fn a_datagram_of_exactly_the_size_that_we_said_is_taken() {
    let server = Server::raw(|_, _, query| {
        let mut octets = found(&query, 1).to_vec().unwrap();
        let rdata = 1232 - octets.len() - 11;
        octets[11] += 1;
        octets.extend([b"\0\xff\x01\0\x01\0\0\0\0", &(rdata as u16).to_be_bytes()[..]].concat());
        octets.resize(1232, 0);
        vec![octets]
    })
    .await;
    let reply = upstreams().ask(&question(&[&server], "www.example", RecordType::A)).await;
    check(reply, &[NO_ERROR, "www.example. 60 A 192.0.2.1"]);
    assert_eq!(server.queries(), (1, 0));
}

#[tokio::test]
async fn many_guesses_at_a_response_have_it_asked_for_over_tcp() {
    let server = Server::start(|by, _, query| match by {
        By::Udp => {
            let guess = |n| {
                let mut message = found(&query, 66);
                message.metadata.id = query.id.wrapping_add(n);
                message
            };
            (1..100).map(guess).collect()
        }
        By::Tcp => vec![found(&query, 1)],
    })
    .await;
    let reply = upstreams().ask(&question(&[&server], "www", RecordType::A)).await;
    check(reply, &[NO_ERROR, "www. 60 A 192.0.2.1"]);
    assert_eq!(server.queries(), (1, 1));
}

#[tokio::test]
async fn a_target_that_is_not_there_is_passed_over_at_once() {
    // A port that nobody has (tcpmux, RFC 1078), and that the system gives to none that asks for any.
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let second = Server::start(|_, _, query| vec![found(&query, 2)]).await;
    let upstreams = limited(ForwardLimits { attempt_timeout: Duration::from_secs(60), ..ForwardLimits::default() });
    let targets = Targets::from([gone, second.address].as_slice());
    let question = ForwardQuestion { targets, qname: "www".parse().unwrap(), qtype: RecordType::A };
    check(upstreams.ask(&question).await, &[NO_ERROR, "www. 60 A 192.0.2.2"]);
    // The last one may come back while there is time.
    let alone = ForwardQuestion { targets: Targets::from([gone].as_slice()), ..question };
    let started = Instant::now();
    let upstreams = self::upstreams();
    assert_eq!(upstreams.ask(&alone).await, Err(ForwardError::Network));
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());
}

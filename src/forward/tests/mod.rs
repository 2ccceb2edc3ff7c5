//! Forwarding, against small servers on loopback that misbehave as told.

mod exchange;
mod in_flight;
mod server;

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, NULL, SOA};
use hickory_proto::rr::{DNSClass, Name as HickoryName, RData, Record};
use tokio::time::sleep;

use super::reply::MAX_SETS;
use super::*;

use crate::azure::Targets;
use crate::dns::{Name, RecordType};
use crate::resolve::ReplySet;
use server::{By, Server};

fn response(query: &Message, rcode: ResponseCode) -> Message {
    let mut response = Message::response(query.id, query.op_code);
    response.metadata.recursion_available = true;
    response.metadata.response_code = rcode;
    response.queries.clone_from(&query.queries);
    response
}

fn answer(query: &Message, records: Vec<Record>) -> Message {
    let mut message = response(query, ResponseCode::NoError);
    message.answers = records;
    message
}

fn negative(query: &Message, rcode: ResponseCode, authorities: Vec<Record>) -> Message {
    let mut message = response(query, rcode);
    message.authorities = authorities;
    message
}

fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(hickory_name(owner), ttl, data)
}

fn hickory_name(text: &str) -> HickoryName {
    HickoryName::from_ascii(text).unwrap()
}

fn a(owner: &str, ttl: u32, last: u8) -> Record {
    record(owner, ttl, RData::A(A::new(192, 0, 2, last)))
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    record(owner, ttl, RData::CNAME(CNAME(hickory_name(target))))
}

fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
    record(owner, ttl, RData::SOA(SOA::new(hickory_name("ns."), hickory_name("mail."), 1, 2, 3, 4, minimum)))
}

fn dname(owner: &str, ttl: u32, target: &str) -> Record {
    let octets = target.parse::<Name>().unwrap().as_wire().to_vec();
    record(owner, ttl, RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(octets) })
}

/// Times that are short for silent servers, and long for a machine that is busy.
fn upstreams() -> Upstreams {
    limited(ForwardLimits {
        attempt_timeout: Duration::from_millis(600),
        total_timeout: Duration::from_millis(1500),
        ..ForwardLimits::default()
    })
}

fn limited(limits: ForwardLimits) -> Upstreams {
    Upstreams::new(limits, Arc::default())
}

fn question(servers: &[&Server], qname: &str, qtype: RecordType) -> ForwardQuestion {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    ForwardQuestion { targets: Targets::from(addresses.as_slice()), qname: qname.parse().unwrap(), qtype }
}

/// RCODE, then a line for each record: owner, TTL, type and RDATA, the sections apart by a line of dashes.
fn lines(reply: &Reply) -> Vec<String> {
    let section = |sets: &[ReplySet]| {
        let record = |set: &ReplySet, rdata: &[u8]| {
            let data = match set.rtype {
                RecordType::A => <[u8; 4]>::try_from(rdata).map(|octets| Ipv4Addr::from(octets).to_string()).unwrap(),
                RecordType::MX => format!("{} {}", rdata[1], Name::from_wire(&rdata[2..]).unwrap()),
                RecordType::SOA => crate::dns::rdata::soa_minimum(rdata).unwrap().to_string(),
                _ => Name::from_wire(rdata).unwrap().to_string(),
            };
            format!("{} {} {} {data}", set.owner, set.ttl, TypeName(set.rtype))
        };
        sets.iter().flat_map(|set| set.rdatas().map(move |rdata| record(set, rdata))).collect::<Vec<_>>()
    };
    let mut lines = vec![reply.rcode.to_string()];
    lines.extend(section(&reply.answer));
    if !reply.authority.is_empty() {
        lines.push("---".into());
        lines.extend(section(&reply.authority));
    }
    lines
}

/// Compares what was taken from a server's answer.
#[track_caller]
fn check(reply: Result<Reply, ForwardError>, expected: &[&str]) {
    assert_eq!(lines(&reply.unwrap()), expected);
}

const NO_ERROR: &str = "No Error";
const NX_DOMAIN: &str = "Non-Existent Domain";

#[tokio::test]
async fn an_answer_comes_back_over_udp() {
    let server = Server::start(|by, _, query| {
        assert!(by == By::Udp && query.recursion_desired && query.max_payload() == 1232);
        vec![answer(&query, vec![a("www.example.", 60, 1), a("www.example.", 60, 2)])]
    })
    .await;
    let reply = upstreams().ask(&question(&[&server], "www.example", RecordType::A)).await;
    check(reply, &[NO_ERROR, "www.example. 60 A 192.0.2.1", "www.example. 60 A 192.0.2.2"]);
    assert_eq!(server.queries(), (1, 0));
}

#[tokio::test]
async fn a_truncated_response_is_asked_for_over_tcp() {
    let server = Server::start(|by, _, query| {
        let mut message = answer(&query, (0..if by == By::Udp { 1 } else { 200 }).map(|n| a("big.", 60, n)).collect());
        message.metadata.truncation = by == By::Udp;
        vec![message]
    })
    .await;
    let reply = upstreams().ask(&question(&[&server], "big", RecordType::A)).await.unwrap();
    assert_eq!(reply.answer[0].rdatas().count(), 200);
    assert_eq!(server.queries(), (1, 1));
}

#[tokio::test]
async fn a_response_over_tcp_is_checked_like_one_over_udp() {
    for spoil in [
        (|message| message.metadata.id ^= 1) as fn(&mut Message),
        |message| message.queries[0].name = hickory_name("other."),
        |message| message.metadata.truncation = true,
    ] {
        let server = Server::start(move |by, _, query| {
            let mut message = answer(&query, vec![a("big.", 60, 1)]);
            message.metadata.truncation = by == By::Udp;
            if by == By::Tcp {
                spoil(&mut message);
            }
            vec![message]
        })
        .await;
        let reply = upstreams().ask(&question(&[&server], "big", RecordType::A)).await;
        assert_eq!(reply, Err(ForwardError::Network));
        assert_eq!(server.queries(), (1, 1));
    }
}

#[tokio::test]
async fn what_hinders_tcp_does_not_set_a_target_aside() {
    let truncated = Server::start(|by, _, query| {
        let mut message = answer(&query, vec![a("big.", 60, 1)]);
        message.metadata.truncation = true;
        if by == By::Udp { vec![message] } else { vec![] }
    })
    .await;
    let other = Server::with_answer(vec![a("big.", 60, 2)]).await;
    let upstreams = upstreams();
    let question = question(&[&truncated, &other], "big", RecordType::A);
    check(upstreams.ask(&question).await, &[NO_ERROR, "big. 60 A 192.0.2.2"]);
    assert_eq!(upstreams.0.health.in_order(&question.targets)[0], truncated.address);
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let server = Server::start(
        |_, before, query| {
            if before == 0 { vec![] } else { vec![answer(&query, vec![a("www.", 60, 1)])] }
        },
    )
    .await;
    let reply = upstreams().ask(&question(&[&server], "www", RecordType::A)).await;
    check(reply, &[NO_ERROR, "www. 60 A 192.0.2.1"]);
    assert_eq!(server.queries(), (2, 0));
}

#[tokio::test]
async fn datagrams_with_another_id_or_question_are_not_taken() {
    let server = Server::start(|_, _, query| {
        let forged = |spoil: fn(&mut Message)| {
            let mut message = answer(&query, vec![a("www.", 60, 66)]);
            spoil(&mut message);
            message
        };
        vec![
            forged(|message| message.metadata.id ^= 1),
            forged(|message| message.queries[0].name = hickory_name("other.")),
            forged(|message| message.queries[0].query_type = RecordType::AAAA),
            forged(|message| message.queries.clear()),
            answer(&query, vec![a("www.", 60, 1)]),
        ]
    })
    .await;
    let reply = upstreams().ask(&question(&[&server], "www", RecordType::A)).await;
    check(reply, &[NO_ERROR, "www. 60 A 192.0.2.1"]);
    assert_eq!(server.queries(), (1, 0));
}

#[tokio::test]
async fn a_silent_target_is_passed_over_for_the_next_and_then_set_aside() {
    let (silent, second) = (
        Server::silent().await,
        Server::start(|_, _, query| {
            let name = query.queries[0].name().to_string();
            vec![answer(&query, vec![a(&name, 60, 1)])]
        })
        .await,
    );
    let upstreams = upstreams();
    check(upstreams.ask(&question(&[&silent, &second], "a", RecordType::A)).await, &[NO_ERROR, "a. 60 A 192.0.2.1"]);
    let asked = silent.queries();
    assert!(asked.0 > 0);
    check(upstreams.ask(&question(&[&silent, &second], "b", RecordType::A)).await, &[NO_ERROR, "b. 60 A 192.0.2.1"]);
    assert_eq!(silent.queries(), asked, "a target that is set aside was asked");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(30 * 60)).await;
    tokio::time::resume();
    upstreams.ask(&question(&[&silent, &second], "c", RecordType::A)).await.unwrap();
    assert!(silent.queries() > asked, "a target was set aside for more than 30 minutes");
}

#[tokio::test]
async fn a_target_without_an_answer_is_passed_over_and_stays_the_first() {
    let referral = |query: &Message| {
        let ns = record("example.", 60, RData::NS(NS(hickory_name("ns.example."))));
        negative(query, ResponseCode::NoError, vec![ns])
    };
    for script in [
        (|query| response(query, ResponseCode::ServFail)) as fn(&Message) -> Message,
        |query| response(query, ResponseCode::Refused),
        referral,
    ] {
        let failing = Server::start(move |_, _, query| vec![script(&query)]).await;
        let second = Server::with_answer(vec![a("www.example.", 60, 1)]).await;
        let upstreams = upstreams();
        let question = question(&[&failing, &second], "www.example", RecordType::A);
        check(upstreams.ask(&question).await, &[NO_ERROR, "www.example. 60 A 192.0.2.1"]);
        assert_eq!(upstreams.0.health.in_order(&question.targets)[0], failing.address);
    }
}

#[tokio::test]
async fn failures_are_told_apart_and_remembered_for_seconds() {
    let failing = Server::start(|_, _, query| vec![response(&query, ResponseCode::ServFail)]).await;
    let silent = Server::silent().await;
    let upstreams = upstreams();
    for (server, error) in [(&failing, ForwardError::Failed(Rcode::ServFail)), (&silent, ForwardError::NoResponse)] {
        let question = question(&[server], "www", RecordType::A);
        if error == ForwardError::NoResponse {
            // Time passes when there is nothing else to do.
            tokio::time::pause();
        }
        let started = Instant::now();
        assert_eq!(upstreams.ask(&question).await, Err(error));
        if error == ForwardError::NoResponse {
            assert!(started.elapsed() < Duration::from_secs(3), "it took {:?}", started.elapsed());
            tokio::time::resume();
        }
        let asked = server.queries();
        assert_eq!(upstreams.ask(&question).await, Err(error));
        assert_eq!(server.queries(), asked);
        assert_eq!(upstreams.cached(&question), Some(Err(error)));
        tokio::time::pause();
        tokio::time::advance(FAILURE_LIFETIME).await;
        assert_eq!(upstreams.cached(&question), None);
        tokio::time::resume();
        assert_eq!(upstreams.ask(&question).await, Err(error));
        assert!(server.queries() > asked);
    }
}

#[tokio::test]
async fn ttls_count_down_until_the_least_is_over() {
    let server = Server::with_answer(vec![cname("www.", 60, "web."), a("web.", 10, 1)]).await;
    let upstreams = upstreams();
    let question = question(&[&server], "www", RecordType::A);
    upstreams.ask(&question).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(9)).await;
    check(upstreams.cached(&question).unwrap(), &[NO_ERROR, "www. 51 CNAME web.", "web. 1 A 192.0.2.1"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(upstreams.cached(&question), None);
    tokio::time::resume();
    check(upstreams.ask(&question).await, &[NO_ERROR, "www. 60 CNAME web.", "web. 10 A 192.0.2.1"]);
    assert_eq!(server.queries(), (2, 0));
}

#[tokio::test]
async fn a_ttl_is_at_most_a_day_and_a_negative_one_an_hour() {
    let week = 7 * 24 * 3600;
    let server = Server::start(move |_, _, query| {
        vec![match query.queries[0].query_type() {
            RecordType::A => answer(&query, vec![a("www.", week, 1)]),
            RecordType::MX => {
                let mx = |ttl, preference| record("www.", ttl, RData::MX(MX::new(preference, hickory_name("mx."))));
                answer(&query, vec![mx(20, 1), mx(30, 2)])
            }
            RecordType::TXT => negative(&query, ResponseCode::NoError, vec![soa(".", week, week)]),
            // The top bit is set.
            _ => answer(&query, vec![record("www.", u32::MAX, RData::NS(NS(hickory_name("ns."))))]),
        }]
    })
    .await;
    let upstreams = upstreams();
    for (qtype, expected) in [
        (RecordType::A, &[NO_ERROR, "www. 86400 A 192.0.2.1"][..]),
        (RecordType::MX, &[NO_ERROR, "www. 20 MX 1 mx.", "www. 20 MX 2 mx."]),
        (RecordType::TXT, &[NO_ERROR, "---", ". 3600 SOA 604800"]),
        (RecordType::NS, &[NO_ERROR, "www. 0 NS ns."]),
    ] {
        check(upstreams.ask(&question(&[&server], "www", qtype)).await, expected);
    }
    assert_eq!(upstreams.cached(&question(&[&server], "www", RecordType::NS)), None);
}

#[tokio::test]
async fn negative_answers_are_kept_as_long_as_their_soa_record_says() {
    let server = Server::start(|_, _, query| {
        let name = query.queries[0].name().to_lowercase().to_string();
        let rcode = if name.starts_with("none.") { ResponseCode::NXDomain } else { ResponseCode::NoError };
        vec![match name.as_str() {
            "none.without.soa." => negative(&query, rcode, vec![]),
            "nodata.without.soa." => negative(&query, rcode, vec![]),
            "none.alias." => {
                let mut message = negative(&query, rcode, vec![]);
                message.answers = vec![cname("none.alias.", 60, "gone.")];
                message
            }
            "none.with.foreign.soa." => negative(&query, rcode, vec![soa("elsewhere.", 60, 60)]),
            _ => negative(&query, rcode, vec![a("x.", 60, 66), soa("example.", 60, 10)]),
        }]
    })
    .await;
    let upstreams = upstreams();
    for (qname, expected, is_kept) in [
        ("none.example", &[NX_DOMAIN, "---", "example. 10 SOA 10"][..], true),
        ("nodata.example", &[NO_ERROR, "---", "example. 10 SOA 10"], true),
        ("none.without.soa", &[NX_DOMAIN], false),
        ("nodata.without.soa", &[NO_ERROR], false),
        ("none.alias", &[NX_DOMAIN, "none.alias. 60 CNAME gone."], false),
        ("none.with.foreign.soa", &[NX_DOMAIN], false),
    ] {
        let question = question(&[&server], qname, RecordType::A);
        check(upstreams.ask(&question).await, expected);
        assert_eq!(upstreams.cached(&question).is_some(), is_kept, "{qname}");
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(upstreams.cached(&question(&[&server], "none.example", RecordType::A)), None);
}

#[tokio::test]
async fn only_the_chain_from_the_name_asked_for_is_taken() {
    let mut chaos = a("www.example.", 60, 66);
    chaos.dns_class = DNSClass::CH;
    let aliases = || vec![a("web.other.", 60, 1), a("bank.", 60, 66), cname("www.example.", 60, "web.other.")];
    let ns = || record("example.", 60, RData::NS(NS(hickory_name("ns.bank."))));
    for (records, rcode, expected) in [
        // Any order of records; what is not in the chain is dropped, an NXDOMAIN that its own data denies too.
        (
            aliases(),
            ResponseCode::NoError,
            &[NO_ERROR, "www.example. 60 CNAME web.other.", "web.other. 60 A 192.0.2.1"][..],
        ),
        (
            aliases(),
            ResponseCode::NXDomain,
            &[NO_ERROR, "www.example. 60 CNAME web.other.", "web.other. 60 A 192.0.2.1"],
        ),
        (vec![a("bank.", 60, 66), chaos, ns()], ResponseCode::NXDomain, &[NX_DOMAIN]),
        // A chain that the server did not follow to its end, and one that loops.
        (
            vec![cname("www.example.", 60, "web.other.")],
            ResponseCode::NoError,
            &[NO_ERROR, "www.example. 60 CNAME web.other."],
        ),
        (
            vec![cname("www.example.", 60, "b."), cname("b.", 60, "www.example.")],
            ResponseCode::NoError,
            &[NO_ERROR, "www.example. 60 CNAME b.", "b. 60 CNAME www.example."],
        ),
        // A DNAME record stands before the alias that follows from it; another one does not belong there.
        (
            vec![cname("www.example.", 0, "www.other."), dname("example.", 60, "other."), a("www.other.", 60, 1)],
            ResponseCode::NoError,
            &[NO_ERROR, "example. 60 DNAME other.", "www.example. 0 CNAME www.other.", "www.other. 60 A 192.0.2.1"],
        ),
        (
            vec![cname("www.example.", 60, "b."), dname("example.", 60, "other."), a("b.", 60, 1)],
            ResponseCode::NoError,
            &[NO_ERROR, "www.example. 60 CNAME b.", "b. 60 A 192.0.2.1"],
        ),
    ] {
        let server = Server::start(move |_, _, query| {
            let mut message = answer(&query, records.clone());
            message.metadata.response_code = rcode;
            message.additionals = vec![a("www.example.", 60, 66)];
            vec![message]
        })
        .await;
        check(upstreams().ask(&question(&[&server], "www.example", RecordType::A)).await, expected);
    }
}

#[tokio::test]
async fn a_long_chain_is_cut() {
    let alias = |n| cname(&format!("n{n}."), 60, &format!("n{}.", n + 1));
    let server = Server::with_answer((0..MAX_SETS as u8 + 2).map(alias).collect()).await;
    let reply = upstreams().ask(&question(&[&server], "n0", RecordType::A)).await.unwrap();
    assert_eq!(reply.answer.len(), MAX_SETS);
}

#[tokio::test]
async fn what_cannot_be_is_no_answer() {
    let compressed = RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(vec![0xc0, 12]) };
    for (records, broken) in [
        (vec![cname("www.", 60, "a."), cname("www.", 60, "b.")], "two aliases"),
        (vec![a("www.", 60, 1), record("dname.", 60, compressed)], "a pointer in DNAME data"),
    ] {
        let server = Server::with_answer(records).await;
        let reply = upstreams().ask(&question(&[&server], "www", RecordType::A)).await;
        assert_eq!(reply, Err(ForwardError::Failed(Rcode::NoError)), "{broken}");
    }
}

#[tokio::test]
async fn any_gets_all_sets_of_the_name_in_the_order_of_their_types() {
    let mx = record("www.", 60, RData::MX(MX::new(1, hickory_name("mx."))));
    let server = Server::with_answer(vec![mx, a("www.", 60, 1), a("mx.", 60, 2)]).await;
    let reply = upstreams().ask(&question(&[&server], "www", RecordType::ANY)).await;
    check(reply, &[NO_ERROR, "www. 60 A 192.0.2.1", "www. 60 MX 1 mx."]);
}

#[tokio::test]
async fn names_within_rdata_are_expanded() {
    let (mname, rname) = (hickory_name("ns.example."), hickory_name("mail.example."));
    let soa = RData::SOA(SOA::new(mname, rname, 1, 2, 3, 4, 5));
    let server = Server::with_answer(vec![record("example.", 60, soa)]).await;
    let reply = upstreams().ask(&question(&[&server], "example", RecordType::SOA)).await.unwrap();
    let names = b"\x02ns\x07example\0\x04mail\x07example\0";
    let numbers = [1, 2, 3, 4, 5].map(u32::to_be_bytes).concat();
    assert_eq!(reply.answer[0].rdatas().collect::<Vec<_>>(), [[&names[..], &numbers].concat()]);
}

#[tokio::test]
async fn a_reply_is_for_every_letter_case_and_speaks_in_that_of_the_client() {
    let server = Server::with_answer(vec![a("WWW.example.", 60, 1)]).await;
    let upstreams = upstreams();
    for qname in ["www.example", "wWw.eXample"] {
        let reply = upstreams.ask(&question(&[&server], qname, RecordType::A)).await;
        check(reply, &[NO_ERROR, &format!("{qname}. 60 A 192.0.2.1")]);
    }
    assert_eq!(server.queries(), (1, 0));
}

#[tokio::test]
async fn other_targets_types_and_names_share_nothing() {
    let hub = Server::with_answer(vec![a("www.", 60, 1)]).await;
    let spoke = Server::with_answer(vec![a("www.", 60, 2)]).await;
    let upstreams = upstreams();
    check(upstreams.ask(&question(&[&hub], "www", RecordType::A)).await, &[NO_ERROR, "www. 60 A 192.0.2.1"]);
    for (servers, qname, qtype) in [
        (&[&spoke][..], "www", RecordType::A),
        (&[&spoke, &hub], "www", RecordType::A),
        (&[&hub, &spoke], "www", RecordType::A),
        (&[&hub], "www", RecordType::AAAA),
        (&[&hub], "ww", RecordType::A),
    ] {
        assert_eq!(upstreams.cached(&question(servers, qname, qtype)), None);
    }
    check(upstreams.ask(&question(&[&spoke], "www", RecordType::A)).await, &[NO_ERROR, "www. 60 A 192.0.2.2"]);
}

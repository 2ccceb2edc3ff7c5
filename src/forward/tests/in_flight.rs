//! Questions that wait for an answer, and what bounds them.

use super::*;

#[tokio::test]
async fn equal_questions_in_flight_are_asked_once_whatever_becomes_of_them() {
    // An answer, one that may not be kept, and a failure.
    for (ttl, rcode, expected) in [
        (60, ResponseCode::NoError, None),
        (0, ResponseCode::NoError, None),
        (60, ResponseCode::ServFail, Some(ForwardError::Failed(Rcode::ServFail))),
    ] {
        let server = Server::slow(Duration::from_millis(50), move |_, _, query| {
            let mut message = answer(&query, vec![a("www.", ttl, 1)]);
            message.metadata.response_code = rcode;
            vec![message]
        })
        .await;
        let upstreams = upstreams();
        let ask = |_| {
            let (upstreams, question) = (upstreams.clone(), question(&[&server], "www", RecordType::A));
            tokio::spawn(async move { upstreams.ask(&question).await })
        };
        for asked in (0..20).map(ask).collect::<Vec<_>>() {
            assert_eq!(asked.await.unwrap().err(), expected);
        }
        assert_eq!(server.queries(), (1, 0));
    }
}

#[tokio::test]
async fn whoever_asked_first_goes_away_and_the_question_stays() {
    let server =
        Server::slow(Duration::from_millis(100), |_, _, query| vec![answer(&query, vec![a("www.", 60, 1)])]).await;
    let upstreams = upstreams();
    let ask = || {
        let (upstreams, question) = (upstreams.clone(), question(&[&server], "www", RecordType::A));
        tokio::spawn(async move { upstreams.ask(&question).await })
    };
    let first = ask();
    while server.queries() == (0, 0) {
        sleep(Duration::from_millis(1)).await;
    }
    let others: Vec<_> = (0..3).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    first.abort();
    for other in others {
        check(other.await.unwrap(), &[NO_ERROR, "www. 60 A 192.0.2.1"]);
    }
    assert_eq!(server.queries(), (1, 0));
    assert_eq!(upstreams.0.flights.len(), 0);
}

#[tokio::test]
async fn when_nobody_waits_for_a_question_it_ends() {
    let silent = Server::silent().await;
    let upstreams = upstreams();
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (upstreams, question) = (upstreams.clone(), question(&[&silent], "www", RecordType::A));
            tokio::spawn(async move { upstreams.ask(&question).await })
        })
        .collect();
    while silent.queries() == (0, 0) {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(upstreams.0.flights.len(), 1);
    for caller in callers {
        caller.abort();
        let _ = caller.await;
    }
    assert_eq!(upstreams.0.flights.len(), 0);
    assert_eq!(upstreams.0.in_flight.available_permits(), ForwardLimits::default().in_flight);
    assert_eq!(upstreams.cached(&question(&[&silent], "www", RecordType::A)), None);
}

#[tokio::test]
async fn questions_past_the_bound_wait_for_their_turn() {
    let server = Server::slow(Duration::from_millis(20), |_, _, query| {
        let name = query.queries[0].name().to_string();
        vec![answer(&query, vec![a(&name, 60, 1)])]
    })
    .await;
    let upstreams = limited(ForwardLimits { in_flight: 2, ..ForwardLimits::default() });
    let asked: Vec<_> = (0..10)
        .map(|n| {
            let (upstreams, question) = (upstreams.clone(), question(&[&server], &format!("n{n}"), RecordType::A));
            tokio::spawn(async move { upstreams.ask(&question).await })
        })
        .collect();
    let mut most = 0;
    while asked.iter().any(|asked| !asked.is_finished()) {
        most = most.max(2 - upstreams.0.in_flight.available_permits());
        tokio::task::yield_now().await;
    }
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(most, 2);
}

#[tokio::test(start_paused = true)]
async fn what_this_host_could_not_ask_is_not_remembered() {
    let upstreams = limited(ForwardLimits { in_flight: 0, ..ForwardLimits::default() });
    let targets = Targets::from([([127, 0, 0, 1], 53).into()].as_slice());
    let question = ForwardQuestion { targets, qname: "www".parse().unwrap(), qtype: RecordType::A };
    assert_eq!(upstreams.ask(&question).await, Err(ForwardError::Local));
    assert_eq!(upstreams.cached(&question), None);
    // Nor where there is no way to send.
    let upstreams = self::upstreams();
    let targets = Targets::from([([255, 255, 255, 255], 53).into()].as_slice());
    let question = ForwardQuestion { targets, ..question };
    assert_eq!(upstreams.ask(&question).await, Err(ForwardError::Local));
    assert_eq!(upstreams.cached(&question), None);
}

#[tokio::test]
async fn sockets_beside_the_first_of_each_question_are_bounded_and_given_back() {
    let silent = Server::silent().await;
    let limits = ForwardLimits {
        in_flight: 6,
        attempt_timeout: Duration::from_millis(200),
        total_timeout: Duration::from_secs(2),
        ..ForwardLimits::default()
    };
    assert_eq!(limits.sockets(), 9);
    let upstreams = limited(limits);
    let asked: Vec<_> = (0..6)
        .map(|n| {
            let (upstreams, question) = (upstreams.clone(), question(&[&silent], &format!("n{n}"), RecordType::A));
            tokio::spawn(async move { upstreams.ask(&question).await })
        })
        .collect();
    let mut least = usize::MAX;
    while asked.iter().any(|asked| !asked.is_finished()) {
        least = least.min(upstreams.0.spare_sockets.available_permits());
        sleep(Duration::from_millis(1)).await;
    }
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Err(ForwardError::NoResponse));
    }
    // All were wanted: each question is asked three times, whether or not it may wait for a response to each.
    assert_eq!((least, silent.queries()), (0, (18, 0)));
    assert_eq!(upstreams.0.spare_sockets.available_permits(), 3);
}

#[tokio::test]
async fn memory_for_replies_is_bounded() {
    let server = Server::start(|_, _, query| {
        let name = query.queries[0].name().to_string();
        vec![answer(&query, vec![a(&name, 60, 1)])]
    })
    .await;
    let cache_octets = 64 << 10;
    let upstreams = limited(ForwardLimits { cache_octets, ..ForwardLimits::default() });
    for n in 0..1000 {
        upstreams.ask(&question(&[&server], &format!("name{n}.example"), RecordType::A)).await.unwrap();
    }
    assert!(upstreams.0.cache.weight() <= cache_octets as u64);
    let remembered = upstreams.0.cache.len();
    assert!((50..=cache_octets / ENTRY_OVERHEAD).contains(&remembered), "{remembered} are remembered");
}

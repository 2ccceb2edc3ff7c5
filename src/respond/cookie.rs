//! DNS cookies: the response's cookie, and the short response that is sent to a client over its limit.

use crate::dns::{Cookie, CookieState, Rcode};
use crate::snapshot::Snapshot;
use crate::view::{Client, Persona};
use crate::wire::{Edns, Received, Refusal, Response};

/// The OPT record with the response's cookie in the place of the request's, and how long its connection may be idle.
pub(super) fn prepare(snapshot: &Snapshot, client: &Client, edns: Edns) -> Edns {
    let keepalive = edns.keepalive.filter(|_| client.transport.is_stream()).map(|_| client.keepalive);
    let cookie = edns.cookie.zip(snapshot.cookie_secrets()).map(|(cookie, secrets)| match client.persona {
        Persona::Authoritative => secrets.answer(cookie, client.source, client.now),
        // As users' captures show it (dig says "echoed").
        Persona::AzureResolver { .. } => cookie.echoed(),
    });
    Edns { keepalive, cookie, ..edns }
}

/// What the cookie of a request shows, once it is prepared.
pub(super) fn state(edns: Option<&Edns>) -> CookieState {
    edns.and_then(|edns| edns.cookie.as_ref()).map_or(CookieState::Absent, Cookie::state)
}

/// As [`prepare`], for a request that gets no answer, and what its cookie shows; a query without question is one for a
/// cookie, and gets it (RFC 7873 §5.4).
pub(super) fn prepare_refusal<'a>(
    snapshot: &Snapshot,
    client: &Client,
    refusal: &Refusal<'a>,
) -> (Refusal<'a>, CookieState) {
    match *refusal {
        Refusal::Ignore => (Refusal::Ignore, CookieState::Absent),
        Refusal::Reply { header, rcode, question_octets, edns, tsig } => {
            let edns = edns.map(|edns| prepare(snapshot, client, edns));
            (Refusal::Reply { header, rcode, question_octets, edns, tsig }, state(edns.as_ref()))
        }
        Refusal::NoQuestion { header, edns, tsig } => {
            let edns = Some(prepare(snapshot, client, edns));
            let rcode = match state(edns.as_ref()) {
                CookieState::Absent => Rcode::FormErr,
                CookieState::Invalid => Rcode::BADCOOKIE,
                CookieState::ClientOnly | CookieState::Valid => Rcode::NoError,
            };
            (Refusal::Reply { header, rcode, question_octets: None, edns, tsig }, state(edns.as_ref()))
        }
    }
}

/// Writes a response without records in place of the full one, so that an honest client asks again: with the cookie in the
/// response if the client sent one (RFC 7873 §5.2.3), else over TCP, since the response is truncated.
///
/// Returns whether there is one.
pub fn respond_slipped(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    rcode: Rcode,
    response: &mut Response,
) -> bool {
    let (mut refusal, cookie) = prepare_refusal(snapshot, client, &received.refused(rcode));
    let has_cookie = cookie != CookieState::Absent;
    if let Refusal::Reply { rcode, .. } = &mut refusal
        && has_cookie
    {
        *rcode = Rcode::BADCOOKIE;
    }
    if response.write_refusal(&refusal, client, None).is_none() {
        return false;
    }
    if !has_cookie {
        response.mark_truncated();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Files, load};
    use crate::dns::CookieSecrets;
    use crate::respond::{Disposition, Responder, Served, respond};
    use crate::snapshot::{Generation, Identity};
    use crate::view::Transport;

    const NOW: u64 = 1_700_000_000;
    const QUESTION: &[u8] = b"\x03www\x07contoso\x08internal\0\0\x01\0\x01";
    const CLIENT_COOKIE: &[u8] = b"12345678";

    fn lab(secrets: Option<CookieSecrets>) -> Snapshot {
        let topology = load(&Files::default()).unwrap().topology;
        Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap().with_cookie_secrets(secrets)
    }

    fn with_cookies() -> Snapshot {
        lab(Some(CookieSecrets::new([7; 16], None)))
    }

    /// A client in `vnet-n1`.
    fn client() -> Client {
        Client { now: NOW, ..Client::new([10, 1, 0, 4].into(), Transport::Udp) }
    }

    /// A query with a cookie and a payload size.
    fn query(question: &[u8], cookie: &[u8]) -> Vec<u8> {
        let questions = u8::from(!question.is_empty());
        let len = cookie.len() as u8;
        let opt = [b"\0\0\x29\x02\0\0\0\0\0\0", &[len + 4][..], b"\0\x0a\0", &[len], cookie].concat();
        [b"\x12\x34\x01\0\0", &[questions][..], b"\0\0\0\0\0\x01", question, &opt].concat()
    }

    /// Asks with and without the answers that a worker keeps, twice; returns what was served and the message.
    #[track_caller]
    fn ask(snapshot: &Snapshot, client: &Client, request: &[u8]) -> (Served, Vec<u8>) {
        let (mut response, mut kept) = (Response::new(), Response::new());
        let mut responder = Responder::new();
        let Some(Disposition::Answered(served)) = respond(snapshot, client, request, &mut response) else { panic!() };
        for _ in 0..2 {
            let outcome = responder.respond(snapshot, client, &Received::parse(request), &mut kept);
            assert_eq!(outcome, Some(Disposition::Answered(served)));
            assert_eq!(kept.as_octets(), response.as_octets());
        }
        (served, response.as_octets().to_vec())
    }

    /// The RCODE of a message whose OPT record has a COOKIE option alone, or none, and the option's data.
    #[track_caller]
    fn rcode_and_cookie(message: &[u8], len: usize) -> (u16, Vec<u8>) {
        let opt_len = if len > 0 { 15 + len } else { 11 };
        let opt = &message[message.len() - opt_len..];
        assert_eq!(opt[..3], *b"\0\0\x29");
        assert_eq!(usize::from(opt[10]), opt_len - 11);
        if len > 0 {
            assert_eq!(opt[11..15], [0, 10, 0, len as u8]);
        }
        (u16::from(opt[5]) << 4 | u16::from(message[3] & 0x0f), opt[opt_len - len..].to_vec())
    }

    #[test]
    fn a_client_gets_a_cookie_and_is_known_by_it() {
        let snapshot = with_cookies();
        let (served, first) = ask(&snapshot, &client(), &query(QUESTION, CLIENT_COOKIE));
        let (rcode, cookie) = rcode_and_cookie(&first, 24);
        assert_eq!((rcode, served.cookie, first[7]), (0, CookieState::ClientOnly, 1));
        let (served, second) = ask(&snapshot, &client(), &query(QUESTION, &cookie));
        assert_eq!(rcode_and_cookie(&second, 24), (0, cookie.clone()));
        assert_eq!((served.cookie, second[7]), (CookieState::Valid, 1));
        // Others are answered too, and get their own.
        let other = Client { source: [10, 1, 0, 5].into(), ..client() };
        let (served, third) = ask(&snapshot, &other, &query(QUESTION, &cookie));
        assert_ne!(rcode_and_cookie(&third, 24).1, cookie);
        assert_eq!((served.cookie, third[7]), (CookieState::Invalid, 1));
    }

    #[test]
    fn a_cookie_is_ignored_where_cookies_are_off_and_echoed_by_the_azure_resolver() {
        let azure = Client { persona: Persona::AzureResolver { ttl_cap: None }, ..client() };
        for (snapshot, client, expected) in
            [(lab(None), client(), &b""[..]), (lab(None), azure, b""), (with_cookies(), azure, CLIENT_COOKIE)]
        {
            let whole = [CLIENT_COOKIE, &[1; 16]].concat();
            for cookie in [CLIENT_COOKIE, &whole] {
                let (served, message) = ask(&snapshot, &client, &query(QUESTION, cookie));
                assert_eq!(rcode_and_cookie(&message, expected.len()), (0, expected.to_vec()));
                assert_eq!(served.cookie, CookieState::Absent);
                let (_, message) = ask(&snapshot, &client, &query(b"", cookie));
                assert_eq!(rcode_and_cookie(&message, expected.len()).0, 1);
            }
        }
    }

    #[test]
    fn a_query_without_a_question_is_one_for_a_cookie() {
        let snapshot = with_cookies();
        let (served, message) = ask(&snapshot, &client(), &query(b"", CLIENT_COOKIE));
        let (rcode, cookie) = rcode_and_cookie(&message, 24);
        assert_eq!((served.rcode, rcode), (Rcode::NoError, 0));
        assert_eq!(message[4..12], [0, 0, 0, 0, 0, 0, 0, 1]);
        let (_, message) = ask(&snapshot, &client(), &query(b"", &cookie));
        assert_eq!(rcode_and_cookie(&message, 24), (0, cookie.clone()));
        for bad in [&cookie[..23], &[&cookie[..23], &[!cookie[23]]].concat()] {
            let (served, message) = ask(&snapshot, &client(), &query(b"", bad));
            assert_eq!(rcode_and_cookie(&message, 24), (23, cookie.clone()));
            assert_eq!(served.rcode, Rcode::BADCOOKIE);
        }
    }

    #[test]
    fn refusals_have_cookies_and_malformed_ones_are_refused() {
        let snapshot = with_cookies();
        let zone_transfer = b"\x07contoso\x08internal\0\0\xfc\0\x01";
        let (served, message) = ask(&snapshot, &client(), &query(zone_transfer, CLIENT_COOKIE));
        assert_eq!((rcode_and_cookie(&message, 24).0, served.cookie), (5, CookieState::ClientOnly));
        for len in (0..8).chain(9..16).chain(41..44) {
            let (_, message) = ask(&snapshot, &client(), &query(QUESTION, &vec![1; len]));
            assert_eq!(rcode_and_cookie(&message, 0), (1, Vec::new()), "{len}");
        }
    }

    #[test]
    fn in_place_of_a_response_comes_one_that_has_the_client_ask_again() {
        let snapshot = with_cookies();
        let mut response = Response::new();
        let mut slip = |client: &Client, request: &[u8]| {
            assert!(respond_slipped(&snapshot, client, &Received::parse(request), Rcode::NXDomain, &mut response));
            response.as_octets().to_vec()
        };
        // Without a cookie: TC, the question, the OPT record, and the RCODE that there would have been.
        let mut request = query(QUESTION, CLIENT_COOKIE);
        request.truncate(12 + QUESTION.len());
        request[11] = 0;
        let expected = [b"\x12\x34\x83\x03\0\x01\0\0\0\0\0\0", QUESTION].concat();
        assert_eq!(slip(&client(), &request), expected);
        // With an invalid cookie: BADCOOKIE, and a valid one.
        for cookie in [CLIENT_COOKIE, &[CLIENT_COOKIE, &[1; 16]].concat()] {
            let message = slip(&client(), &query(QUESTION, cookie));
            assert_eq!(message[2..4], [0x81, 7]);
            let (rcode, cookie) = rcode_and_cookie(&message, 24);
            assert_eq!(rcode, 23);
            assert_eq!(ask(&snapshot, &client(), &query(QUESTION, &cookie)).0.cookie, CookieState::Valid);
        }
        // Where cookies prove nothing.
        let azure = Client { persona: Persona::AzureResolver { ttl_cap: None }, ..client() };
        let message = slip(&azure, &query(QUESTION, CLIENT_COOKIE));
        assert_eq!(message[2..4], [0x83, 0x83]);
        assert_eq!(rcode_and_cookie(&message, 8).1, CLIENT_COOKIE);
        let is_written =
            respond_slipped(&snapshot, &client(), &Received::parse(&[0; 11]), Rcode::NoError, &mut Response::new());
        assert!(!is_written);
    }

    #[test]
    fn a_response_fits_with_its_cookie() {
        let snapshot = with_cookies();
        let k8s02 = b"\x14k8s02-workspace-abcd\x06eastus\x0aprometheus\x07monitor\x05azure\x03com\0\0\x01\0\x01";
        let (_, message) = ask(&snapshot, &client(), &query(k8s02, CLIENT_COOKIE));
        assert!(message.len() <= 512 && message[7] == 2);
        assert_eq!(rcode_and_cookie(&message, 24).0, 0);
    }
}

use super::*;
use crate::view::{Transport, ViewId};

const A: ViewId = ViewId::new(1);
const B: ViewId = ViewId::new(2);

fn written(name: &str, effect: &str) -> Written {
    Written { name: name.to_owned(), effect: effect.to_owned(), ..Written::default() }
}

/// These faults, for clients of all views.
fn faults(written: impl IntoIterator<Item = Written>) -> Faults {
    let live = |written: Written| (Live::new(written.check().unwrap(), true, Instant::now()), None);
    Faults::new(7, written.into_iter().map(live))
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn delays_add_up_and_the_first_failure_is_named() {
    let delay = |name| Written { milliseconds: Some(20), ..written(name, "delay") };
    let faults = faults([delay("a"), written("b", "servfail"), delay("c"), written("d", "servfail")]);
    let strike = faults.strike(A, name("www.test").as_ref(), Transport::Udp);
    let expected = Strike { delay: Duration::from_millis(40), servfail: Some("b".to_owned()), ..Strike::default() };
    assert_eq!(strike, expected);
}

#[test]
fn a_fault_is_for_its_views_and_names_at_and_below_its_domains() {
    let fault = Written { domains: vec!["corp.test".to_owned()], ..written("a", "drop") };
    let live = Live::new(fault.check().unwrap(), true, Instant::now());
    let faults = Faults::new(0, [(live.clone(), Some([A].into()))]);
    let is_dropped = |view, qname: &str| faults.strike(view, name(qname).as_ref(), Transport::Tcp).is_dropped;
    assert!(is_dropped(A, "corp.test") && is_dropped(A, "a.b.CORP.test"));
    assert!(!is_dropped(B, "corp.test") && !is_dropped(A, "test") && !is_dropped(A, "xcorp.test"));
    assert_eq!((live.matched(), live.struck()), (2, 2));
}

#[test]
fn so_many_of_a_hundred_are_struck_whatever_else_is_asked() {
    let of = |percent| {
        let fault = Written { percent: Some(percent), ..written("a", "drop") };
        let faults = faults([fault]);
        (0..1000).map(|_| faults.strike(A, name("www.test").as_ref(), Transport::Udp).is_dropped).collect::<Vec<_>>()
    };
    let count = |struck: &[bool]| struck.iter().filter(|is_struck| **is_struck).count();
    assert_eq!(count(&of(100)), 1000);
    // Within five standard deviations of what chance would do.
    assert!(count(&of(30)).abs_diff(300) < 75, "{}", count(&of(30)));
    assert_eq!(of(30), of(30));
    // What a smaller share strikes is struck by a larger one as well.
    assert!(of(30).iter().zip(of(60)).all(|(few, many)| !few || many));
}

#[test]
fn what_is_no_datagram_is_not_truncated_and_does_not_count() {
    let faults = faults([Written { times: Some(1), ..written("a", "truncate") }]);
    let is_truncated = |transport| faults.strike(A, name("www.test").as_ref(), transport).is_truncated;
    assert!(!is_truncated(Transport::Tcp) && !is_truncated(Transport::Https));
    assert!(is_truncated(Transport::Udp) && !is_truncated(Transport::Udp));
}

#[test]
fn what_is_written_is_written_again() {
    let text = r#"{"name":"a","effect":"flap","private_endpoint":"pe","up_seconds":30,"down_seconds":10}"#;
    let fault = serde_json::from_str::<Written>(text).unwrap().check().unwrap();
    assert_eq!(serde_json::to_string(fault.written()).unwrap(), text);
    assert_eq!(fault.what(), "the private endpoint pe is connected for 30 s, then disconnected for 10 s");
}

//! A thousand record sets by azurerm, which opens a TLS connection for each request and leaves it idle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;

use serde_json::json;

use super::resources::planned;
use super::{LINKED, Provider, Terraform};

const SETS: usize = 1000;
/// Terraform's own default of `-parallelism`.
const PARALLEL: usize = 10;

#[test]
fn a_thousand_record_sets_over_connections_that_are_left_idle() {
    let terraform = Terraform::new(Provider::Azurerm, "mode = \"fast\"");
    let wanted = [super::group(), super::network(), super::zone(), format!("{}/virtualNetworkLinks/l", super::zone())];
    let all = planned();
    all.iter().filter(|planned| wanted.contains(&planned.path)).for_each(|planned| terraform.create(planned));
    let uri = |number: usize| format!("{}/A/h{number}?api-version=2024-06-01", super::zone());
    let body = |number: usize| {
        json!({"name": format!("h{number}"), "properties": {"metadata": {}, "ttl": 300,
               "aRecords": [{"ipv4Address": format!("10.{}.{}.1", number / 250, number % 250)}]}})
    };
    let in_parallel = |work: &(dyn Fn(usize) + Sync)| {
        let next = AtomicUsize::new(0);
        scope(|scope| {
            for _ in 0..PARALLEL {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= SETS {
                            break;
                        }
                        work(number);
                    }
                });
            }
        });
    };
    // Apply: three requests a set, as 900 sets were seen to leave 2702 connections open.
    in_parallel(&|number| {
        assert_eq!(terraform.get(&uri(number)).status, 404);
        let made = terraform.ask("PUT", &uri(number), "If-Match: \r\nIf-None-Match: \r\n", &body(number));
        assert_eq!(made.status, 201, "{}", made.body);
        let found = terraform.get(&uri(number));
        super::assert_as_sent("", &body(number), &found.body);
    });
    assert!(terraform.idle.lock().unwrap().len() >= 2700);
    for number in [0, 499, SETS - 1] {
        let address = format!("10.{}.{}.1", number / 250, number % 250);
        assert_eq!(terraform.dig(LINKED, &format!("h{number}.corp.test.")), [address]);
        assert_eq!(terraform.dig("127.1.0.4", &format!("h{number}.corp.test.")), ["Refused"]);
    }
    // Destroy.
    in_parallel(&|number| {
        assert_eq!(terraform.ask("DELETE", &uri(number), "If-Match: \r\n", &serde_json::Value::Null).status, 200);
    });
    assert_eq!(terraform.dig(LINKED, "h0.corp.test."), ["NXDomain"]);
}

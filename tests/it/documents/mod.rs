//! The documents that the project was started from, each a topology of its own with the document's own names. What is
//! expected is restated from the document.

mod data_explorer;
mod grafana;
mod kubernetes;
mod prometheus;
mod virtual_machines;

use hickory_proto::rr::RecordType::{A, CNAME};

use crate::support::show;
use crate::world::World;

const OUTSIDE: &str = "127.0.0.1";

/// What a document says of a name for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// "resolves to the private endpoint's IP address".
    Private,
    /// "resolves to the public endpoint".
    Public,
    /// The public name leads into a linked zone that lacks it.
    Lost,
    /// No name of the DNS, or none that this network knows.
    Nothing,
}

/// Asks for a name and compares: private addresses are in 10.0.0.0/8. `privatelink` is where the public name leads, where
/// there is a step.
#[track_caller]
fn check(world: &World, from: &str, name: &str, privatelink: Option<&str>, says: Says) {
    let answer = world.ask(from, name, A);
    let lines = show(&answer);
    let context = format!("{name} from {from}: {lines:?}");
    let aliases = answer.answers.iter().filter(|record| record.record_type() == CNAME);
    let targets: Vec<_> = aliases.map(|alias| alias.data.to_string().trim_end_matches('.').to_lowercase()).collect();
    let addresses = answer.answers.iter().filter(|record| record.record_type() == A);
    let addresses: Vec<_> = addresses.map(|record| record.data.to_string()).collect();
    if let Some(privatelink) = privatelink.filter(|_| says != Says::Nothing) {
        assert_eq!(targets.first().map(String::as_str), Some(privatelink), "{context}");
    }
    match says {
        Says::Private => {
            assert_eq!((addresses.len(), targets.len()), (1, usize::from(privatelink.is_some())), "{context}");
            assert!(addresses[0].starts_with("10."), "{context}");
        }
        Says::Public => {
            assert!(!addresses.is_empty() && !addresses.iter().any(|address| address.starts_with("10.")), "{context}");
            let has_step = targets.iter().any(|target| target.contains("privatelink"));
            assert_eq!(has_step, privatelink.is_some(), "{context}");
        }
        Says::Lost => assert_eq!((lines[0].as_str(), addresses.len()), ("NXDomain aa", 0), "{context}"),
        Says::Nothing => assert!(lines[0] != "NoError aa" && answer.answers.is_empty(), "{context}"),
    }
}

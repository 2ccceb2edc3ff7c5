//! Faults, by the control socket.

use serde_json::{Value, json};

use super::control_socket::failure;
use crate::control::{Control, PutFaultError};
use crate::faults::Written;

/// The faults that are in force.
pub(super) fn list(control: &Control) -> Value {
    let faults = control.faults().into_iter().map(|live| {
        let mut fault = json!(live.fault.written());
        fault["what"] = json!(live.fault.what());
        fault["matched"] = json!(live.matched());
        fault["struck"] = json!(live.struck());
        fault["declared"] = json!(live.is_declared);
        fault
    });
    json!({ "ok": true, "allowed": control.allows_faults(), "faults": faults.collect::<Vec<_>>() })
}

/// Puts a fault in force.
pub(super) fn set(control: &Control, uid: u32, written: Written) -> Value {
    let name = written.name.clone();
    match control.put_fault(written) {
        Ok(was_there) => {
            tracing::warn!(uid, fault = name, "a fault is put in force by the control socket");
            json!({ "ok": true, "replaced": was_there })
        }
        Err(error) => refused(&error),
    }
}

/// Ends a fault, or all.
pub(super) fn end(control: &Control, uid: u32, name: Option<&str>) -> Value {
    match control.end_faults(name) {
        Ok(()) => {
            tracing::warn!(uid, fault = name.unwrap_or("all"), "faults are ended by the control socket");
            json!({ "ok": true })
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &PutFaultError) -> Value {
    failure(error.to_string())
}

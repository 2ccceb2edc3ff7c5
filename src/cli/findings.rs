//! Findings in JSON: the form that all commands share.

use serde_json::{Value, json};

use crate::config::Problem;

/// A finding. Lines and columns count from 1; line 0 is the file as a whole.
pub(super) fn as_json(problem: &Problem) -> Value {
    json!({
        "code": problem.code.as_str(),
        "severity": problem.severity().as_str(),
        "file": &*problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "what": problem.what,
        "help": problem.mend,
    })
}

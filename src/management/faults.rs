//! Faults: `PUT`, `GET` and `DELETE` of `/providers/Vnetdns.Faults/faults/NAME`. Azure has nothing of the kind: the provider is our
//! own, and no client of Azure meets it. Nothing is kept of them but a line in the audit log.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::arm::Arm;
use super::audit::Asked;
use super::error::ApiError;
use super::request::Request;
use super::response::Response;
use crate::control::{Control, PutFaultError};
use crate::faults::{Live, Written};

/// What a fault shows beside what it was made of. It may be sent back, and means nothing then.
const SHOWN: [&str; 4] = ["what", "matched", "struck", "declared"];

impl Arm {
    /// Answers what is asked of faults, or of one.
    pub(super) async fn faults(
        self: Arc<Self>,
        name: Option<String>,
        request: &Request,
        asked: Asked,
    ) -> Result<Response, ApiError> {
        let arm = self.clone();
        let work: Box<dyn FnOnce() -> Result<Response, ApiError> + Send> = match (name, &request.method) {
            (None, &Method::GET | &Method::HEAD) => Box::new(move || Ok(list(arm.control()))),
            (Some(name), &Method::GET | &Method::HEAD) => Box::new(move || one(arm.control(), &name, StatusCode::OK)),
            (Some(name), &Method::PUT) => {
                let written = read(&name, &request.json()?)?;
                Box::new(move || arm.put_fault(&name, written, &asked))
            }
            (Some(name), &Method::DELETE) => Box::new(move || arm.end_fault(&name, &asked)),
            (_, method) => {
                let message = format!("The requested resource does not support http method '{method}'.");
                return Err(ApiError::front(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    fn put_fault(&self, name: &str, written: Written, asked: &Asked) -> Result<Response, ApiError> {
        let control = self.control();
        self.audit().fault(asked, &id(name), find(control, name).as_ref().map(show), json!(written))?;
        let put = control.put_fault(written).map_err(refused);
        self.audit().after_fault(asked, put.as_ref().map(|_| ()));
        let status = if put? { StatusCode::OK } else { StatusCode::CREATED };
        tracing::warn!(client = asked.client, fault = name, "a fault is put in force by the management API");
        one(control, name, status)
    }

    fn end_fault(&self, name: &str, asked: &Asked) -> Result<Response, ApiError> {
        let control = self.control();
        let Some(before) = find(control, name) else { return Ok(Response::empty(StatusCode::NO_CONTENT)) };
        self.audit().fault(asked, &id(name), Some(show(&before)), Value::Null)?;
        match control.end_faults(Some(name)) {
            Ok(()) => {
                self.audit().after_fault(asked, Ok(()));
                tracing::warn!(client = asked.client, fault = name, "a fault is ended by the management API");
                Ok(Response::empty(StatusCode::OK))
            }
            Err(PutFaultError::Missing(_)) => Ok(Response::empty(StatusCode::NO_CONTENT)),
            Err(error) => Err(refused(error)),
        }
    }
}

/// The fault that a body describes: its properties are the keys of a configuration.
fn read(name: &str, body: &Value) -> Result<Written, ApiError> {
    let mut properties = body["properties"].as_object().cloned().unwrap_or_else(Map::new);
    for shown in SHOWN {
        properties.remove(shown);
    }
    properties.insert("name".to_owned(), json!(name));
    serde_json::from_value(Value::Object(properties))
        .map_err(|error| ApiError::bad_request("InvalidRequestContent", format!("The fault cannot be read: {error}.")))
}

fn list(control: &Control) -> Response {
    Response::ok(json!({ "value": control.faults().iter().map(show).collect::<Vec<_>>() }))
}

fn one(control: &Control, name: &str, status: StatusCode) -> Result<Response, ApiError> {
    let found = find(control, name).ok_or_else(|| {
        let message = format!("The Resource 'Vnetdns.Faults/faults/{name}' was not found.");
        ApiError::front(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    })?;
    Ok(Response::json(status, show(&found)))
}

fn find(control: &Control, name: &str) -> Option<Live> {
    control.faults().into_iter().find(|live| live.fault.name() == name)
}

fn id(name: &str) -> String {
    format!("/providers/Vnetdns.Faults/faults/{name}")
}

fn show(live: &Live) -> Value {
    let name = live.fault.name();
    let mut properties = json!(live.fault.written());
    if let Some(properties) = properties.as_object_mut() {
        properties.remove("name");
        properties.insert("what".to_owned(), json!(live.fault.what()));
        properties.insert("matched".to_owned(), json!(live.matched()));
        properties.insert("struck".to_owned(), json!(live.struck()));
        properties.insert("declared".to_owned(), json!(live.is_declared));
    }
    json!({ "id": id(name), "name": name, "type": "Vnetdns.Faults/faults", "properties": properties })
}

fn refused(error: PutFaultError) -> ApiError {
    match error {
        PutFaultError::NotAllowed => ApiError::front(StatusCode::FORBIDDEN, "FaultsNotAllowed", error.to_string()),
        error => ApiError::bad_request("BadRequest", error.to_string()),
    }
}

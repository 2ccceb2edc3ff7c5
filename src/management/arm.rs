//! Answers requests for resources.

use std::sync::Arc;

use hyper::header::AUTHORIZATION;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::audit::{Asked, Audit};
use super::body::text;
use super::conditions::Conditions;
use super::error::ApiError;
use super::identity::{Identity, Principal, TENANT};
use super::kinds::{self, Acted, Found, Kind, Manner};
use super::operations::Operation;
use super::order::{Order, Outcome};
use super::path::{List, Scope, Target, group_id};
use super::provider::Provider;
use super::request::{ApiVersion, Request};
use super::response::Response;
use super::state::{Live, State, Unavailable, Written, refusal};
use super::{Clock, group, list};
use crate::azure::{ResourceGroup, ResourceId, Subscription};
use crate::config::{ManagementMode, ManagementSettings};
use crate::control::{Control, Transaction, View, Writer};

/// Answers requests of the management API.
#[derive(Debug)]
pub(super) struct Arm {
    writer: Writer,
    identity: Identity,
    settings: ManagementSettings,
    audit: Arc<Audit>,
    clock: Clock,
}

impl Arm {
    pub(super) fn new(
        writer: Writer,
        identity: Identity,
        settings: ManagementSettings,
        audit: Audit,
        clock: Clock,
    ) -> Self {
        Self { writer, identity, settings, audit: Arc::new(audit), clock }
    }

    pub(super) fn control(&self) -> &Control {
        self.writer.control()
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Whether a request is answered without access to resources.
    pub(super) fn is_about_identity(&self, request: &Request) -> bool {
        request.segments.first().is_none_or(|first| {
            !["subscriptions", "tenants", "providers"].iter().any(|known| first.eq_ignore_ascii_case(known))
        })
    }

    /// Verifies that a client may ask for resources at all.
    ///
    /// # Errors
    /// A token is required, and there is no valid one.
    pub(super) fn admit(&self, authorization: Option<&str>) -> Result<(), ApiError> {
        self.identity.principal(authorization, self.clock.now() / 1000).map(|_| ())
    }

    /// Answers a request.
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Response {
        let now = self.clock.now() / 1000;
        if let Some(answer) = self.identity.answer(&request, now) {
            return answer.unwrap_or_else(Response::from);
        }
        match self.answer_about(Arc::new(request), now).await {
            Ok(answer) => answer,
            Err(error) => error.into(),
        }
    }

    async fn answer_about(self: Arc<Self>, request: Arc<Request>, now: u64) -> Result<Response, ApiError> {
        let principal = self.identity.principal(request.header(AUTHORIZATION), now)?;
        let target = Target::parse(&request.segments)?;
        let version = request.api_version()?;
        let target = match (target, &request.method) {
            (Target::List(List::Within(id, action)), &Method::POST) => Target::Action(id, action),
            (target, _) => target,
        };
        let asks = matches!(target, Target::NameAvailability(_));
        let is_write = !asks && !matches!(request.method, Method::GET | Method::HEAD);
        permitted(principal, &target, is_write)?;
        let asked = || self.audit.asked(principal.name(), format!("{} {}", request.method, request.path), now);
        match (target, request.method.as_str()) {
            (Target::Resource(id), "PUT" | "PATCH") => {
                let asked = asked();
                self.put(id, &request, &version, asked).await
            }
            (Target::Resource(id), "DELETE") => {
                let asked = asked();
                self.delete(id, &request, &version, asked).await
            }
            (Target::Group(group), "PUT" | "PATCH") => {
                let order = group::Order::new(group.clone(), &request)?;
                let key = group.clone();
                let decide = move |state: &dyn State, outcome: &mut Outcome| {
                    let (is_new, written) = order.decide(state)?;
                    outcome.is_new = is_new;
                    Ok(written)
                };
                let outcome = self.submit(asked(), decide, group::refused).await?;
                self.read_group(key, status(outcome.is_new)).await
            }
            (Target::Group(group), "DELETE") => {
                let of_group = group.clone();
                self.submit(asked(), move |state, _| group::delete(&of_group, state), group::refused).await?;
                let operation = self.operation("DeleteResourceGroup", None);
                if self.settings.mode == ManagementMode::Fast {
                    return Ok(Response::empty(StatusCode::OK).finished());
                }
                let subscription = group.subscription();
                Ok(operation.told_of_group(
                    &request.base,
                    &subscription.to_string(),
                    version.as_str(),
                    self.clock.now(),
                ))
            }
            (Target::ProviderAction(subscription, namespace), "POST") => {
                Ok(Response::ok(list::provider(&subscription, &namespace)))
            }
            (Target::NameAvailability(_), "POST") => {
                let asked = request.json()?;
                let said = self.looked(move |state| Ok(list::name_availability(&asked, state)?)).await?;
                Ok(Response::ok(said))
            }
            (Target::Faults(name), _) => {
                let asked = asked();
                self.faults(name, &request, asked).await
            }
            (Target::Validate, "POST") => Ok(Response::ok(json!({}))),
            (Target::Action(id, action), "POST") => {
                let asked = asked();
                self.act(id, action, &request, &version, asked).await
            }
            (target, "GET" | "HEAD") => {
                let arm = self.clone();
                let read = move || arm.read(target, &request, &version);
                let answer = tokio::task::spawn_blocking(read).await;
                answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }
            _ => {
                let message = format!("The requested resource does not support http method '{}'.", request.method);
                Err(ApiError::front(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message))
            }
        }
    }

    /// Answers a request that changes nothing. May block.
    fn read(&self, target: Target, request: &Request, version: &ApiVersion) -> Result<Response, ApiError> {
        let principal = self.identity.principal(request.header(AUTHORIZATION), self.clock.now() / 1000)?;
        self.look(|state| self.read_of(target, request, version, principal, state))
    }

    /// Gives access to what is committed and served. May block.
    fn look<T>(&self, look: impl FnOnce(&dyn State) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let looked = self.writer.look(|view| look(&Live(view)));
        looked.map_err(|error| ApiError::from(Unavailable::from(error)))?
    }

    /// As [`Self::look`], from a task: runs on a blocking thread.
    pub(super) async fn looked<T: Send + 'static>(
        self: Arc<Self>,
        look: impl FnOnce(&dyn State) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let looked = tokio::task::spawn_blocking(move || self.look(look)).await;
        looked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    fn read_of(
        &self,
        target: Target,
        request: &Request,
        version: &ApiVersion,
        principal: Principal<'_>,
        state: &dyn State,
    ) -> Result<Response, ApiError> {
        let now = self.clock.now();
        let page = list::Page::of(request)?;
        Ok(match target {
            Target::Tenants => {
                let id = format!("/tenants/{TENANT}");
                Response::ok(json!({ "value": [{ "id": id, "tenantId": TENANT, "displayName": "vnetdns",
                                                 "countryCode": "", "domains": [], "tenantCategory": "Home" }] }))
            }
            Target::Subscriptions => {
                let known = list::subscriptions(state)?;
                let known = known.iter().filter(|id| principal.may(false, &id.to_string(), None));
                Response::ok(json!({ "value": known.map(subscription).collect::<Vec<_>>() }))
            }
            Target::Subscription(id) => Response::ok(subscription(&id)),
            Target::Providers(subscription, None) => Response::ok(json!({ "value": list::providers(&subscription) })),
            Target::Providers(subscription, Some(namespace)) => Response::ok(list::provider(&subscription, &namespace)),
            Target::Groups(subscription) => {
                let groups = group::all(&subscription, state)?;
                let groups = groups.into_iter().filter(|(key, _)| {
                    let name = key.rsplit('/').next().unwrap_or_default();
                    principal.may_read(&subscription.to_string(), name)
                });
                Response::ok(page.of_values(groups.collect(), request))
            }
            Target::Group(group) => match group::find(&group, state)? {
                Some(_) if request.method == Method::HEAD => Response::empty(StatusCode::NO_CONTENT),
                Some(found) => Response::ok(found),
                None => return Err(ApiError::group_not_found(&group)),
            },
            Target::Resources(scope) => {
                let found = list::resources(&scope, principal, state)?;
                Response::ok(page.of_values(found, request))
            }
            Target::Resource(id) => self.get(&id, request, version, state)?,
            Target::List(List::Within(parent, child_type)) => {
                list::within(&parent, &child_type, &page, request, version, state)?
            }
            Target::List(List::In(scope, resource_type)) => {
                if let Scope::Group(group) = &scope
                    && group::find(group, state)?.is_none()
                {
                    return Err(ApiError::group_not_found(group));
                }
                list::in_scope(&scope, &resource_type, (&page, request, version), principal, state)?
            }
            Target::Operation { id, wants_result } => {
                let url = format!("{}{}?api-version={}", request.base, request.path, version.as_str());
                let is_private_dns = request.path.to_ascii_lowercase().contains("/privatednsoperation");
                let operation = Operation::from_id(&id);
                // Links that are due are completed soon, and not before that is served it is said.
                let is_due = || state.topology().links_in_progress().any(|(until, ..)| until <= now);
                let now = match &operation {
                    Some(operation) if operation.makes_link() && is_due() => now.min(operation.ends.saturating_sub(1)),
                    _ => now,
                };
                match operation {
                    Some(operation) if wants_result => operation.result(&url, now),
                    Some(operation) => operation.status(&url, is_private_dns, now),
                    None => {
                        let message = format!("The operation '{id}' was not found.");
                        return Err(ApiError::front(StatusCode::NOT_FOUND, "OperationNotFound", message));
                    }
                }
            }
            Target::ProviderAction(..)
            | Target::NameAvailability(_)
            | Target::Action(..)
            | Target::Validate
            | Target::Faults(_) => {
                let message = "The requested resource does not support http method 'GET'.";
                return Err(ApiError::front(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
            }
        })
    }

    /// The kind of a resource. Types of the catalogue are looked up.
    pub(super) async fn kind_of(self: Arc<Self>, id: &ResourceId) -> Result<Arc<dyn Kind>, ApiError> {
        if let Some(kind) = kinds::fixed(id.resource_type()) {
            return Ok(kind);
        }
        let id = id.clone();
        self.looked(move |state| kind_of(&id, state)).await
    }

    async fn read_group(self: Arc<Self>, group: ResourceGroup, status: StatusCode) -> Result<Response, ApiError> {
        let found = self.looked(move |state| Ok(group::find(&group, state)?)).await?;
        Ok(Response::json(status, found.unwrap_or_default()).finished())
    }

    fn get(
        &self,
        id: &ResourceId,
        request: &Request,
        version: &ApiVersion,
        state: &dyn State,
    ) -> Result<Response, ApiError> {
        let kind = kind_of(id, state)?;
        match kinds::find(&*kind, id, state)? {
            Some(found) => {
                let mut shown = kinds::show(&*kind, &found, version, state)?;
                let expanded = request.query.get("$expand");
                if let Some((name, part)) = expanded.and_then(|name| Some((name, kind.part(&found, name, state)?))) {
                    shown["properties"][name] = part;
                }
                Ok(Response::ok(shown).with_etag())
            }
            None if group::find(id.resource_group(), state)?.is_none() => {
                Err(ApiError::group_not_found(id.resource_group()))
            }
            None => Err(ApiError::not_found(&kinds::canonical(&*kind, id))),
        }
    }

    async fn put(
        self: Arc<Self>,
        id: ResourceId,
        request: &Arc<Request>,
        version: &ApiVersion,
        asked: Asked,
    ) -> Result<Response, ApiError> {
        let kind = self.clone().kind_of(&id).await?;
        let body = request.json()?;
        let order = Order {
            id: kinds::canonical(&*kind, &id),
            conditions: Conditions::of(request),
            body,
            is_patch: request.method == Method::PATCH,
            link_completes: self.link_completes(),
        };
        let of_writer = (order.clone(), kind.clone());
        let decide =
            move |state: &dyn State, outcome: &mut Outcome| of_writer.0.decide_put(&*of_writer.1, state, outcome);
        let outcome = self.submit(asked, decide, |why| kind.refused(why)).await;
        let outcome = match outcome {
            Err(error) if self.fails_later(&*kind, &error) => {
                let operation = self.operation_on(&*kind, "Upsert", Some(error));
                return Ok(self.accepted(operation, &*kind, &order, request, version));
            }
            outcome => outcome?,
        };
        let is_azure = self.settings.mode == ManagementMode::Azure;
        match kind.manner() {
            Manner::Accepted(_) if is_azure => {
                let mut operation = self.operation_on(&*kind, "Upsert", None);
                operation.ends = operation.ends.max(outcome.completes.unwrap_or_default());
                Ok(self.accepted(operation, &*kind, &order, request, version))
            }
            manner => {
                let found = outcome.found.ok_or_else(|| ApiError::not_found(&order.id))?;
                let shown = match outcome.is_complete {
                    // The answer need not wait for writes in progress.
                    true => kinds::show_alone(&*kind, &found, version),
                    false => self.clone().shown(kind.clone(), found, version.clone()).await?,
                };
                let answer =
                    Response::json(if outcome.is_new { kind.made() } else { StatusCode::OK }, shown).with_etag();
                Ok(match manner {
                    Manner::Begun if is_azure => self.begun(&*kind, answer, &order, request, version),
                    _ => answer.finished(),
                })
            }
        }
    }

    /// Writes a resource for a client that was authenticated in another way than over HTTP.
    pub(super) async fn put_as(&self, client: &str, kind: Arc<dyn Kind>, order: Order) -> Result<(), ApiError> {
        let asked = self.audit.asked(client, format!("PUT {}", order.id), self.clock.now() / 1000);
        let of_writer = kind.clone();
        let decide = move |state: &dyn State, outcome: &mut Outcome| order.decide_put(&*of_writer, state, outcome);
        self.submit(asked, decide, |why| kind.refused(why)).await.map(|_| ())
    }

    async fn delete(
        self: Arc<Self>,
        id: ResourceId,
        request: &Arc<Request>,
        version: &ApiVersion,
        asked: Asked,
    ) -> Result<Response, ApiError> {
        let kind = self.clone().kind_of(&id).await?;
        let id = kinds::canonical(&*kind, &id);
        let order =
            Order { id, conditions: Conditions::of(request), body: Value::Null, is_patch: false, link_completes: None };
        let of_writer = (order.clone(), kind.clone());
        let decide =
            move |state: &dyn State, outcome: &mut Outcome| of_writer.0.decide_delete(&*of_writer.1, state, outcome);
        let outcome = self.submit(asked, decide, |why| kind.refused(why)).await?;
        if outcome.was_missing {
            return Ok(Response::empty(StatusCode::NO_CONTENT).finished());
        }
        match kind.manner() {
            Manner::AtOnce => Ok(Response::empty(StatusCode::OK).finished()),
            _ if self.settings.mode == ManagementMode::Fast => Ok(Response::empty(StatusCode::OK).finished()),
            _ => {
                let operation = self.operation_on(&*kind, "Delete", None);
                Ok(self.accepted(operation, &*kind, &order, request, version))
            }
        }
    }

    /// Carries out an action that a client asks for by POST.
    async fn act(
        self: Arc<Self>,
        id: ResourceId,
        action: String,
        request: &Arc<Request>,
        version: &ApiVersion,
        asked: Asked,
    ) -> Result<Response, ApiError> {
        let kind = self.clone().kind_of(&id).await?;
        let acts = move |kind: &dyn Kind, state: &dyn State| {
            let found = kinds::find(kind, &id, state)?;
            let found = found.ok_or_else(|| ApiError::not_found(&kinds::canonical(kind, &id)))?;
            kind.act(&found, &action, state)?.ok_or_else(|| no_action(&id, &action)).map(|acted| (found.id, acted))
        };
        let (of_look, looking) = (acts.clone(), kind.clone());
        let (id, acted) = self.clone().looked(move |state| of_look(&*looking, state)).await?;
        if let Acted::Says(said) = acted {
            return Ok(Response::ok(said));
        }
        let of_writer = kind.clone();
        let decide = move |state: &dyn State, _: &mut Outcome| match acts(&*of_writer, state)?.1 {
            Acted::Writes(written) => Ok(written),
            Acted::Says(_) => Ok(Written::default()),
        };
        self.submit(asked, decide, |why| kind.refused(why)).await?;
        if self.settings.mode == ManagementMode::Fast {
            return Ok(Response::empty(StatusCode::OK).finished());
        }
        let order =
            Order { id, conditions: Conditions::default(), body: Value::Null, is_patch: false, link_completes: None };
        let operation = self.operation("DeleteNothing", None);
        Ok(self.told(&operation, Response::empty(StatusCode::ACCEPTED), &*kind, &order, request, version))
    }

    /// Submits a write, and returns what the decision recorded. `refused` makes the error if the world does not allow it.
    async fn submit(
        &self,
        asked: Asked,
        mut decide: impl FnMut(&dyn State, &mut Outcome) -> Result<Written, ApiError> + Send + 'static,
        refused: impl Fn(&str) -> ApiError,
    ) -> Result<Outcome, ApiError> {
        let (audit, of_writer) = (self.audit.clone(), asked.clone());
        let mut is_logged = false;
        let decided = move |view: &View<'_>| {
            let (mut outcome, state) = (Outcome::default(), Live(view));
            let written = decide(&state, &mut outcome)?;
            // The decision may be repeated if other writes interfere.
            if !is_logged && !written.edits.is_empty() {
                audit.before(&of_writer, &written, &state)?;
                is_logged = true;
            }
            Ok((Transaction::from(written), outcome))
        };
        let written = self.writer.write(decided).await.map_err(|error| refusal(error, refused));
        self.audit.after(&asked, written.as_ref().map(|written| written.revision.0));
        let written = written?;
        let mut outcome = written.value;
        if let Some(found) = &mut outcome.found {
            found.mark = self.writer.store().id().etag(written.revision);
        }
        Ok(outcome)
    }

    async fn shown(self: Arc<Self>, kind: Arc<dyn Kind>, found: Found, version: ApiVersion) -> Result<Value, ApiError> {
        let show = move |state: &dyn State| {
            let again = match kind.has_document() {
                true => None,
                false => kinds::find(&*kind, &found.id, state)?,
            };
            Ok(kinds::show(&*kind, &again.unwrap_or(found), &version, state)?)
        };
        self.looked(show).await
    }

    /// Whether Azure reports an error only through the status of the operation.
    fn fails_later(&self, kind: &dyn Kind, error: &ApiError) -> bool {
        self.settings.mode == ManagementMode::Azure
            && matches!(kind.provider(), Provider::PrivateDns(_))
            && kind.manner() != Manner::AtOnce
            && error.status == StatusCode::PRECONDITION_FAILED
    }

    fn operation(&self, kind: impl Into<String>, failure: Option<ApiError>) -> Operation {
        let mut octets = [0; 16];
        // If the system provides none, the time distinguishes operations as well.
        if getrandom::fill(&mut octets).is_err() {
            octets[..8].copy_from_slice(&self.clock.now().to_be_bytes());
        }
        Operation {
            kind: kind.into(),
            guid: super::guid(&octets),
            ends: self.clock.now() + self.settings.operation_time.as_millis() as u64,
            failure: failure.map(|error| (error.code, error.message)),
        }
    }

    /// An operation on a resource: `Upsert` or `Delete`.
    fn operation_on(&self, kind: &dyn Kind, verb: &str, failure: Option<ApiError>) -> Operation {
        let name = if let Manner::Accepted(name) = kind.manner() { name } else { "Resource" };
        self.operation(format!("{verb}{name}"), failure)
    }

    /// 202, and where to ask how it goes.
    fn accepted(
        &self,
        operation: Operation,
        kind: &dyn Kind,
        order: &Order,
        request: &Request,
        version: &ApiVersion,
    ) -> Response {
        let answer = match operation.is_deletion() {
            true => Response::empty(StatusCode::ACCEPTED),
            false => Response::json(StatusCode::ACCEPTED, json!({})),
        };
        self.told(&operation, answer, kind, order, request, version)
    }

    /// When a link that is made now is completed; `None` where that is at once.
    fn link_completes(&self) -> Option<u64> {
        let delay = self.settings.link_time.as_millis() as u64;
        (delay > 0).then(|| self.clock.now() + delay)
    }

    /// Adds the URL of an operation.
    fn told(
        &self,
        operation: &Operation,
        answer: Response,
        kind: &dyn Kind,
        order: &Order,
        request: &Request,
        version: &ApiVersion,
    ) -> Response {
        let location = text(&order.body, "location").unwrap_or("global").replace(' ', "").to_ascii_lowercase();
        let is_word = !location.is_empty() && location.bytes().all(|octet| octet.is_ascii_alphanumeric());
        let location = if is_word { location.as_str() } else { "global" };
        let group = group_id(order.id.resource_group());
        let place = (kind.provider(), &*request.base, &*group, location, version.as_str());
        operation.told(answer, place, self.clock.now())
    }

    /// The answer to a PUT in progress: the resource, with the URL of the operation.
    fn begun(
        &self,
        kind: &dyn Kind,
        mut answer: Response,
        order: &Order,
        request: &Request,
        version: &ApiVersion,
    ) -> Response {
        let operation = self.operation("UpsertResource", None);
        let properties = answer.body.as_mut().and_then(|body| body.get_mut("properties")?.as_object_mut());
        if let Some(properties) = properties {
            kind.show_begun(properties);
        }
        self.told(&operation, answer, kind, order, request, version)
    }
}

pub(super) fn kind_of(id: &ResourceId, state: &dyn State) -> Result<Arc<dyn Kind>, ApiError> {
    kinds::of(id.resource_type(), state.catalogue()).ok_or_else(|| {
        let resource_type = id.resource_type();
        let (namespace, name) = resource_type.split_once('/').unwrap_or((resource_type, ""));
        let message = format!(
            "The resource type '{name}' could not be found in the namespace '{namespace}': it is none of those that this \
             server knows."
        );
        ApiError::front(StatusCode::NOT_FOUND, "InvalidResourceType", message)
    })
}

fn no_action(id: &ResourceId, action: &str) -> ApiError {
    let message = format!("The action '{action}' is not known for '{id}'.");
    ApiError::front(StatusCode::NOT_FOUND, "InvalidAction", message)
}

fn permitted(principal: Principal<'_>, target: &Target, is_write: bool) -> Result<(), ApiError> {
    let is_permitted = match target.scope() {
        None if matches!(target, Target::Faults(_)) => principal.may_everywhere(is_write),
        None => true,
        Some((subscription, group)) => principal.may(is_write, &subscription.to_string(), group),
    };
    match is_permitted {
        true => Ok(()),
        false => {
            let verb = if is_write { "write" } else { "read" };
            let message = format!(
                "The client '{}' does not have authorization to perform action '{verb}' over this scope: see \
                 [[management.client]].",
                principal.name()
            );
            Err(ApiError::front(StatusCode::FORBIDDEN, "AuthorizationFailed", message))
        }
    }
}

fn status(is_new: bool) -> StatusCode {
    if is_new { StatusCode::CREATED } else { StatusCode::OK }
}

fn subscription(id: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"), "subscriptionId": id.to_string(), "tenantId": TENANT,
        "displayName": "vnetdns", "state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": [],
        "subscriptionPolicies": { "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01",
                                  "spendingLimit": "Off" },
    })
}

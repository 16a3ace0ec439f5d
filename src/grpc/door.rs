//! What a call passes before its work begins: whose key the platform sees, which agent it may invoke, and
//! what the proxy attaches.

use std::{collections::BTreeSet, sync::Arc};

use http::Extensions;
use tonic::{Request, Status, metadata::MetadataMap};

use super::{
    call::Call,
    guard::Guard,
    request::{attach::Attach, auth::Auth, metadata},
    response::status::refuse_at_the_door,
};
use crate::{
    calls::{Error, Kind},
    config::Tasks,
    platform::{Context, Credentials, Keys},
    proto::{InvokeRequest, ListTasksRequest},
    telemetry::Record,
    translate,
};

/// The way in.
pub struct Door {
    /// Whose key the platform sees.
    pub keys: Arc<Keys>,
    /// Whether that is the caller's own where it brings one.
    pub pass_through: bool,
    /// Which agents callers may invoke.
    pub auth: Arc<Auth>,
    /// What it takes to reach a task.
    pub tasks: Tasks,
    /// Who may see lists of tasks.
    pub list_tasks: BTreeSet<String>,
    /// What is attached to invocations.
    pub attach: Attach,
    /// The agent of invocations that name none.
    pub default_agent: Option<String>,
    /// The largest response message in bytes.
    pub max_response_bytes: usize,
}

impl Door {
    /// Begins a call.
    ///
    /// # Errors
    /// When its metadata is wrong; the platform has not been touched.
    pub fn begin<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let call = self.enter(&metadata, extensions)?;
        // It is decoded, and nothing goes on with it.
        call.context.request_is_over();
        Ok((call, message))
    }

    /// Begins a call that creates a task, with what the proxy attaches to it.
    ///
    /// # Errors
    /// When its metadata is wrong or its caller may not invoke the agent; no task was created.
    pub fn begin_create<M>(
        &self,
        request: Request<M>,
        invocation: impl FnOnce(&mut M) -> Option<&mut InvokeRequest>,
    ) -> Result<(Call, M), Status> {
        let (metadata, extensions, mut message) = request.into_parts();
        let call = self.enter(&metadata, extensions)?;
        if let Some(invocation) = invocation(&mut message) {
            call.of_agent(&invocation.agent_id);
            let prepared = self.prepare(&call.context.record, invocation, &metadata);
            prepared.map_err(|error| refuse_at_the_door(&call.context.record, error))?;
        }
        Ok((call, message))
    }

    /// Begins a call that lists tasks, where its caller may see them.
    ///
    /// # Errors
    /// When its metadata is wrong or its caller may not; the platform has not been touched.
    pub fn begin_list(&self, request: Request<ListTasksRequest>) -> Result<(Call, ListTasksRequest), Status> {
        let (call, request) = self.begin(request)?;
        let record = &call.context.record;
        self.may_list(record, &request).map_err(|error| refuse_at_the_door(record, error))?;
        Ok((call, request))
    }

    fn may_list(&self, record: &Record, request: &ListTasksRequest) -> Result<(), Error> {
        let caller = record.caller().map(|caller| &**caller);
        if !self.auth.is_among(caller, &self.list_tasks) {
            return Err(Error::new(Kind::ListsForbidden("auth.list_tasks does not name it")));
        }
        match translate::lists::listed_agent(request, self.default_agent.as_deref()) {
            Some(agent) => self.auth.check_agent(record, agent),
            None if request.user_id.is_empty() || self.attach.lets_speak(&self.auth, caller) => Ok(()),
            None => Err(Error::new(Kind::ListsForbidden(
                "a user's own list is for those who may speak for users (users.callers)",
            ))),
        }
    }

    /// The agents that a call's caller may invoke; None for every one.
    pub fn invocable(&self, call: &Call) -> Option<&BTreeSet<String>> {
        self.auth.agents(call.context.record.caller().map(|caller| &**caller))
    }

    /// The agents whose tasks are in reach of a call, where that matters: a create that goes on with a task always needs the
    /// right to its agent, another call where the settings say so.
    pub fn agents(&self, call: &Call) -> Option<&BTreeSet<String>> {
        let record = &call.context.record;
        let matters = record.method().creates || self.tasks == Tasks::Agent;
        self.auth.agents(record.caller().map(|caller| &**caller)).filter(|_| matters)
    }

    fn enter(&self, metadata: &MetadataMap, mut extensions: Extensions) -> Result<Call, Status> {
        // Every request has passed the layers.
        let guard: Option<Arc<Guard>> = extensions.remove();
        let guard = guard.ok_or_else(|| Status::internal("internal error"))?;
        let credentials =
            self.credentials(&guard.record, metadata).map_err(|error| refuse_at_the_door(&guard.record, error))?;
        let context = Context {
            credentials,
            request_id: guard.record.request_id(),
            deadline: guard.deadline,
            record: Arc::clone(&guard.record),
            permit: guard.share(),
            account: Some(Arc::clone(&guard.account)),
        };
        Ok(Call { context, guard, max_response_bytes: self.max_response_bytes })
    }

    /// Checks that the caller may invoke the agent, and attaches what the request does not say itself.
    fn prepare(&self, record: &Record, invocation: &mut InvokeRequest, metadata: &MetadataMap) -> Result<(), Error> {
        let agent = Some(&*invocation.agent_id).filter(|id| !id.is_empty()).or(self.default_agent.as_deref());
        agent.map_or(Ok(()), |agent| self.auth.check_agent(record, agent))?;
        self.attach.to(invocation, &self.auth, record, metadata.as_ref())
    }

    /// The caller's own key where that is switched on and it brings one, else the proxy's.
    fn credentials(&self, record: &Record, metadata: &MetadataMap) -> Result<Arc<Credentials>, Error> {
        if self.pass_through {
            let (key, organization) = metadata::platform_key(metadata)?;
            if let Some(key) = key {
                record.set_brings_key();
                let organization = organization.or(self.keys.organization());
                let organization = organization.ok_or_else(|| Error::invalid("x-organization-id", "is required"))?;
                return self.keys.of_caller(key, organization).map_err(|_| Error::new(Kind::Internal));
            }
            // The proxy's key is for the proxy's organization.
            if organization.is_some() {
                return Err(Error::invalid("x-api-key", "is required beside x-organization-id"));
            }
        }
        self.keys.own().ok_or_else(|| Error::new(Kind::Unauthenticated("the platform's key is required in x-api-key")))
    }
}

//! The platform's routes: loads agents, creates, reads and stops tasks, opens event streams.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use reqwest::{RequestBuilder, Response};

use super::{
    agents::{Agents, Loaded},
    codings,
    error::Error,
    events::EventStream,
    ids::is_id,
    progress::{CreateBody, Phase, Progress, State},
    retry::Retries,
    transport::{Context, JSON, Transport, until},
    wire,
};
use crate::{
    config,
    memory::Budget,
    telemetry::{Route, Sending},
};

/// Speaks to the platform. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(super) transport: Transport,
    agents: Agents,
    pub(super) retries: Retries,
}

impl Client {
    /// Makes the process's one client.
    #[must_use]
    pub fn new(settings: &config::Settings, budget: Arc<Budget>) -> Self {
        let platform = &settings.platform;
        let (agents, retries) = (Agents::new(platform.agent_cache_ttl), Retries::new(platform.retries));
        Self { transport: Transport::new(settings, budget), agents, retries }
    }

    /// The id to create tasks under for an agent that is asked for by id or name. Remembered for a few seconds; many
    /// calls at once make one request.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn agent_id(&self, context: &Context, agent: &str, version: Option<&str>) -> Result<Arc<str>, Error> {
        let is_known = AtomicBool::new(true);
        let load = async || {
            is_known.store(false, Relaxed);
            // The lookup serves other calls too: it does not end with this one's deadline, nor is its room this one's.
            let context = Context { account: None, ..context.without_deadline() };
            let mut attempts = self.retries.begin(&context, Route::LoadAgent);
            loop {
                let request = context.credentials.http.builder().get(context.credentials.rest(&["agents", agent])?);
                match self.transport.json(&context, request, attempts.next(), |_| Ok(())).await {
                    Err(error) if error.is_worth_repeating() && attempts.again(&error).await => {}
                    Ok::<Box<wire::Agent>, _>(agent) if is_id(&agent.id) => {
                        return Ok(Loaded { id: agent.id.into(), name: agent.name.into() });
                    }
                    // Nothing of it is kept.
                    Ok(_) => {
                        return Err(unreadable(Route::LoadAgent, "its agent has an id that cannot stand in a path"));
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let loading = self.agents.get_or_load(&context.credentials, agent, version, load);
        let agent = until(context.deadline, loading).await.unwrap_or(Err(Error::Deadline));
        context.record.looked_up(is_known.load(Relaxed));
        let Loaded { id, name } = agent?;
        context.record.agent_loaded(&id, &name);
        Ok(id)
    }

    /// Asks whether a create may be sent, once for each, before all that leads to it.
    ///
    /// # Errors
    /// While the platform is to be left alone.
    pub fn may_create(&self, context: &Context) -> Result<(), Error> {
        self.transport.ask(context, Route::CreateTask)
    }

    /// Creates a task from an encoded [`wire::CreateTask`], and notes in `progress` when it is on its way. Sent again only
    /// where it was not sent at all, and while anybody waits for it.
    ///
    /// # Errors
    /// As [`Error`] says; whether there may be a task all the same, `progress` knows.
    pub async fn create_task(
        &self,
        context: &Context,
        agent_id: &str,
        version: Option<&str>,
        body: Vec<u8>,
        progress: &Arc<Progress>,
    ) -> Result<Box<wire::Task>, Error> {
        let body = Bytes::from(body);
        let mut attempts = self.retries.begin(context, Route::CreateTask);
        loop {
            let url = context.credentials.rest(&["agent-execution", agent_id])?;
            let mut request = context.credentials.http.builder().post(url).header(header::CONTENT_TYPE, JSON);
            if let Some(version) = version {
                request = request.header("x-agent-version", version);
            }
            let body = reqwest::Body::wrap(CreateBody::new(body.clone(), Arc::clone(progress)));
            let task = self.task_of(context, request.body(body), attempts.next(), None).await;
            let is_preparing = progress.phase() == Phase::Preparing;
            let task = task.map_err(|error| if is_preparing { error.before_sending() } else { error });
            let is_back = task.as_ref().is_err_and(Error::is_unsent) && progress.step(State::come_back);
            match task {
                Err(error) if is_back && attempts.create_again(&error).await => {}
                task => return task,
            }
        }
    }

    /// Reads a task.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn task(&self, context: &Context, task_id: &str) -> Result<Box<wire::Task>, Error> {
        let mut attempts = self.retries.begin(context, Route::ReadTask);
        loop {
            let url = context.credentials.rest(&["agent-execution", task_id, "status"])?;
            let request = context.credentials.http.builder().get(url);
            match self.task_of(context, request, attempts.next(), Some(task_id)).await {
                Err(error) if error.is_worth_repeating() && attempts.again(&error).await => {}
                task => return task,
            }
        }
    }

    /// Stops a task. Sent again only where it was not sent at all.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn stop_task(&self, context: &Context, task_id: &str) -> Result<Box<wire::Task>, Error> {
        let mut attempts = self.retries.begin(context, Route::StopTask);
        loop {
            let url = context.credentials.rest(&["agent-execution", task_id])?;
            let request = context.credentials.http.builder().request(Method::DELETE, url);
            match self.task_of(context, request, attempts.next(), Some(task_id)).await {
                Err(error) if error.is_unsent() && attempts.again(&error).await => {}
                task => return task,
            }
        }
    }

    /// Opens a task's event stream, after the event `last_event_id` where there is one. Dropping it closes it.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn events(
        &self,
        context: &Context,
        task_id: &str,
        last_event_id: Option<&HeaderValue>,
    ) -> Result<EventStream, Error> {
        let mut attempts = self.retries.begin(context, Route::OpenEvents);
        loop {
            match self.open_events(context, task_id, last_event_id, attempts.next()).await {
                Err(error) if error.is_worth_repeating() && attempts.again(&error).await => {}
                stream => return stream,
            }
        }
    }

    /// The same in a single attempt, for a caller that has a patience of its own.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn events_once(
        &self,
        context: &Context,
        task_id: &str,
        last_event_id: Option<&HeaderValue>,
    ) -> Result<EventStream, Error> {
        let once = Sending { route: Route::OpenEvents, repeats: 0 };
        self.open_events(context, task_id, last_event_id, once).await
    }

    async fn open_events(
        &self,
        context: &Context,
        task_id: &str,
        last_event_id: Option<&HeaderValue>,
        sending: Sending,
    ) -> Result<EventStream, Error> {
        let url = context.credentials.events(&["agent-execution", task_id, "events"])?;
        let mut request = context.credentials.http.builder().get(url).header(header::ACCEPT, "text/event-stream");
        // A compressed stream would be held back until a block is full.
        request = request.header(header::ACCEPT_ENCODING, "identity").header(header::CACHE_CONTROL, "no-cache");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.clone());
        }
        let check = |response: &Response| {
            let is = |name, start: &str| {
                let value = response.headers().get(name).and_then(|value| value.to_str().ok());
                value.is_some_and(|value| value.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)))
            };
            if !is(header::CONTENT_TYPE, "text/event-stream") {
                return Err("it is no event stream");
            }
            if codings::of(response.headers()).is_ok_and(|codings| !codings.is_empty()) {
                return Err("it is compressed, which was not asked for");
            }
            Ok(())
        };
        self.transport.events(context, request, sending, check).await
    }

    /// A task out of an answer: the one that is `expected`, where that is known, and then of the key's organization.
    async fn task_of(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
        expected: Option<&str>,
    ) -> Result<Box<wire::Task>, Error> {
        let organization = context.credentials.organization();
        let is_another = |name: Option<&str>| name.is_some_and(|name| !name.is_empty() && name != organization);
        let check = |task: &wire::Task| match task.id.as_deref() {
            None | Some("") => Err("it is no task: it has no id"),
            Some(id) if !is_id(id) => Err("its id cannot stand in a path"),
            Some(_) if expected.is_none() => Ok(()),
            id if id != expected => Err("it is another task"),
            _ if is_another(task.organization_id.as_deref()) => Err("it is another organization's"),
            _ => Ok(()),
        };
        self.transport.json(context, request, sending, check).await
    }
}

fn unreadable(route: Route, why: &str) -> Error {
    Error::Unreadable { what: route.what(), why: why.to_owned(), status: 200 }
}

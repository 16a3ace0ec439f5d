//! The platform's lists and activity logs: read while they come, since they come whole, however long they are.
//!
//! What of a list is kept is not known here: whoever asks collects it.

mod activity;
pub mod elements;
mod unread;

use http::header;
use reqwest::{RequestBuilder, Response};

pub use self::activity::ActivityStream;
use self::{elements::Elements, unread::Unread};
use super::{
    client::Client,
    codings,
    error::Error,
    pool::lanes::Share,
    transport::{Context, JSON, Transport},
};
use crate::{
    memory,
    proto::json::Reader,
    telemetry::{Route, Sending},
};

/// What asks for tasks, beside an agent or a user.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filters<'a> {
    /// Tasks of this user; for an agent's only.
    pub user_id: Option<&'a str>,
    /// Tasks that this one has started.
    pub parent_task_id: Option<&'a str>,
    /// Tasks that this agent has triggered.
    pub triggering_agent_id: Option<&'a str>,
    /// Tasks with this status, in the platform's word.
    pub status: Option<&'a str>,
    /// Tasks with this internal status.
    pub internal_status: Option<&'a str>,
}

/// Whose tasks are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// An agent's, by an id that can stand in a path.
    Agent(&'a str),
    /// A user's; no segment of the id may be `.` or `..`.
    User(&'a str),
}

/// Collects a list.
pub trait Collect: Send {
    /// Reads the row that is next, and takes it. Takes nothing where that fails, which may be because more is to come.
    ///
    /// # Errors
    /// Why it is no row of such a list; never a part of it.
    fn row(&mut self, json: &mut Reader<'_>) -> Result<(), &'static str>;

    /// How many bytes are kept, about.
    fn size(&self) -> usize;
}

impl Client {
    /// Lists all agents; anew with `begin` where it is asked for again.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn list_agents<C: Collect>(&self, context: &Context, begin: impl Fn() -> C) -> Result<C, Error> {
        let url = context.credentials.rest(&["agents", "list"])?;
        let get = || context.credentials.http.builder().get(url.clone());
        self.list(context, Route::ListAgents, get, begin).await
    }

    /// Lists the tasks of an agent or of a user.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn list_tasks<C: Collect>(
        &self,
        context: &Context,
        whose: Whose<'_>,
        filters: Filters<'_>,
        begin: impl Fn() -> C,
    ) -> Result<C, Error> {
        let root = ["agent-execution", "executions", "history"];
        let (route, mut url) = match whose {
            Whose::Agent(id) => (Route::ListAgentTasks, context.credentials.rest(&[&root[..], &[id]].concat())?),
            Whose::User(id) => (Route::ListUserTasks, context.credentials.rest(&[&root[..], &["user", id]].concat())?),
        };
        let Filters { user_id, parent_task_id, triggering_agent_id, status, internal_status } = filters;
        // In the official client's order.
        let pairs = [
            ("user_id", user_id),
            ("parent_task_id", parent_task_id),
            ("triggering_agent_id", triggering_agent_id),
            ("status", status),
            ("internal_status", internal_status),
        ];
        let pairs: Vec<_> = pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let get = || context.credentials.http.builder().get(url.clone());
        self.list(context, route, get, begin).await
    }

    /// Opens the activity log of a task, as far as its entries. Dropping it closes it.
    ///
    /// # Errors
    /// As [`Error`] says; also when the log is no such log, as far as that can be seen.
    pub async fn activity(&self, context: &Context, agent_id: &str, task_id: &str) -> Result<ActivityStream, Error> {
        let mut attempts = self.retries.begin(context, Route::ReadActivity);
        loop {
            let url = context.credentials.rest(&["activity", agent_id, task_id])?;
            let request = context.credentials.http.builder().get(url);
            let opened = match self.transport.activity(context, request, attempts.next()).await {
                Ok(mut log) => log.begin().await.map(|()| log),
                Err(error) => Err(error),
            };
            match opened {
                Err(error) if error.is_worth_repeating() && attempts.again(&error).await => {}
                opened => return opened,
            }
        }
    }

    async fn list<C: Collect>(
        &self,
        context: &Context,
        route: Route,
        get: impl Fn() -> RequestBuilder,
        begin: impl Fn() -> C,
    ) -> Result<C, Error> {
        let mut attempts = self.retries.begin(context, route);
        loop {
            match self.transport.list(context, get(), attempts.next(), begin()).await {
                Err(error) if error.is_worth_repeating() && attempts.again(&error).await => {}
                list => return list,
            }
        }
    }
}

impl Transport {
    /// Sends a request and has the list collected that answers it, both within the time limit.
    async fn list<C: Collect>(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
        mut list: C,
    ) -> Result<C, Error> {
        let read = async |response: Response, _: &Share| {
            let (what, status) = (sending.route.what(), response.status().as_u16());
            let unreadable = |why| Error::Unreadable { what, why, status };
            let mut unread = Unread::new(response, self);
            let mut elements = Elements::new(None, self.bounds().0.most);
            while let Some(bytes) = unread.piece(elements.size() + list.size()).await? {
                let bytes = bytes.map_err(|why| unreadable(why.to_owned()))?;
                elements.push(&bytes);
                // A row that is large is looked at for as long.
                let read = memory::aside(elements.size(), || elements.read(|json| list.row(json)));
                read.map_err(|fault| unreadable(fault.to_string()))?;
            }
            elements.end().map_err(|fault| unreadable(fault.to_string()))?;
            Ok(list)
        };
        let (list, ..) = Box::pin(self.exchange(context, asking_for_json(request), sending, read)).await?;
        Ok(list)
    }

    /// Sends a request and gives the activity log that answers it, still unread.
    async fn activity(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
    ) -> Result<ActivityStream, Error> {
        let read = async |response: Response, _: &Share| Ok(response);
        let (response, attempt, share) =
            Box::pin(self.exchange(context, asking_for_json(request), sending, read)).await?;
        Ok(ActivityStream::new(Unread::new(response, self), share, attempt, self.bounds().0.most))
    }
}

fn asking_for_json(request: RequestBuilder) -> RequestBuilder {
    request.header(header::ACCEPT, JSON).header(header::ACCEPT_ENCODING, codings::ACCEPTED)
}

//! `ListAgents` and `ListTasks`: the platform's whole lists, a page at a time. Who may see which is for the edge.

mod activity;
mod page;
mod token;

use std::collections::BTreeSet;

pub use self::page::Page;
use self::token::Binding;
use super::{Calls, Error};
use crate::{
    platform::{
        Context,
        lists::{Filters, Whose},
    },
    proto::{self, ListAgentsResponse, ListTasksResponse, json::Reader},
    translate::lists::{self as rows, Wanted},
};

impl Calls {
    /// Lists agents, of which only these are shown where any are given, by id or name.
    ///
    /// # Errors
    /// For a request that is wrong, before the platform is touched; then as the platform says.
    pub async fn list_agents(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: &proto::ListAgentsRequest,
    ) -> Result<ListAgentsResponse, Error> {
        let most = rows::wanted_agents(request)?;
        let binding = Binding::begin("agents", context);
        let after = binding.place(&request.page_token)?;
        if agents.is_some_and(BTreeSet::is_empty) {
            return Ok(ListAgentsResponse::default());
        }
        let is_shown = |agent: &proto::Agent| {
            let is_one = |agents: &BTreeSet<String>| {
                agents.contains(&agent.id) || agent.name.as_ref().is_some_and(|name| agents.contains(name))
            };
            agents.is_none_or(is_one)
        };
        let begin = || Page::new(after.clone(), most, rows::agent, is_shown);
        let page = self.shared.platform.list_agents(context, begin).await.map_err(Error::from)?;
        let (rows, next) = page.end();
        let mut listed = Vec::with_capacity(rows.len());
        for agent in rows {
            // Under a name in the settings there is one agent: others that have it, too, are left out.
            if agents.is_none_or(|agents| agents.contains(&agent.id)) || self.is_by_its_name(context, &agent).await? {
                listed.push(agent);
            }
        }
        Ok(ListAgentsResponse { agents: listed, next_page_token: binding.token(next) })
    }

    /// Lists tasks of an agent, or of a user; of a user's only those of these agents where any are given.
    ///
    /// # Errors
    /// For a request that is wrong, before the platform is touched; then as the platform says.
    pub async fn list_tasks(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: &proto::ListTasksRequest,
    ) -> Result<ListTasksResponse, Error> {
        let wanted = rows::wanted(request, self.shared.default_agent.as_deref())?;
        let binding = bound(context, &wanted, request.include_results);
        let after = binding.place(&request.page_token)?;
        let Wanted { agent_id, user_id, status, internal_status, parent_task_id, triggering_agent_id, .. } = &wanted;
        let whose = agent_id.map(Whose::Agent).or(user_id.map(Whose::User));
        let whose = whose.ok_or_else(|| Error::invalid("agent_id", "or user_id is required"))?;
        // An agent's have been asked for with the right to it.
        let shown = match (agents, whose) {
            (Some(agents), Whose::User(_)) => Some(self.agents_by_id(context, agents).await?),
            _ => None,
        };
        let filters = Filters {
            user_id: user_id.filter(|_| agent_id.is_some()),
            parent_task_id: *parent_task_id,
            triggering_agent_id: *triggering_agent_id,
            status: status.as_deref(),
            internal_status: *internal_status,
        };
        let read = |json: &mut Reader<'_>| rows::summary(json, request.include_results);
        let is_shown = |task: &proto::TaskSummary| shown.as_ref().is_none_or(|agents| agents.contains(&task.agent_id));
        let begin = || Page::new(after.clone(), wanted.page_size, read, is_shown);
        let page = self.shared.platform.list_tasks(context, whose, filters, begin).await;
        let of_agent = |error: Error| match agent_id {
            Some(agent) => error.of_agent(agent),
            None => error,
        };
        let (tasks, next) = page.map_err(|error| of_agent(error.into()))?.end();
        Ok(ListTasksResponse { tasks, next_page_token: binding.token(next) })
    }
}

/// What a token for the next page of these tasks is bound to.
fn bound(context: &Context, wanted: &Wanted<'_>, include_results: bool) -> Binding {
    let Wanted { agent_id, user_id, status, internal_status, parent_task_id, triggering_agent_id, page_size: _ } =
        wanted;
    let texts = [*agent_id, *user_id, status.as_deref(), *internal_status, *parent_task_id, *triggering_agent_id];
    let results = if include_results { "results" } else { "" };
    let binding = Binding::begin("tasks", context);
    texts.into_iter().chain([Some(results)]).fold(binding, |binding, text| binding.with(text.unwrap_or_default()))
}

//! Whose a task is: its agent, for callers that may not invoke every one. Who may invoke which is not known here.

use std::{collections::BTreeSet, sync::Arc};

use super::{Calls, Error, Kind, checked_task_id, owners::What};
use crate::{
    platform::{self, Context, wire},
    proto,
};

impl Calls {
    /// The agent of a task, where it is one of those that the caller may invoke, by id or name.
    ///
    /// # Errors
    /// For an id that is none, when the task cannot be read, and with the same words when there is no such task and when it
    /// is of another agent: who has no right to it learns nothing of it.
    pub(super) async fn own_agent(
        &self,
        context: &Context,
        agents: &BTreeSet<String>,
        task_id: &str,
    ) -> Result<Arc<str>, Error> {
        let task_id = checked_task_id(task_id)?;
        let key = (context.credentials.owner().clone(), What::Task(task_id.to_owned()));
        let known = self.shared.owners.agents.get(&key);
        let agent = match known {
            Some(agent) => agent,
            // Nothing of it is kept, however long the call goes on.
            None => match self.shared.platform.task(&Context { account: None, ..context.clone() }, task_id).await {
                Ok(task) => agent_of(&task),
                Err(error) => return Err(hidden(error).of_task(task_id)),
            },
        };
        self.check_agent(context, agents, &agent).await.map_err(|error| error.of_task(task_id))?;
        self.shared.owners.agents.insert(key, Arc::clone(&agent));
        Ok(agent)
    }

    /// That a task is one of these agents', where any are given.
    ///
    /// # Errors
    /// As [`own_agent`](Self::own_agent).
    pub(super) async fn check_own(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        task_id: &str,
    ) -> Result<(), Error> {
        match agents {
            // Boxed: a call's future is as large as the largest of its ways.
            Some(agents) => Box::pin(self.own_agent(context, agents, task_id)).await.map(drop),
            None => Ok(()),
        }
    }

    /// Reads a task, which has to be of an agent that the caller may invoke where `agents` says which those are.
    ///
    /// # Errors
    /// As [`own_agent`](Self::own_agent).
    pub(super) async fn own_task(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        task_id: &str,
    ) -> Result<Box<wire::Task>, Error> {
        let task_id = checked_task_id(task_id)?;
        let read = self.shared.platform.task(context, task_id).await;
        let Some(agents) = agents else { return read.map_err(|error| Error::from(error).of_task(task_id)) };
        let task = read.map_err(|error| hidden(error).of_task(task_id))?;
        Box::pin(self.check_agent(context, agents, &agent_of(&task))).await.map_err(|error| error.of_task(task_id))?;
        Ok(task)
    }

    /// That an agent is one of these. The settings may have it by a name, which the platform knows.
    async fn check_agent(&self, context: &Context, agents: &BTreeSet<String>, agent: &str) -> Result<(), Error> {
        if !agent.is_empty() && agents.contains(agent) {
            return Ok(());
        }
        let mut failure = Error::new(Kind::TaskForbidden);
        for name in agents {
            match self.agent_by_name(context, name).await {
                Ok(id) if !id.is_empty() && *id == *agent => return Ok(()),
                Ok(_) => {}
                // It may have been this one.
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The ids of these agents, which may be given by their names, too.
    ///
    /// # Errors
    /// When the platform cannot be asked.
    pub(super) async fn agents_by_id(
        &self,
        context: &Context,
        agents: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Error> {
        let mut ids = agents.clone();
        for name in agents {
            ids.insert(self.agent_by_name(context, name).await?.as_ref().to_owned());
        }
        // Of those that are not there.
        ids.remove("");
        Ok(ids)
    }

    /// Whether the platform has this agent under its name, and not a namesake.
    ///
    /// # Errors
    /// When the platform cannot be asked.
    pub(super) async fn is_by_its_name(&self, context: &Context, agent: &proto::Agent) -> Result<bool, Error> {
        let name = agent.name.as_deref().unwrap_or_default();
        Ok(*self.agent_by_name(context, name).await? == *agent.id)
    }

    async fn agent_by_name(&self, context: &Context, name: &str) -> Result<Arc<str>, Error> {
        let key = (context.credentials.owner().clone(), What::Name(name.to_owned()));
        if let Some(id) = self.shared.owners.agents.get(&key) {
            return Ok(id);
        }
        let id = match self.shared.platform.agent_id(context, name, None).await {
            // No lookup of it will succeed in a while. Any other failure says nothing of the agent.
            Err(error) if is_absence(&error) => Arc::default(),
            id => id?,
        };
        self.shared.owners.agents.insert(key, Arc::clone(&id));
        Ok(id)
    }
}

/// Empty where the platform does not say, and then nobody's.
fn agent_of(task: &wire::Task) -> Arc<str> {
    task.agent_id.as_deref().unwrap_or_default().into()
}

/// A task that is not there is not told apart from one that is another's.
fn hidden(error: platform::Error) -> Error {
    if is_absence(&error) { Error::new(Kind::TaskForbidden) } else { error.into() }
}

/// Whether the platform itself says that there is no such thing.
fn is_absence(error: &platform::Error) -> bool {
    matches!(error, platform::Error::Refused(refusal) if refusal.status == 404 && !refusal.is_gateway)
}

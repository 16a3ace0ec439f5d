//! What is known of the task that a command is about: told to whoever leaves it, by Ctrl-C or because a call failed.

use std::cell::RefCell;

use tonic::Code;
use tonic_types::StatusExt as _;

use super::super::{
    client::Connection,
    exit::Exit,
    failure::{Advice, Failure, Left},
    render::continued_by,
};
use crate::proto::Task;

const GOES_ON: &str = "the task goes on";
const NOT_STOPPED: &str = "this does not stop the task";
const MAY_EXIST: &str = "a task may exist all the same: look for it before you ask for another one";

/// What is known of the task, and the way to the proxy that knows the rest.
pub struct Standing<'a> {
    connection: &'a Connection,
    known: RefCell<Known>,
}

/// How far the command has come.
#[derive(Debug, Clone)]
enum Known {
    /// Nothing was asked for.
    Nothing,
    /// A create is on its way: for this agent, under this `x-request-id`.
    Creating(String, String),
    Task(Reached),
}

/// A task whose id is known.
#[derive(Debug, Clone)]
struct Reached {
    id: String,
    /// The last event that was printed.
    after: Option<String>,
    /// The command that goes on with it.
    by: &'static str,
    /// Whether the proxy has said anything of it.
    is_seen: bool,
    /// Whether the last that it said was its end.
    is_over: bool,
}

impl<'a> Standing<'a> {
    /// Nothing was asked for yet.
    pub fn new(connection: &'a Connection) -> Self {
        Self { connection, known: RefCell::new(Known::Nothing) }
    }

    /// A create for this agent is being sent, under this `x-request-id`.
    pub fn creating(&self, agent: &str, request_id: &str) {
        *self.known.borrow_mut() = Known::Creating(agent.to_owned(), request_id.to_owned());
    }

    /// A task is there, of which somebody gave the id: `by` is the command that goes on with it.
    pub fn named(&self, id: &str, after: &str, by: &'static str) {
        let after = Some(after.to_owned()).filter(|after| !after.is_empty());
        *self.known.borrow_mut() =
            Known::Task(Reached { id: id.to_owned(), after, by, is_seen: false, is_over: false });
    }

    /// A task was created.
    pub fn created(&self, id: &str, by: &'static str) {
        *self.known.borrow_mut() =
            Known::Task(Reached { id: id.to_owned(), after: None, by, is_seen: true, is_over: false });
    }

    /// Whether the proxy has said anything of the task.
    pub fn is_seen(&self) -> bool {
        matches!(&*self.known.borrow(), Known::Task(task) if task.is_seen)
    }

    /// The proxy has said something of the task; an event with this id, if it has one.
    pub fn seen(&self, event_id: &str) {
        if let Known::Task(task) = &mut *self.known.borrow_mut() {
            (task.is_seen, task.is_over) = (true, false);
            if !event_id.is_empty() {
                task.after = Some(event_id.to_owned());
            }
        }
    }

    /// Whether this is the task's id.
    pub fn is_of(&self, id: &str) -> bool {
        matches!(&*self.known.borrow(), Known::Task(task) if task.id == id)
    }

    /// The task is over.
    pub fn over(&self) {
        if let Known::Task(task) = &mut *self.known.borrow_mut() {
            task.is_over = true;
        }
    }

    /// The task's id and the last event, where the task is known.
    pub fn task(&self) -> Option<(String, String)> {
        match &*self.known.borrow() {
            Known::Task(task) => Some((task.id.clone(), task.after.clone().unwrap_or_default())),
            _ => None,
        }
    }

    /// The failure with what it leaves behind, if it does.
    pub fn leave(&self, failure: Failure) -> Failure {
        match (&failure, &*self.known.borrow()) {
            (Failure::Output(_), _) if failure.exit() == Exit::Completed => failure,
            (_, Known::Task(Reached { is_over: true, .. })) => failure,
            (Failure::Interrupted, Known::Creating(agent, request_id)) => {
                self.maybe_created(failure, agent, request_id, Exit::Interrupted)
            }
            (Failure::Call(status, Some(request_id)), Known::Creating(agent, _)) => match verdict(status) {
                Verdict::NotCreated => failure,
                Verdict::Unknown => {
                    let request_id = request_id.clone();
                    self.maybe_created(failure, agent, &request_id, Exit::Unknown)
                }
                Verdict::Created(id) => {
                    let exit = failure.exit();
                    self.left(failure, &Reached { id, after: None, by: "wait", is_seen: true, is_over: false }, exit)
                }
            },
            (Failure::Call(..), Known::Task(task)) if is_time_up(&failure) => self.left(failure, task, Exit::Running),
            (Failure::Call(status, _), Known::Task(task)) if task.is_seen && is_of_the_way(status.code()) => {
                let exit = failure.exit();
                self.left(failure, task, exit)
            }
            (Failure::Interrupted | Failure::Answer(_) | Failure::Output(_), Known::Task(task)) => {
                let exit = failure.exit();
                self.left(failure, task, exit)
            }
            _ => failure,
        }
    }

    /// How a task that waits for a person is answered.
    pub fn answers(&self, task: &Task) -> Vec<Advice> {
        let head = continued_by(task).unwrap_or(&task.id);
        let mut answer = vec!["invoke", "YOUR ANSWER", "--existing-task", head];
        if !task.agent_id.is_empty() {
            answer.extend(["--agent", &task.agent_id]);
        }
        vec![self.advice("answer it", &answer), self.advice("wait for it", &["wait", &task.id])]
    }

    /// How one that goes on is come back to.
    pub fn ways_back(&self, task: &Task) -> Vec<Advice> {
        vec![self.advice("wait for it", &["wait", &task.id]), self.advice("stop it", &["stop", &task.id])]
    }

    fn maybe_created(&self, why: Failure, agent: &str, request_id: &str, exit: Exit) -> Failure {
        let of_agent = ["tasks", "--limit", "5", "--agent", agent];
        let look = self.advice("look for it", if agent.is_empty() { &of_agent[..3] } else { &of_agent });
        Failure::Left(Box::new(Left {
            why,
            exit,
            what: MAY_EXIST,
            request_id: Some(request_id.to_owned()),
            task_id: None,
            last_event_id: None,
            advice: vec![look],
        }))
    }

    fn left(&self, why: Failure, task: &Reached, exit: Exit) -> Failure {
        let Reached { id, after, by, is_seen, .. } = task;
        let on = match (*by, after) {
            ("events", Some(after)) => self.advice("follow it", &["events", id, "--after", after]),
            ("events", None) => self.advice("follow it", &["events", id]),
            _ => self.advice("wait for it", &["wait", id]),
        };
        let advice = vec![on, self.advice("stop it", &["stop", id])];
        let what = if *is_seen { GOES_ON } else { NOT_STOPPED };
        let (task_id, last_event_id) = (Some(id.clone()), after.clone());
        Failure::Left(Box::new(Left { why, exit, what, request_id: None, task_id, last_event_id, advice }))
    }

    fn advice(&self, to: &'static str, command: &[&str]) -> Advice {
        Advice { to, command: self.connection.command(command) }
    }
}

/// What a failed create says of its task.
enum Verdict {
    NotCreated,
    Created(String),
    Unknown,
}

/// By docs/callers.md: the proxy's own word, and without one nobody knows.
fn verdict(status: &tonic::Status) -> Verdict {
    let details = status.get_error_details();
    let ours = details.error_info().filter(|info| info.domain == DOMAIN);
    let fact = |name: &str| ours.and_then(|info| info.metadata.get(name)).cloned();
    match (fact("outcome").as_deref(), fact("task_id")) {
        (Some("not_created"), _) => Verdict::NotCreated,
        (_, Some(id)) => Verdict::Created(id),
        _ => Verdict::Unknown,
    }
}

/// The domain of the proxy's own errors.
const DOMAIN: &str = "xpander.ai";

/// Whether a failure says nothing of the task: it may well go on.
fn is_of_the_way(code: Code) -> bool {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    matches!(
        code,
        Aborted | Cancelled | DataLoss | DeadlineExceeded | Internal | ResourceExhausted | Unavailable | Unknown
    )
}

/// Whether the command's own time is up, and not that of a request to the platform.
fn is_time_up(failure: &Failure) -> bool {
    let reason = |status: &tonic::Status| status.get_error_details().error_info().map(|info| info.reason.clone());
    failure.is(Code::DeadlineExceeded)
        && failure.status().and_then(reason).is_none_or(|reason| reason == "DEADLINE_EXCEEDED")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Status;
    use tonic_types::ErrorDetails;

    use super::{super::super::client::Security, *};

    fn connection() -> Connection {
        let security = Security::default();
        Connection { server: "http://p:1".into(), timeout: None, json: false, security }
    }

    fn call(code: Code, facts: &[(&str, &str)]) -> Failure {
        let facts: HashMap<_, _> = facts.iter().map(|(name, fact)| ((*name).to_owned(), (*fact).to_owned())).collect();
        let mut details = ErrorDetails::new();
        if !facts.is_empty() {
            details.set_error_info("ANY", DOMAIN, facts);
        }
        Failure::Call(Box::new(Status::with_error_details(code, "no", details)), Some("r".to_owned()))
    }

    fn left(failure: Failure) -> (Exit, Vec<String>) {
        let exit = failure.exit();
        let Failure::Left(left) = failure else { return (exit, Vec::new()) };
        let words = |advice: &Advice| advice.command.split(' ').skip(1).collect::<Vec<_>>().join(" ");
        (exit, left.advice.iter().map(words).collect())
    }

    #[test]
    fn a_failed_create_says_whether_a_task_may_exist() {
        let connection = connection();
        let standing = Standing::new(&connection);
        standing.creating("echo", "r");
        let look = vec!["tasks --limit 5 --agent echo --server http://p:1".to_owned()];
        for (failure, expected) in [
            (call(Code::Unavailable, &[]), (Exit::Unknown, look.clone())),
            (call(Code::Unknown, &[("outcome", "unknown")]), (Exit::Unknown, look.clone())),
            (call(Code::InvalidArgument, &[("outcome", "not_created")]), (Exit::CallFailed, vec![])),
            (call(Code::DeadlineExceeded, &[]), (Exit::Unknown, look.clone())),
            (Failure::Call(Box::new(Status::unavailable("refused")), None), (Exit::CallFailed, vec![])),
            (Failure::Interrupted, (Exit::Interrupted, look)),
        ] {
            let said = format!("{failure:?}");
            assert_eq!(left(standing.leave(failure)), expected, "{said}");
        }
        let created = left(standing.leave(call(Code::Unavailable, &[("outcome", "created"), ("task_id", "t1")])));
        assert_eq!((created.0, &*created.1[0]), (Exit::CallFailed, "wait t1 --server http://p:1"));
    }

    #[test]
    fn a_task_that_is_left_is_named_with_the_last_event() {
        let connection = connection();
        let standing = Standing::new(&connection);
        assert_eq!(left(standing.leave(Failure::Interrupted)), (Exit::Interrupted, vec![]));
        standing.created("t1", "events");
        standing.seen("51");
        standing.seen("");
        let ways = |exit| {
            let ways = ["events t1 --after 51 --server http://p:1", "stop t1 --server http://p:1"];
            (exit, ways.map(str::to_owned).to_vec())
        };
        assert_eq!(left(standing.leave(Failure::Interrupted)), ways(Exit::Interrupted));
        assert_eq!(left(standing.leave(call(Code::DeadlineExceeded, &[]))), ways(Exit::Running));
        assert_eq!(left(standing.leave(call(Code::Unavailable, &[]))), ways(Exit::CallFailed));
        assert_eq!(left(standing.leave(call(Code::NotFound, &[]))), (Exit::CallFailed, vec![]));
        standing.over();
        assert_eq!(left(standing.leave(Failure::Interrupted)), (Exit::Interrupted, vec![]));
    }
}

//! A task is waited for. Where somebody looks, in short calls, each of which says how the task is.

use std::time::{Duration, Instant};

use super::{
    super::{
        args::proto_duration,
        client::{Agents, Proxy},
        exit::Exit,
        failure::Failure,
        output::Output,
        render::{Look, has_failed, status, waits_for},
    },
    progress::Progress,
    resume::Resumption,
    standing::Standing,
};
use crate::proto::{Task, TaskStatus, WaitTaskRequest, WaitTaskResponse};

/// How old what is shown may become.
const LOOK: Duration = Duration::from_secs(2);

/// Waits for a task, for so long at the most, and prints it.
pub async fn wait_for(
    proxy: &Proxy,
    standing: &Standing<'_>,
    output: Output,
    patience: Option<Duration>,
    is_resumed: bool,
) -> Result<Exit, Failure> {
    let (task_id, _) = standing.task().unwrap_or_default();
    let (deadline, began) = (proxy.deadline(), Instant::now());
    let (mut resumption, mut line) = (Resumption::new(is_resumed), Progress::new(output));
    if standing.is_seen() {
        resumption.has_news();
    }
    // The first look is at once.
    let mut look = Duration::ZERO;
    loop {
        let patience = patience.map(|patience| patience.saturating_sub(began.elapsed()));
        let left = [patience, deadline.left()].into_iter().flatten().min();
        let is_last = !line.is_shown() || left.is_some_and(|left| left <= look.max(LOOK));
        let timeout = if is_last { patience } else { Some(look) };
        let question = WaitTaskRequest { task_id: task_id.clone(), timeout: timeout.and_then(proto_duration) };
        let call = async |mut agents: Agents, request| agents.wait_task(request).await;
        let asked = Instant::now();
        let answer = match line.during(proxy.call_until(deadline, question, call)).await {
            Ok(answer) => answer,
            Err(failure) => {
                line.clear();
                resumption.pause(failure, deadline, output).await?;
                continue;
            }
        };
        resumption.has_news();
        standing.seen("");
        // The proxy answers before its time is up where nothing is to be waited for.
        if is_last || answer.task.as_deref().is_none_or(|task| exit(task) != Exit::Running) || asked.elapsed() < look {
            drop(line);
            return print(output, standing, &answer);
        }
        line.state(answer.task.as_deref().map(|task| status(task, Look::PLAIN)).unwrap_or_default());
        look = LOOK;
    }
}

/// Prints what was waited for, and says how to go on where it goes on.
fn print(output: Output, standing: &Standing<'_>, answer: &WaitTaskResponse) -> Result<Exit, Failure> {
    let task = output.task(answer, answer.task.as_deref())?;
    let exit = exit(task);
    match exit {
        Exit::Waiting => output.advice("the task waits for a person", &standing.answers(task)),
        Exit::Running => output.advice("the time is up, and the task goes on", &standing.ways_back(task)),
        _ => standing.over(),
    }
    Ok(exit)
}

/// What a task's state means for a command that waited for it.
pub fn exit(task: &Task) -> Exit {
    match task.status() {
        status if has_failed(status) => Exit::Failed,
        TaskStatus::Completed => Exit::Completed,
        TaskStatus::Paused => Exit::Waiting,
        _ if waits_for(task).is_some() => Exit::Waiting,
        _ => Exit::Running,
    }
}

#[cfg(test)]
mod tests {
    use crate::proto::HitlRequest;

    use super::*;

    #[test]
    fn each_state_of_a_task_has_its_exit_code() {
        for (status, expected) in [
            (TaskStatus::Completed, Exit::Completed),
            (TaskStatus::Failed, Exit::Failed),
            (TaskStatus::Error, Exit::Failed),
            (TaskStatus::Stopped, Exit::Failed),
            (TaskStatus::Paused, Exit::Waiting),
            (TaskStatus::Pending, Exit::Running),
            (TaskStatus::Executing, Exit::Running),
            (TaskStatus::Unspecified, Exit::Running),
        ] {
            assert_eq!(exit(&Task { status: status.into(), ..Task::default() }), expected, "{status:?}");
        }
        let asked = Task {
            status: TaskStatus::Executing.into(),
            hitl_request: Some(HitlRequest::default()),
            ..Task::default()
        };
        assert_eq!(exit(&asked), Exit::Waiting);
    }
}

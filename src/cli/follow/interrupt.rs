//! Ctrl-C: a command that is left says what it leaves.

use std::{future::pending, process, time::Duration};

use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};

use super::{
    super::{exit::Exit, failure::Failure},
    standing::Standing,
};

/// How long the last words may take: standard output may be a pipe that nobody empties.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Does the work until it is done, or until Ctrl-C. What it leaves is told with its failure.
pub async fn or_interrupted<T>(
    standing: &Standing<'_>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    // Caught before the work begins.
    let told = interrupts();
    let interrupted = async {
        if told.await.is_err() {
            pending::<()>().await;
        }
    };
    let result = select! {
        result = work => result,
        () = interrupted => Err(Failure::Interrupted),
    };
    result.map_err(|failure| standing.leave(failure))
}

/// Tells of the first Ctrl-C. A second one ends the process, as does a while without an end: the work may be in the middle
/// of writing, where nothing of it can be stopped. Where the system refuses a handler, the signal ends it by itself.
fn interrupts() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    if let Ok(mut interrupts) = signal(SignalKind::interrupt()) {
        tokio::spawn(async move {
            interrupts.recv().await;
            let _ = tell.send(());
            // Which of them it is makes no difference.
            let _ = timeout(LAST_WORDS, interrupts.recv()).await;
            process::exit(Exit::Interrupted.row().0.into())
        });
    }
    told
}

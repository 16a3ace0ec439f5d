//! What is known of a create by its name, in terms of calls: what follows from a claim, and what is remembered of an end.

use crate::{
    calls::{Calls, Error, Kind, Outcome},
    claims::{End, Verdict, Why},
    platform::{self, Context, Phase, Progress},
    proto, translate,
};

/// What follows from a claim: nothing, so that the create is sent, or a task that is read.
pub(in crate::calls) fn claimed(
    verdict: Verdict,
    calls: &Calls,
    context: &Context,
    progress: &Progress,
) -> Result<Option<Box<str>>, Error> {
    Err(match verdict {
        Verdict::Create(until) => {
            progress.not_after(until);
            return Ok(None);
        }
        Verdict::Task(id) => {
            progress.is_made(&id);
            return Ok(Some(id));
        }
        Verdict::Away if calls.shared.goes_alone => {
            context.record.went_alone();
            return Ok(None);
        }
        Verdict::Away => Error::new(Kind::StoreAway),
        Verdict::Other => other_content(),
        Verdict::Unknown(why) => Error::new(Kind::Earlier(why)).outcome(Outcome::Unknown),
    })
}

/// A request id that stands for another create.
pub(in crate::calls) fn other_content() -> Error {
    Error::invalid("request_id", "was used for another invocation, and is remembered still")
}

/// How a create has ended, as it is remembered.
pub(in crate::calls) fn ended(phase: Phase, answer: &Result<Box<proto::Task>, Error>) -> End {
    match answer {
        _ if phase == Phase::NotCreated => End::Free,
        Ok(task) if translate::is_id(&task.id) => End::Done((*task.id).into()),
        // Nobody can read that one again.
        Ok(_) => End::Unknown(Why::Unreadable(200)),
        Err(Error { kind: Kind::Platform(error), .. }) => End::Unknown(match error {
            platform::Error::Refused(refusal) => Why::Refused(refusal.status),
            platform::Error::Unreadable { status, .. } => Why::Unreadable(*status),
            platform::Error::Timeout(_) | platform::Error::Deadline => Why::TimedOut,
            platform::Error::Lost(_)
            | platform::Error::Connect(_)
            | platform::Error::Unprocessed(_)
            | platform::Error::Braked { .. }
            | platform::Error::NoRoom => Why::Lost,
        }),
        Err(_) => End::Unknown(Why::Abandoned),
    }
}

//! Follows one task over the platform's event streams to its end, across interruptions.

mod doubt;
mod end;
mod open;
mod resume;
mod state;

use tokio::time::timeout_at;

pub use self::end::is_end_of;
use self::{
    doubt::{Doubt, micros},
    state::State,
};
pub(super) use self::{
    open::Beginning,
    state::{Follow, Manner, own_event},
};
use super::{Error, history::Arrival};
use crate::{
    memory,
    platform::sse::{Frame, Payload},
    proto::{EventType, TaskEvent, task_event::Data},
    translate,
};

impl Follow {
    /// The task's id.
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The next event; None after the task's `task_finished`.
    ///
    /// # Errors
    /// When the stream cannot be followed further, with the task's id.
    pub(super) async fn next(&mut self) -> Result<Option<TaskEvent>, Error> {
        loop {
            if let Some(gap) = self.gap.take() {
                let gap = Some(Data::Gap(gap));
                return Ok(Some(TaskEvent {
                    data: gap,
                    ..own_event(EventType::StreamGap, "stream_gap", &self.task_id)
                }));
            }
            if let Some(event) = self.held.take() {
                if !self.is_end(&event) {
                    return Ok(Some(event));
                }
                if let Some(end) = Box::pin(self.end_with(event)).await? {
                    return Ok(Some(end));
                }
            }
            let stream = match &mut self.state {
                State::Live(stream) | State::Tail(stream, _) => stream,
                // Boxed, as all that is rare: every stream would hold its room.
                State::Closed { .. } => {
                    Box::pin(self.reopen()).await?;
                    continue;
                }
                State::Over { after_gap: after_gap @ true, .. } => {
                    *after_gap = false;
                    self.note_gap();
                    continue;
                }
                State::Over { .. } | State::Done => return Ok(self.take_end()),
            };
            let frame = match &self.doubt {
                None => Ok(stream.next().await),
                Some(doubt) => timeout_at(doubt.until, stream.next()).await,
            };
            let Ok(frame) = frame else {
                Box::pin(self.ask_again()).await?;
                continue;
            };
            match frame {
                Ok(Some(frame)) => self.held = memory::aside(frame.data.size(), || self.take_in(frame)),
                // An end without task_finished is no different from a break.
                Ok(None) => Box::pin(self.interrupted(None)).await?,
                Err(error) => Box::pin(self.interrupted(Some(error))).await?,
            }
        }
    }

    /// The event in a frame; None where it was delivered before or is none. Notes the gap before it or in its place.
    fn take_in(&mut self, frame: Frame) -> Option<TaskEvent> {
        let Frame { id, data, is_ping } = frame;
        let (data, print) = match data {
            Payload::None => {
                self.history.passed(id.as_deref()?);
                return None;
            }
            Payload::Data(data) => {
                let print = self.history.print(&data);
                (Some(data), print)
            }
            Payload::TooLarge(digest) => (None, digest),
        };
        if self.history.is_repeat(id.as_deref(), print) {
            return None;
        }
        let event = data.map(|data| translate::event(None, &data, self.manner.forward_access_tokens));
        let Some(Ok(mut event)) = event else {
            self.leave_out(id.as_deref(), print, is_ping);
            return None;
        };
        // The greeting of a connection that the caller did not ask for tells nothing.
        if event.r#type() == EventType::Connected && self.history.is_resuming() {
            self.history.greeted(id.as_deref());
            return None;
        }
        match self.history.arrived(id.as_deref(), print, event.time.map(micros)) {
            Arrival::Older => {
                // It may have been this task's all the same: the task knows.
                self.doubt = self.doubt.take().or_else(|| self.is_end(&event).then(Doubt::begin));
                return None;
            }
            Arrival::Next => self.renew(),
            Arrival::AfterGap => self.note_gap(),
        }
        event.event_id = id.filter(|id| !id.is_empty());
        Some(event)
    }

    /// Leaves an event out that cannot be read. A gap stands in its place, unless it only says that the platform is alive.
    fn leave_out(&mut self, id: Option<&str>, print: u64, is_ping: bool) {
        if !is_ping {
            self.skipped += 1;
            self.context.record.skipped(1);
            self.history.left_out(id, print);
            self.note_gap();
        } else if let Some(id) = id {
            self.history.passed(id);
        }
    }
}

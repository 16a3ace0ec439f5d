//! A task's activity log, entry by entry as its bytes come.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{
    elements::{Elements, Part},
    unread::Unread,
};
use crate::{
    platform::{error::Error, pool::lanes::Share},
    proto::json::Reader,
    telemetry::{Attempt, Route},
};

/// Why a log is none.
const NO_JSON: &str = "it is no JSON";
/// The attribute that holds the entries.
const ENTRIES: &str = "messages";

/// An open activity log. Reads from the platform only when asked for an entry, so that a slow caller slows the platform;
/// dropping it closes the connection.
pub struct ActivityStream {
    unread: Unread,
    /// Held as long as the response.
    share: Share,
    elements: Elements,
    thread: Thread,
    has_begun: bool,
    /// The most bytes of an entry, and of the thread.
    most: usize,
    /// The request; its span is as long as the log.
    attempt: Attempt,
}

/// What a log says of itself so far, its entries aside.
#[derive(Default)]
struct Thread {
    /// As an object's text without its last bracket.
    text: String,
    is_new: bool,
    /// Whether all of it is known, so that what is read of it now was read before.
    is_complete: bool,
}

impl ActivityStream {
    pub(super) fn new(unread: Unread, share: Share, attempt: Attempt, most: usize) -> Self {
        let elements = Elements::new(Some(ENTRIES), most);
        Self { unread, share, elements, thread: Thread::default(), has_begun: false, most, attempt }
    }

    /// Reads what stands before the entries; of a small log, what stands behind them, too.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        if self.unread.is_small() {
            self.read_whole().await?;
        }
        while !self.has_begun {
            if let Some(entry) = self.step().await? {
                // None comes before they begin.
                drop(entry);
            } else if !self.has_begun {
                return Err(self.unreadable("it has no list of messages".to_owned()));
            }
        }
        Ok(())
    }

    /// Reads a log that is there already, whoever wrote it: so its thread is complete before its first entry.
    async fn read_whole(&mut self) -> Result<(), Error> {
        let mut whole = Elements::new(Some(ENTRIES), self.most);
        while let Some(bytes) = self.piece().await? {
            whole.push(&bytes);
            self.elements.push(&bytes);
            loop {
                match whole.next_part() {
                    Ok(Some(Part::Attribute(name, value))) => {
                        if self.thread.add(name, &value).is_none() {
                            return Err(self.unreadable(NO_JSON.to_owned()));
                        }
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(fault) => return Err(self.unreadable(fault.to_string())),
                }
            }
        }
        self.thread.is_complete = true;
        Ok(())
    }

    /// What the log says of itself that was not given before, as an object with all of it.
    pub fn thread(&mut self) -> Option<String> {
        let thread = &mut self.thread;
        std::mem::take(&mut thread.is_new)
            .then(|| if thread.text.is_empty() { "{}".to_owned() } else { format!("{}}}", thread.text) })
    }

    /// The next entry, of which is only known where it ends; None at the log's end. May be dropped while it waits: nothing
    /// is lost.
    ///
    /// # Errors
    /// When the connection breaks, nothing arrives in time, or the log is none.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.step().await? {
                Some(Some(entry)) => return Ok(Some(entry)),
                Some(None) => {}
                None => return Ok(None),
            }
        }
    }

    /// What a log is that has an entry which is no JSON.
    pub fn no_json(&mut self) -> Error {
        self.unreadable(NO_JSON.to_owned())
    }

    /// One step further; an entry where that was one, None at the end.
    async fn step(&mut self) -> Result<Option<Option<String>>, Error> {
        loop {
            let part = match self.elements.next_part() {
                Ok(part) => part,
                Err(fault) => return Err(self.unreadable(fault.to_string())),
            };
            if let Some(part) = part {
                let taken = match part {
                    Part::Begin => {
                        self.thread.is_new |= !self.has_begun;
                        self.has_begun = true;
                        Some(None)
                    }
                    Part::Attribute(name, value) if self.thread.text.len() + value.len() > self.most => {
                        let why = format!("what it says beside its messages is larger than {} bytes", self.most);
                        drop((name, value));
                        return Err(self.unreadable(why));
                    }
                    Part::Attribute(name, value) => self.thread.add(name, &value).map(|()| None),
                    Part::Element(entry) => Some(Some(entry.into_owned())),
                };
                return match taken {
                    Some(taken) => Ok(Some(taken)),
                    None => Err(self.unreadable(NO_JSON.to_owned())),
                };
            }
            match self.piece().await? {
                Some(bytes) => self.elements.push(&bytes),
                None => {
                    return match self.elements.end() {
                        Ok(()) => Ok(None),
                        Err(fault) => Err(self.unreadable(fault.to_string())),
                    };
                }
            }
        }
    }

    /// The next bytes; None at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        // From now on: what a slow caller has left unread is no silence of the platform's.
        let (asked, limit) = (Instant::now(), self.unread.time_limit());
        let holding = self.elements.size() + self.thread.text.len();
        match timeout_at(asked + limit, self.unread.piece(holding)).await {
            Ok(Ok(Some(Ok(bytes)))) => {
                self.share.heard(None);
                Ok(Some(bytes))
            }
            Ok(Ok(Some(Err(why)))) => Err(self.unreadable(why.to_owned())),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => {
                self.share.given_up(asked);
                Err(self.failed(Error::Timeout(limit)))
            }
        }
    }

    fn unreadable(&mut self, why: String) -> Error {
        self.failed(Error::Unreadable { what: Route::ReadActivity.what(), why, status: 200 })
    }

    fn failed(&mut self, error: Error) -> Error {
        self.attempt.failed(error.name(), error.cause());
        error
    }
}

impl Thread {
    /// Adds an attribute; None where its value is no JSON.
    fn add(&mut self, name: &str, value: &str) -> Option<()> {
        is_json(value).then_some(())?;
        if self.is_complete {
            return Some(());
        }
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push_str(&serde_json::Value::from(name).to_string());
        self.text.push(':');
        self.text.push_str(value);
        self.is_new = true;
        Some(())
    }
}

fn is_json(text: &str) -> bool {
    let mut json = Reader::new(text);
    json.skip().is_some() && json.is_at_end()
}

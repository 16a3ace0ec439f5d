//! Where a command's words go: what was asked for to standard output, what is said beside it to standard error.

use std::io::{self, Write as _};

use prost::Name;

use super::{
    failure::{Advice, Failure},
    proto_json,
    render::{self, Look},
    told,
};
use crate::proto::Task;

/// How a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Messages as proto JSON, and nothing beside them.
    pub is_json: bool,
    /// How standard output looks.
    pub look: Look,
    /// How standard error looks.
    pub aside: Look,
}

impl Output {
    /// Prints a message as JSON, or what is made of it for people.
    pub fn message(self, message: &impl Name, text: impl FnOnce(Look) -> String) -> Result<(), Failure> {
        if self.is_json {
            return Self::json(message);
        }
        let mut out = io::stdout();
        out.write_all(text(self.look).as_bytes())?;
        Ok(out.flush()?)
    }

    /// Prints an answer that carries a task, which is then known to be there.
    pub fn task<'a>(self, answer: &impl Name, task: Option<&'a Task>) -> Result<&'a Task, Failure> {
        let task = task.ok_or_else(|| Failure::Answer("the proxy answered without a task".to_owned()))?;
        self.message(answer, |look| render::task(task, look))?;
        Ok(task)
    }

    /// Prints a message as a line of proto JSON.
    pub fn json(message: &impl Name) -> Result<(), Failure> {
        let mut line = proto_json::to_json(message)
            .map_err(|e| Failure::Answer(format!("the proxy's answer cannot be written as JSON: {e}")))?;
        line.push('\n');
        let mut out = io::stdout();
        out.write_all(line.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Says something beside the output, to a person only.
    pub fn note(self, text: &str) {
        if !self.is_json {
            // Nobody is left to be told where standard error is closed.
            let _ = writeln!(io::stderr(), "{}", render::clean(text));
        }
    }

    /// Says what may be done next, to a person only.
    pub fn advice(self, what: &str, advice: &[Advice]) {
        if !self.is_json {
            self.note(what);
            let _ = told::advice(advice, &mut io::stderr());
        }
    }
}

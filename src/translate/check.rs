//! Checks the parts of a request: what is wrong is noted under the field's path, and the checking goes on.

use super::{names::is_web_url, words::Words};
use crate::proto::{MAX_ELEMENTS, json};

/// The most violations that are noted of one request.
const MAX_VIOLATIONS: usize = 64;

/// A field of a request that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, e.g. `attachments[0].url`.
    pub field: String,
    /// What it must be.
    pub description: String,
}

/// Collects violations while a request is translated.
#[derive(Default)]
pub struct Check {
    /// What is wrong so far.
    pub violations: Vec<Violation>,
}

impl Check {
    /// Notes what is wrong with a field, unless enough is wrong already.
    pub fn fault(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.violations.len() >= MAX_VIOLATIONS {
            return;
        }
        self.violations.push(Violation { field: field.into(), description: description.into() });
    }

    /// A list, unless it is too long to be looked at.
    pub fn list<'a, T>(&mut self, field: &str, elements: &'a [T]) -> &'a [T] {
        if elements.len() > MAX_ELEMENTS {
            self.fault(field, format!("must have at most {MAX_ELEMENTS} elements"));
            return &[];
        }
        elements
    }

    /// Notes what a field must be, unless it holds.
    pub fn that(&mut self, holds: bool, field: impl Into<String>, description: &str) {
        if !holds {
            self.fault(field, description);
        }
    }

    /// Checks a URL that the platform or the agent will fetch.
    pub fn url(&mut self, url: &str, field: impl FnOnce() -> String) {
        if !is_web_url(url) {
            self.fault(field(), "must be an absolute http or https URL");
        }
    }

    /// Free JSON; what is wrong with it is noted.
    pub fn object<'a>(
        &mut self,
        field: impl Into<String>,
        object: Option<&'a json::Struct>,
    ) -> Option<&'a json::Struct> {
        if let Err(fault) = object?.checked() {
            self.fault(field, fault.to_string());
        }
        object
    }

    /// An enum's value as the platform's word.
    pub fn word<E: Words>(&mut self, field: impl Into<String>, number: i32) -> Option<E::Wire> {
        E::word(number).unwrap_or_else(|_| {
            self.fault(field, format!("{number} is no value of this enum"));
            None
        })
    }

    /// One of a few words, the first where none is given.
    pub fn one_of<'a>(&mut self, field: String, word: &'a Option<String>, words: &[&'a str]) -> &'a str {
        let Some(word) = optional(word) else { return words[0] };
        if !words.contains(&word) {
            self.fault(field, format!("must be one of {}", words.join(", ")));
        }
        word
    }
}

/// An empty string counts as unset.
pub fn set(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// An optional text, where it is set.
pub fn optional(text: &Option<String>) -> Option<&str> {
    text.as_deref().and_then(set)
}

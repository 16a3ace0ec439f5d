//! A value as a source gives it: a text, or what TOML makes of lists and tables. Not what it means: the readers know that.

use std::{borrow::Cow, collections::BTreeMap};

use ::config::{Value, ValueKind};

use super::read::{Problem, refused};

/// A value that was given. Has no Debug, since it may be a secret.
#[derive(Clone)]
pub enum Raw {
    /// A text, or what a file may write without quotes: a whole number, a boolean, a date.
    Text(String),
    List(Vec<Self>),
    /// Sorted by name: the order of a TOML table is lost.
    Table(BTreeMap<String, Self>),
    /// What a file writes like 1.10, of which only 1.1 is left.
    Fraction(f64),
}

/// A pair of a map; as an error, the element that is none.
type Pair<'a> = Result<(&'a str, Cow<'a, Raw>), &'a str>;

impl Raw {
    /// Whether it stands for nothing: templates leave variables empty that they have no value for, and the official client
    /// takes that as unset.
    pub fn is_unset(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    pub fn text(&self) -> Result<&str, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            Self::List(_) => Err("the value is a list".to_owned()),
            Self::Table(_) => Err("the value is a table".to_owned()),
            Self::Fraction(_) => Err("the value is a number with a fraction; a text has quotes".to_owned()),
        }
    }

    /// A number, with or without a fraction.
    pub fn number(&self) -> Result<f64, Problem> {
        match self {
            Self::Fraction(number) => Ok(*number),
            other => other.text()?.parse().map_err(|_| refused(other.text().unwrap_or_default())),
        }
    }

    /// A list, or a text with commas between the elements.
    pub fn elements(&self) -> Result<Vec<&str>, Problem> {
        match self {
            Self::List(elements) => elements.iter().map(Self::text).collect(),
            other => Ok(separated(other.text()?).collect()),
        }
    }

    /// A list inside a map, or a text with spaces between the elements.
    pub fn words(&self) -> Result<Vec<&str>, Problem> {
        match self {
            Self::List(elements) => elements.iter().map(Self::text).collect(),
            other => Ok(other.text()?.split_whitespace().collect()),
        }
    }

    /// A table, or a text like `a=1,b=2`.
    pub fn pairs(&self) -> Result<Vec<Pair<'_>>, Problem> {
        if let Self::Table(pairs) = self {
            return Ok(pairs.iter().map(|(name, value)| Ok((name.as_str(), Cow::Borrowed(value)))).collect());
        }
        let pair = |element| match str::split_once(element, '=') {
            Some((name, value)) => Ok((name.trim(), Cow::Owned(Self::Text(value.trim().to_owned())))),
            None => Err(element),
        };
        Ok(separated(self.text()?).map(pair).collect())
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Value> for Raw {
    fn from(value: Value) -> Self {
        match value.kind {
            ValueKind::Nil => Self::Text(String::new()),
            ValueKind::Table(pairs) => {
                Self::Table(pairs.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
            ValueKind::Array(elements) => Self::List(elements.into_iter().map(Self::from).collect()),
            ValueKind::Float(number) => Self::Fraction(number),
            scalar => Self::Text(scalar.to_string()),
        }
    }
}

fn separated(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty())
}

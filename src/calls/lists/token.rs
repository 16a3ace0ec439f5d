//! Where a list goes on: a place in it, as a text that is bound to what was asked for. Every replica reads it, and nothing
//! is remembered of it. No secret: who makes one up learns no more than a list from there on would tell.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{calls::Error, platform::Context, translate::lists::Place};

/// What a token begins with: another one where what it says changes.
const VERSION: u8 = 1;
/// How much of a hash stands in it, in bytes: enough that none fits by chance.
const HASH: usize = 12;
/// The longest one, in bytes; as much as the longest id takes.
const MOST: usize = 512;

/// What was asked for, as far as it may not change between two pages.
#[derive(Clone)]
pub struct Binding(Sha256);

impl Binding {
    /// Of a list of this organization.
    pub fn begin(what: &str, context: &Context) -> Self {
        let [_, organization, _] = context.credentials.identity();
        Self(Sha256::new_with_prefix([VERSION])).with(what).with(organization)
    }

    /// Also of this.
    pub fn with(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// The token for the page behind a place; empty without one.
    pub fn token(&self, place: Option<Place>) -> String {
        let Some(Place { created, id }) = place else { return String::new() };
        let mut said = Vec::with_capacity(1 + HASH + 13 + id.len());
        said.push(u8::from(created.is_some()));
        if let Some((seconds, nanoseconds)) = created {
            said.extend(seconds.to_be_bytes());
            said.extend(nanoseconds.to_be_bytes());
        }
        said.extend(id.as_bytes());
        URL_SAFE_NO_PAD.encode([&[VERSION], &self.hash(&said)[..], &said].concat())
    }

    /// The place that a token names; None without one.
    ///
    /// # Errors
    /// When it is none of this list.
    pub fn place(&self, token: &str) -> Result<Option<Place>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let place = self.read(token).ok_or_else(|| {
            Error::invalid(
                "page_token",
                "is none of this list: begin with the first page, or ask as for the page before",
            )
        })?;
        Ok(Some(place))
    }

    fn read(&self, token: &str) -> Option<Place> {
        let bytes = URL_SAFE_NO_PAD.decode(Some(token).filter(|token| token.len() <= MOST)?).ok()?;
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (hash, said) = rest.split_first_chunk::<HASH>()?;
        (*hash == self.hash(said)).then_some(())?;
        let (&has_time, mut rest) = said.split_first()?;
        let mut created = None;
        if has_time == 1 {
            let (seconds, more) = rest.split_first_chunk()?;
            let (nanoseconds, more) = more.split_first_chunk()?;
            (created, rest) = (Some((i64::from_be_bytes(*seconds), i32::from_be_bytes(*nanoseconds))), more);
        }
        Some(Place { created, id: str::from_utf8(rest).ok()?.to_owned() })
    }

    fn hash(&self, said: &[u8]) -> [u8; HASH] {
        let hash = self.0.clone().chain_update(said).finalize();
        std::array::from_fn(|at| hash[at])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binding(texts: &[&str]) -> Binding {
        let binding = Binding(Sha256::new_with_prefix([VERSION]));
        texts.iter().fold(binding, |binding, text| binding.with(text))
    }

    proptest! {
        #[test]
        fn a_token_names_its_place_in_its_own_list_and_nothing_in_another(
            created in prop::option::of((any::<i64>(), any::<i32>())),
            id in ".{1,40}",
            texts in prop::collection::vec(".{0,4}", 1..4),
            other in prop::collection::vec(".{0,4}", 1..4),
        ) {
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let other: Vec<_> = other.iter().map(String::as_str).collect();
            let (own, place) = (binding(&texts), Place { created, id });
            let token = own.token(Some(place.clone()));
            prop_assert_eq!(own.read(&token), Some(place.clone()));
            prop_assert_eq!(binding(&other).read(&token).is_some(), other == texts);
        }

        #[test]
        fn a_token_that_was_changed_or_made_up_is_none(
            at in any::<prop::sample::Index>(),
            by in "[A-Za-z0-9_-]",
            made_up in ".{1,60}",
        ) {
            let own = binding(&["tasks"]);
            let token = own.token(Some(Place { created: Some((1, 2)), id: "task-1".to_owned() }));
            let at = at.index(token.len());
            let changed = format!("{}{by}{}", &token[..at], &token[at + 1..]);
            prop_assert_eq!(own.read(&changed).is_some(), changed == token);
            prop_assert!(own.read(&token[..at]).is_none());
            prop_assert!(own.read(&made_up).is_none());
        }
    }

    #[test]
    fn the_longest_id_has_a_token() {
        let place = Place { created: Some((i64::MIN, i32::MAX)), id: "i".repeat(256) };
        let own = binding(&[]);
        assert_eq!(own.read(&own.token(Some(place.clone()))), Some(place));
    }
}

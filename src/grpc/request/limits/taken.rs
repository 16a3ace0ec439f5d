//! What a call holds of the pools, for its caller.

use std::sync::Arc;

use super::{
    callers::Caller,
    places::{Places, Which},
    pool::Full,
};

/// What a call holds; given back when it is dropped.
#[derive(Debug)]
pub struct Taken {
    places: Arc<Places>,
    caller: Arc<Caller>,
    from: [Option<Which>; 2],
}

impl Taken {
    /// Nothing yet.
    pub fn new(places: &Arc<Places>, caller: &Arc<Caller>) -> Self {
        Self { places: Arc::clone(places), caller: Arc::clone(caller), from: [None; 2] }
    }

    /// Takes a place, whatever the caller's share where `is_lent`.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&mut self, which: Which, is_lent: bool) -> Result<(), Full> {
        let (part, share) = &self.caller.parts[which as usize];
        self.places.0[which as usize].take(part, if is_lent { u32::MAX } else { *share })?;
        if let Some(free) = self.from.iter_mut().find(|from| from.is_none()) {
            *free = Some(which);
        }
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for which in self.from.iter().flatten() {
            self.places.0[*which as usize].give_back(&self.caller.parts[*which as usize].0);
        }
    }
}

//! Creates with a name, while they are under way: what those who ask for one by its name share.

use std::sync::{Arc, OnceLock};

use tokio::{sync::watch, task::AbortHandle};

use super::Error;
use crate::{claims::Memory, platform::Progress, proto};

/// What its callers hear of a create.
pub(super) type Answer = Result<Box<proto::Task>, Error>;

/// The creates with a name.
pub(super) type Names = Memory<Arc<Named>>;

/// A create with its name, while it is under way.
pub(super) struct Named {
    /// How far it has come.
    pub(super) progress: Arc<Progress>,
    /// None until it is over.
    pub(super) answer: watch::Receiver<Option<Answer>>,
    /// Its life, which goes on by itself.
    pub(super) life: OnceLock<AbortHandle>,
}

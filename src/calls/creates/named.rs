//! Creates with a name, while they are under way: what those who ask for one by its name share.

use std::sync::{Arc, OnceLock};

use tokio::{sync::watch, task::AbortHandle};

use crate::{calls::Error, claims::Memory, platform::Progress, proto};

/// What its callers hear of a create.
pub(in crate::calls) type Answer = Result<Box<proto::Task>, Error>;

/// The creates with a name.
pub(in crate::calls) type Names = Memory<Arc<Named>>;

/// A create with its name, while it is under way.
pub(in crate::calls) struct Named {
    /// How far it has come.
    pub(in crate::calls) progress: Arc<Progress>,
    /// None until it is over.
    pub(in crate::calls) answer: watch::Receiver<Option<Answer>>,
    /// Its life, which goes on by itself.
    pub(in crate::calls) life: OnceLock<AbortHandle>,
}

//! The settings: [`Settings`] what there is, [`load`] where the values come from, [`show`] what is in force.
//! Plain data: knows nothing of what uses it.

mod duration;
mod fault;
mod keys;
mod load;
mod read;
mod roots;
mod show;
mod sources;
#[cfg(test)]
mod tests;
mod tree;

pub use fault::Fault;
pub use load::load;
pub use roots::{Roots, roots};
pub use show::show;
pub use sources::Flags;
pub use tree::{
    Agents, Auth, Events, Http2, LogFormat, Otlp, OtlpProtocol, Platform, Secret, Server, Settings, Telemetry,
    TokenHash, UserField, Users,
};

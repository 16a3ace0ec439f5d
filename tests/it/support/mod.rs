//! What the tests share: a running proxy, a scripted platform, and statuses with their details.

pub mod calls;
pub mod direct;
pub mod live;
pub mod platform;
pub mod proxy;
pub mod status;

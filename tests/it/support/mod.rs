//! What the tests share: a running proxy, a scripted platform, and statuses with their details.

pub mod binary;
pub mod calls;
pub mod course;
pub mod direct;
pub mod http2;
pub mod live;
pub mod platform;
pub mod proxy;
pub mod raw;
pub mod request;
pub mod sandbox;
pub mod secure;
pub mod status;

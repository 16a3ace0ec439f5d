//! What the tests share: a running proxy, a scripted platform, and statuses with their details.

pub mod binary;
pub mod callers;
pub mod calls;
pub mod certificates;
pub mod collector;
pub mod course;
pub mod direct;
pub mod envoy;
pub mod fleet;
pub mod folder;
pub mod follower;
pub mod frames;
pub mod gate;
pub mod http2;
pub mod live;
pub mod load;
pub mod network;
pub mod platform;
pub mod proxy;
pub mod raw;
pub mod replica;
pub mod request;
pub mod sandbox;
pub mod secure;
pub mod secure_caller;
pub mod status;

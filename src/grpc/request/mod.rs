//! What a request passes: who may call, how much is done at once, what its metadata says, its bytes, what is attached.

pub mod attach;
pub mod auth;
pub mod limits;
pub mod mesh;
pub mod metadata;
pub mod received;
pub mod whole;

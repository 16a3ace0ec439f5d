//! The proxy as its callers see it: the real server on a real port, a real gRPC client, the platform over real TCP.

mod support;

mod bad_input;
mod errors;
mod layering;
mod recordings;
mod streams;

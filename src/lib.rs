//! A gRPC front for the xpander.ai agent platform: unary calls and event streams over its REST API.
//!
//! ```text
//!        caller (gRPC)                                                     platform (REST, SSE)
//!             |  InvokeRequest                                                  ^  POST, GET, SSE
//!  grpc/service --> calls/invoke --> translate/request --> platform/client -----|
//!  grpc/status  <-- calls/...    <-- translate/{task,event} <-- platform/wire <--
//! ```
//!
//! The floors; a module names only modules to its right, and the test `layering` holds it:
//! `cli > app > sandbox > grpc > calls > translate > claims > platform > health > shutdown > telemetry > config > proto > memory`.
//!
//! What this crate is not: a client library. Callers speak gRPC; the types here are public for the binary and the tests.

#![forbid(unsafe_code)]

pub mod app;
pub mod calls;
pub mod claims;
pub mod cli;
pub mod config;
pub mod grpc;
pub mod health;
pub mod memory;
pub mod platform;
pub mod proto;
pub mod sandbox;
pub mod shutdown;
pub mod telemetry;
pub mod translate;

//! The proxy as its callers see it: the real server on a real port, a real gRPC client, the platform over real TCP.

#![allow(clippy::pedantic, reason = "tests are read as prose")]

mod support;

mod attach;
mod auth;
mod bad_input;
mod bad_input_answers;
mod bad_input_auth_events;
mod bad_input_bytes;
mod bad_input_events;
mod bad_input_ids;
mod bad_input_python;
mod bad_input_secrets;
mod bad_input_strays;
mod bad_input_transfer;
mod calls;
mod canary;
mod ci;
mod clients;
mod commands;
mod corpora;
mod docs;
mod drain;
mod envoy;
mod errors;
mod errors_abandoned;
mod errors_create;
mod errors_details;
mod errors_sizes;
mod fair;
mod faults;
mod guard;
mod hostile;
mod jwt;
mod layering;
mod lists;
mod load;
mod platform_connections;
mod promtool;
mod recordings;
mod redis;
mod sandbox;
mod server;
mod streams;
mod telemetry;
mod tls;

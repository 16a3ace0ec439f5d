//! The settings on creates with a request id. A part of the `tree`.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

use crate::config::secret::Secret;

/// Creates with a request id.
#[derive(Debug, Clone)]
pub struct Deduplication {
    /// How long a request id is remembered, from the call that brought it first.
    pub remembered: Duration,
    /// The bytes that the process remembers them in.
    pub memory_bytes: usize,
    /// The URL of the Redis or Valkey that all replicas share; it may carry a user and a password.
    pub store: Option<Secret>,
    /// The file that `store` was read from, when it came from one. Re-read when it changes.
    pub store_file: Option<PathBuf>,
    /// A PEM file of certificate authorities to trust behind `rediss://` instead of the system's. Re-read when it changes.
    pub store_ca_file: Option<PathBuf>,
    /// How long a claim may take.
    pub store_timeout: Duration,
    /// How many of the store's replicas must have a claim for it to count.
    pub store_replicas: u32,
    /// What becomes of calls with a request id while the store is away.
    pub when_away: WhenAway,
}

/// What becomes of calls with a request id while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhenAway {
    /// They are refused.
    Refuse,
    /// Each process goes on with its own memory.
    Alone,
}

impl Default for Deduplication {
    fn default() -> Self {
        Self {
            remembered: Duration::from_mins(10),
            memory_bytes: 64 << 20,
            store: None,
            store_file: None,
            store_ca_file: None,
            store_timeout: Duration::from_millis(500),
            store_replicas: 0,
            when_away: WhenAway::Refuse,
        }
    }
}

//! File descriptors: each connection takes one, and so does each stream where the platform speaks HTTP/1.1.

use tracing::{debug, warn};

use crate::config;

/// Raises the limit on open files to what the system allows the process at most: many begin with 1,024, for the sake of
/// programs that use `select`. Says so where that is too few for the streams that are let in.
pub fn allow_as_many_as(settings: &config::Server) {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) if limit < u64::from(settings.max_streams) => warn!(
            limit,
            "fewer files may be open than streams: over HTTP/1.1 each has a connection to the platform; \
             raise the hard limit on open files, or lower server.max_streams"
        ),
        Ok(limit) => debug!(limit, "open files"),
        Err(error) => warn!(%error, "the limit on open files cannot be raised"),
    }
}

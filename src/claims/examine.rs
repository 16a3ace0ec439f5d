//! What the store says of itself: its version, whether it forgets what it has no room for, and which run of it this is.

use redis::{RedisError, aio::MultiplexedConnection, cmd};

use super::endpoint::Trouble;

/// The first version with `SET NX GET`.
const VERSION: u32 = 7;
/// What Redis and Valkey do when their memory is full.
const POLICIES: [&str; 8] = [
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

/// What the store says of itself; None where it does not say.
pub struct Examined {
    pub run_id: Option<String>,
    pub policy: Option<&'static str>,
}

/// Looks at a store.
///
/// # Errors
/// When it is too old, or cannot be asked.
pub async fn examine(connection: &mut MultiplexedConnection) -> Result<Examined, Trouble> {
    let server = info(connection, "server").await?;
    let memory = info(connection, "memory").await?;
    let version = field(&server, "redis_version").and_then(|version| version.split('.').next()?.parse().ok());
    if let Some(version) = version.filter(|version| *version < VERSION) {
        return Err(Trouble::TooOld(version));
    }
    if !is_primary(connection).await? {
        return Err(Trouble::Replica);
    }
    let policy = field(&memory, "maxmemory_policy");
    let policy = policy.map(|policy| POLICIES.into_iter().find(|known| *known == policy).unwrap_or("unknown"));
    let run_id = field(&server, "run_id").filter(|id| id.len() <= 64).map(str::to_owned);
    Ok(Examined { run_id, policy })
}

/// Whether it takes writes: one that has failed over may be a replica by now.
///
/// # Errors
/// When it cannot be asked.
pub async fn is_primary(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    Ok(field(&info(connection, "replication").await?, "role").is_none_or(|role| role == "master"))
}

/// A section of what it says; empty where its user may not ask.
async fn info(connection: &mut MultiplexedConnection, section: &str) -> Result<String, RedisError> {
    match cmd("INFO").arg(section).query_async(connection).await {
        Err(error) if error.code() == Some("NOPERM") => Ok(String::new()),
        info => info,
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

//! A real Envoy in front of three replicas of the real binary, real clients under load behind it.
//!
//! Passed over by a plain `cargo test`: `make envoy` installs what they need and runs them.

mod account;
mod cut_off;
mod harm;
mod health;
mod idle;
mod kill;
mod mutual_tls;
mod rolling;
mod victim;

use crate::support::{fleet::Fleet, follower::Follower, load::titled};

/// A task that is over, to be read.
async fn readable(fleet: &Fleet) -> String {
    let answer = fleet.envoy.client().invoke(titled("echo", "hi", "to be read")).await.expect("a task");
    answer.into_inner().task.expect("a task").id
}

/// Followers, until each replica has one at least.
async fn followers(fleet: &Fleet) -> Vec<Follower> {
    let mut followers = Vec::new();
    while !fleet.replicas.iter().all(|replica| {
        let seen = fleet.seen();
        seen.iter().any(|request| request.path.ends_with("/events") && replica.sent(request))
    }) {
        assert!(followers.len() < 50, "no stream comes to one of the replicas");
        // There are more tasks each time.
        let title = format!("followed {}", fleet.sandbox.tasks().len());
        followers.push(Follower::begin(&fleet.envoy, &title, followers.len() % 2 == 0).await);
    }
    followers
}

//! What `WAIT` answers for, as Valkey and Redis from 7.2 on have it: for what its own connection has written. Scripted, over
//! real TCP; these tests need nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{ask, away::is_away, connected, named, posts, replica};
use crate::support::{
    live::within,
    platform::{Platform, Reply, task},
    store::{Said, Store, info, line, text},
};

/// A store with one replica, which has what was written or has not. It breaks the connection of each first claim when it has
/// carried it out, and counts those that find themselves then.
async fn store(replica_has_it: bool, again: Arc<AtomicUsize>) -> Store {
    let (values, wrote) = (Mutex::new(HashMap::<String, String>::new()), Mutex::new(HashSet::new()));
    Store::by_connection(move |connection, command| {
        let (mut values, mut wrote) = (values.lock().expect("no panic"), wrote.lock().expect("no panic"));
        match &*command[0] {
            "SET" if !values.contains_key(&command[1]) => {
                values.insert(command[1].clone(), command[2].clone());
                Said::HangsUp
            }
            "SET" => {
                again.fetch_add(1, Relaxed);
                text(values.get(&command[1]).map(|value| &**value))
            }
            "EVAL" if values.get(&command[3]) == Some(&command[4]) => {
                // To the same connection's `WAIT` whatever it writes is a write.
                wrote.insert(connection);
                match &*command[5] {
                    "" => values.remove(&command[3]),
                    value => values.insert(command[3].clone(), value.to_owned()),
                };
                line(":1")
            }
            "EVAL" => line(":0"),
            // Who has written nothing waits for nothing.
            "WAIT" => line(if replica_has_it || !wrote.contains(&connection) { ":1" } else { ":0" }),
            _ => info(command, "7.2.0").unwrap_or_else(|| line("+OK")),
        }
    })
    .await
}

// On several threads, as it runs: on one, the second claim meets the connection that broke.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_connection_broke_counts_only_when_a_replica_has_it() {
    for replica_has_it in [false, true] {
        let again = Arc::new(AtomicUsize::new(0));
        let store = store(replica_has_it, Arc::clone(&again)).await;
        let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
        let proxy = replica(&platform, &store.url(), |settings| settings.deduplication.store_replicas = 1).await;
        within("a claim that finds itself", async {
            for at in 0.. {
                connected(&proxy).await;
                let answer = ask(&mut proxy.client(), named(&format!("r-{at}"))).await;
                if answer.is_err() || !replica_has_it {
                    is_away(answer);
                } else {
                    return;
                }
                if again.load(Relaxed) > 2 && !replica_has_it {
                    return;
                }
            }
        })
        .await;
        assert_eq!(posts(&platform), usize::from(replica_has_it));
    }
}

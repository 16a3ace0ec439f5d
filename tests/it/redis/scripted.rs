//! Stores that no redis-server of today is: too old, too full, and those that say more than they are asked. Scripted, over
//! real TCP; these tests need nothing.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Notify;

use super::{ask, away::is_away, connected, named, posts, replica, says};
use crate::support::{
    calls::invoke,
    live::within,
    platform::{Platform, Reply, task},
    store::{ENOUGH, Said, Store, info, line, text},
};

async fn platform() -> Platform {
    Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await
}

#[tokio::test]
async fn a_store_that_is_too_old_is_named_and_nothing_is_created_by_an_id() {
    let store = Store::start(|command| info(command, "6.2.14").unwrap_or_else(|| line("$-1"))).await;
    let platform = platform().await;
    let proxy = replica(&platform, &store.url(), |_| {}).await;
    says(&proxy, "deduplication.store is away: its version is 6, and Redis 7 or any Valkey is needed").await;
    is_away(ask(&mut proxy.client(), named("once")).await);
    assert_eq!(posts(&platform), 0);
    ask(&mut proxy.client(), invoke("agent-1")).await.expect("OK");
}

#[tokio::test]
async fn what_a_store_refuses_a_claim_with_is_told_until_it_refuses_no_more() {
    for (refusal, told) in [
        // A Redis 6 that does not say its version, since its user may not ask.
        ("-ERR syntax error", "it does not know SET with NX and GET"),
        ("-OOM command not allowed when used memory > 'maxmemory'.", "its memory is full"),
        ("-NOPERM User proxy has no permissions to run the 'set' command", "its user may not do it"),
        ("-HUNTER2 hunter2", "it refuses the command"),
    ] {
        for replicas in [0, 1] {
            let refuses = Arc::new(AtomicBool::new(true));
            let still = Arc::clone(&refuses);
            let releases = Arc::new(AtomicUsize::new(0));
            let released = Arc::clone(&releases);
            let store = Store::start(move |command| match &*command[0] {
                "INFO" => line("-NOPERM User proxy has no permissions to run the 'info' command"),
                "SET" if still.load(Relaxed) => line(refusal),
                "SET" => line("$-1"),
                "EVAL" if command[5].is_empty() => {
                    released.fetch_add(1, Relaxed);
                    line(refusal)
                }
                _ => line(":1"),
            })
            .await;
            let platform = platform().await;
            let proxy = replica(&platform, &store.url(), |settings| {
                settings.deduplication.store_replicas = replicas;
            })
            .await;
            connected(&proxy).await;
            is_away(ask(&mut proxy.client(), named("once")).await);
            says(&proxy, &format!("ready\ndeduplication.store is away: {told}")).await;
            assert_eq!(posts(&platform), 0);
            refuses.store(false, Relaxed);
            ask(&mut proxy.client(), named("once")).await.expect("OK");
            connected(&proxy).await;
            assert_eq!(posts(&platform), 1);
            assert_eq!(releases.load(Relaxed), 0, "what was refused is not there to be given up");
        }
    }
}

/// As much waits to be settled as may be remembered, and no more.
#[tokio::test]
async fn a_store_that_lets_nothing_be_settled_is_away_once_too_much_is_not() {
    let refuses = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&refuses);
    let store = Store::start(move |command| match &*command[0] {
        "SET" => line("$-1"),
        "EVAL" if still.load(Relaxed) => line("-NOREPLICAS Not enough good replicas to write."),
        "EVAL" => line(":1"),
        _ => info(command, "7.2.0").unwrap_or_else(|| line("+OK")),
    })
    .await;
    let platform = platform().await;
    let proxy = replica(&platform, &store.url(), |settings| settings.deduplication.memory_bytes = 32 << 10).await;
    connected(&proxy).await;
    let mut client = proxy.client();
    let mut creates = 0;
    let refused = loop {
        match ask(&mut client, named(&format!("r-{creates}"))).await {
            Ok(_) => creates += 1,
            refused => break refused,
        }
        assert!(creates < 100, "no bound");
    };
    is_away(refused);
    assert!(creates > 10, "{creates}");
    assert_eq!(posts(&platform), creates);
    says(&proxy, "deduplication.store is away: it does not take what became of earlier claims").await;
    refuses.store(false, Relaxed);
    within("all is settled", async { while ask(&mut client, named("later")).await.is_err() {} }).await;
    connected(&proxy).await;
}

/// With `store_replicas` claims have a connection of their own, on which they may wait behind others.
#[tokio::test]
async fn a_claim_that_its_caller_has_left_is_given_up_also_when_it_comes_late() {
    let (claimed, is_held) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(true)));
    let (release, given_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, held, go, gone) = (claimed.clone(), is_held.clone(), release.clone(), given_up.clone());
    let value = Mutex::new(None::<String>);
    let store = Store::start(move |command| {
        let (mut value, arguments) = (value.lock().expect("no panic"), &command[1..]);
        match &*command[0] {
            "SET" if held.load(Relaxed) => {
                seen.notify_one();
                Said::Held(Arc::clone(&go))
            }
            "SET" => {
                let before = value.clone();
                value.get_or_insert_with(|| arguments[1].clone());
                text(before.as_deref())
            }
            "GET" => text(value.as_deref()),
            "EVAL" => {
                let is_there = value.as_deref() == Some(&*arguments[3]);
                if is_there {
                    *value = Some(arguments[4].clone()).filter(|value| !value.is_empty());
                }
                gone.notify_one();
                line(if is_there { ":1" } else { ":0" })
            }
            "WAIT" => line(":1"),
            "PTTL" => line(":600000"),
            _ => info(command, "7.2.0").unwrap_or_else(|| line("+OK")),
        }
    })
    .await;
    let platform = platform().await;
    let proxy = replica(&platform, &store.url(), |settings| {
        settings.deduplication.store_replicas = 1;
        // Longer than it takes until the claim is given up again.
        settings.platform.request_timeout = std::time::Duration::from_secs(30);
    })
    .await;
    connected(&proxy).await;
    let mut client = proxy.client();
    let call = tokio::spawn(async move { ask(&mut client, named("once")).await });
    within("the claim", claimed.notified()).await;
    call.abort();
    within("its end", given_up.notified()).await;
    is_held.store(false, Relaxed);
    release.notify_one();
    ask(&mut proxy.client(), named("once")).await.expect("OK");
    assert_eq!(posts(&platform), 1);
}

/// Texts, lines and lists without an end, and lists in lists: what was read of them is bounded, and nothing is created.
#[tokio::test]
async fn a_store_that_says_too_much_is_hung_up_on() {
    let many = |text: &str| text.repeat(64 << 10 >> 2).into_bytes();
    for (first, again) in [
        ("$4294967296\r\n", many("xxxx")),
        ("$9223372036854775807\r\n", many("xxxx")),
        ("+", many("xxxx")),
        ("-", many("xxxx")),
        (":", many("1111")),
        ("*9223372036854775807\r\n", many(":1\r\n")),
        ("", many("*1\r\n")),
        ("=4294967296\r\n", many("xxxx")),
        (">1000000000\r\n", many("+x\r\n")),
    ] {
        let endless = again.clone();
        let store = Store::start(move |command| {
            info(command, "7.2.0").unwrap_or_else(|| Said::Endless(first.into(), endless.clone()))
        })
        .await;
        let platform = platform().await;
        let proxy = replica(&platform, &store.url(), |_| {}).await;
        connected(&proxy).await;
        is_away(ask(&mut proxy.client(), named("once")).await);
        assert_eq!(posts(&platform), 0, "{first}");
        ask(&mut proxy.client(), invoke("agent-1")).await.expect("OK");
        // What the sockets take by themselves is some MiB.
        assert!(store.written() < ENOUGH / 4, "{first}: {}", store.written());

        // The same of what it says of itself.
        let store = Store::start(move |_| Said::Endless(first.into(), again.clone())).await;
        let proxy = replica(&platform, &store.url(), |_| {}).await;
        says(&proxy, "deduplication.store is away: it says more than a store of idempotency keys has to say").await;
        assert!(store.written() < ENOUGH / 4, "{first}: {}", store.written());
        assert_eq!(posts(&platform), 1, "{first}");
    }
}

use futures_util::FutureExt as _;

use super::*;

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_room_waits_until_there_is_some() {
    let budget = Budget::new(10);
    let mut one = budget.hold(3).await;
    one.grow(6).await;
    assert!(budget.hold(5).now_or_never().is_none());
    let its_budget = Arc::clone(&budget);
    let waiting = tokio::spawn(async move { its_budget.hold(5).await });
    tokio::task::yield_now().await;
    assert_eq!(budget.used(), 6);
    drop(one);
    let other = waiting.await.expect("room");
    assert_eq!(budget.used(), 5);
    drop(other);
    assert_eq!(budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_never_fits_is_let_in_alone() {
    let budget = Budget::new(10);
    let one = budget.hold(11).await;
    assert!(budget.hold(1).now_or_never().is_none());
    drop(one);
    let _other = budget.hold(1).await;
    assert!(budget.hold(11).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_has_waited_longest_for_its_caller_gives_way_after_a_second() {
    let budget = Budget::new(10);
    let accounts: Vec<_> = (0..2).map(|_| budget.open()).collect();
    let begun = Instant::now();
    let keepers: Vec<_> = [0, 1]
        .map(|at| {
            let account = Arc::clone(&accounts[at]);
            account.offer(5);
            tokio::spawn(async move {
                account.gives_way().await;
                account.set(0);
            })
        })
        .into();
    tokio::task::yield_now().await;
    // The first one's caller reads a little, half a second later.
    tokio::time::advance(PATIENCE / 2).await;
    accounts[0].taken();
    accounts[0].offer(5);
    accounts[0].keeper.wake();
    let _room = budget.hold(5).await;
    assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE * 3 / 2, "{:?}", begun.elapsed());
    assert_eq!((keepers[0].is_finished(), keepers[1].is_finished()), (false, true));
}

/// Four have room at a time, and sixty want it: at a second each, that would take the last ones a quarter of a minute.
#[tokio::test(start_paused = true)]
async fn the_more_wait_the_sooner_those_who_do_not_read_give_way() {
    let (budget, begun) = (Budget::new(40), Instant::now());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..60 {
        let (budget, tell) = (Arc::clone(&budget), tell.clone());
        tokio::spawn(async move {
            let (account, held) = (budget.open(), budget.hold(10).await);
            account.keep(held);
            account.offer(10);
            let _ = tell.send(());
            account.gives_way().await;
        });
    }
    for _ in 0..60 {
        told.recv().await;
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

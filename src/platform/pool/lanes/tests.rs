//! Which connection a request takes.

use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn lanes(most: usize, speaks: Version) -> Lanes {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let times = [30 * SECOND, SECOND];
    Lanes::new(most, Some(speaks), times, |_| Ok(Client::new())).expect("a client")
}

fn count(lanes: &Lanes) -> usize {
    lock(&lanes.opened).len()
}

fn next(lanes: &Lanes, need: Need) -> Share {
    lanes.next(need).expect("a client").1
}

fn is_same(one: &Share, other: &Share) -> bool {
    Arc::ptr_eq(&one.lane, &other.lane)
}

#[tokio::test]
async fn a_lane_gets_so_many_requests_and_the_next_ones_another() {
    let lanes = lanes(2, Version::HTTP_2);
    let mut shares: Vec<_> = (0..5).map(|_| next(&lanes, Need::Any)).collect();
    assert_eq!(count(&lanes), 3);
    // One that is over makes room in the first lane.
    drop(shares.remove(0));
    shares.push(next(&lanes, Need::Any));
    assert_eq!(count(&lanes), 3);
    shares.push(next(&lanes, Need::Fresh));
    assert_eq!(count(&lanes), 3);
    shares.push(next(&lanes, Need::Any));
    assert_eq!(count(&lanes), 4);
}

#[tokio::test]
async fn where_nothing_is_shared_one_lane_has_all() {
    let lanes = lanes(0, Version::HTTP_11);
    let _shares: Vec<_> = (0..5).map(|_| next(&lanes, Need::Any)).collect();
    let _shares: Vec<_> = (0..5).map(|_| next(&lanes, Need::Fresh)).collect();
    assert_eq!(count(&lanes), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_once_takes_no_connection_that_was_unused_for_more_than_a_moment() {
    let lanes = lanes(100, Version::HTTP_2);
    let first = next(&lanes, Need::Fresh);
    let beside = next(&lanes, Need::Fresh);
    assert!(is_same(&first, &beside));
    advance(9 * A_MOMENT).await;
    assert!(is_same(&first, &next(&lanes, Need::Fresh)), "it has something under way");
    first.heard(None);
    first.answered();
    let lane = Arc::clone(&first.lane);
    drop((first, beside));
    assert!(Arc::ptr_eq(&lane, &next(&lanes, Need::Fresh).lane), "it was used a moment ago");
    lock(&lane.health).unanswered = 0;
    advance(A_MOMENT).await;
    assert!(Arc::ptr_eq(&lane, &next(&lanes, Need::Any).lane), "what is sent again may take it");
    lock(&lane.health).unanswered = 0;
    assert!(!Arc::ptr_eq(&lane, &next(&lanes, Need::Fresh).lane));
    assert_eq!(count(&lanes), 1, "and it is left to those that have it");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_answers_nothing_gets_no_more_requests() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let lanes = lanes(100, version);
        let first = next(&lanes, Need::Any);
        let lane = Arc::clone(&first.lane);
        advance(SECOND).await;
        drop(first);
        let second = next(&lanes, Need::Any);
        assert!(Arc::ptr_eq(&lane, &second.lane), "one may be slow");
        advance(SECOND).await;
        drop(second);
        assert!(!Arc::ptr_eq(&lane, &next(&lanes, Need::Any).lane));
        assert_eq!(count(&lanes), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_in_between_proves_that_a_lane_is_alive_and_what_is_heard_does_not() {
    for is_answered in [true, false] {
        let lanes = lanes(0, Version::HTTP_11);
        let other = next(&lanes, Need::Any);
        for _ in 0..9 {
            let _slow = next(&lanes, Need::Any);
            advance(SECOND / 2).await;
            other.heard(None);
            if is_answered {
                other.answered();
            }
            advance(SECOND / 2).await;
        }
        assert_eq!(is_same(&other, &next(&lanes, Need::Any)), is_answered);
    }
}

#[tokio::test(start_paused = true)]
async fn impatient_callers_are_no_proof() {
    let lanes = lanes(0, Version::HTTP_11);
    let kept = next(&lanes, Need::Any);
    for _ in 0..9 {
        let hasty = next(&lanes, Need::Any);
        advance(SECOND / 10).await;
        assert!(is_same(&kept, &hasty));
    }
    advance(SECOND / 10).await;
    assert!(!is_same(&kept, &next(&lanes, Need::Any)));
}

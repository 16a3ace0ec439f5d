//! A replica that is lost in the middle of everything, and what became of the creates on it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tonic::Code;
use xpander_grpc_proxy::sandbox::SeenRequest;

use crate::support::{
    fleet::{APART, Fleet},
    live::within,
    load::Ledger,
    replica::Replica,
};

/// The pause between two looks at what the platform has seen.
const LOOK: Duration = Duration::from_millis(10);

pub fn victim(fleet: &Fleet) -> &Replica {
    &fleet.replicas[APART]
}

/// Holds the platform's answers to the victim until it has a create and a read under way for certain, which the platform
/// has carried out; the titles of the creates.
pub async fn hold(fleet: &Fleet) -> Vec<String> {
    victim(fleet).gate.hold();
    let before = fleet.seen().len();
    within("calls under way on the victim", async {
        loop {
            let seen = fleet.seen().split_off(before);
            let creates: Vec<_> = seen.iter().filter(|request| victim(fleet).sent(request)).filter_map(title).collect();
            let reads = |request: &SeenRequest| victim(fleet).sent(request) && request.path.ends_with("/status");
            if !creates.is_empty() && seen.iter().any(reads) {
                return creates;
            }
            sleep(LOOK).await;
        }
    })
    .await
}

/// The title of the task that this request creates.
pub fn title(request: &SeenRequest) -> Option<String> {
    (request.method == "POST").then(|| request.body["title"].as_str().unwrap_or_default().to_owned())
}

/// The creates that failed were under way on the victim, were told, and were not sent anywhere else.
pub fn check_creates(fleet: &Fleet, ledger: &Ledger, held: &[String], gone: Instant) {
    let failed = &ledger.create_failures;
    assert!(held.iter().all(|title| failed.contains_key(title)), "{held:?} were lost: {failed:?}");
    assert!(failed.values().all(|failed| failed.status.code() == Code::Unavailable), "{failed:?}");
    // Until Envoy knows, a caller may meet it twice. Then once at most.
    let late = failed.values().filter(|failed| failed.begun > gone).map(|failed| failed.caller);
    assert_eq!(late.clone().count(), late.collect::<BTreeSet<_>>().len(), "{failed:?}");
    let seen = fleet.seen();
    for lost in failed.keys() {
        let mut senders = seen.iter().filter(|request| title(request).as_ref() == Some(lost));
        assert!(senders.all(|request| victim(fleet).sent(request)), "{lost} was sent by another replica");
    }
    for replica in fleet.replicas.iter().filter(|replica| replica.key != victim(fleet).key) {
        assert!(seen.iter().any(|request| replica.sent(request) && title(request).is_some()), "no load on one of them");
    }
}

//! What the platform does wrong, drawn by lot.

use std::{collections::HashMap, sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::json;
use xpander_grpc_proxy::sandbox::{Begin, End, Fault, FaultBody, Route};

use super::ledger::Ledger;

/// Of a thousand requests of a route, so many begin a storm: a time in which all of them fail.
const STORMS: u32 = 1;

/// Draws a fault for each request, from a sequence of its own for each route.
pub struct Faults {
    routes: HashMap<Route, Lot>,
    seed: u64,
    ledger: Arc<Ledger>,
}

struct Lot {
    rng: Rng,
    /// How many more requests meet this fault.
    storm: (u32, Option<Fault>),
}

impl Faults {
    pub fn new(seed: u64, ledger: Arc<Ledger>) -> Self {
        Self { routes: HashMap::new(), seed, ledger }
    }

    /// What a request of this route meets.
    pub fn draw(&mut self, route: Route) -> Option<Fault> {
        let seed = self.seed.wrapping_mul(31).wrapping_add(route as u64);
        let lot = self.routes.entry(route).or_insert_with(|| Lot { rng: Rng::with_seed(seed), storm: (0, None) });
        self.ledger.count(&format!("request {route:?}"));
        let fault = lot.draw(route)?;
        self.ledger.count(&format!("fault {route:?} {}", kind(&fault)));
        Some(fault)
    }
}

impl Lot {
    fn draw(&mut self, route: Route) -> Option<Fault> {
        let rng = &mut self.rng;
        let dice = rng.u32(..1000);
        if self.storm.0 > 0 {
            self.storm.0 -= 1;
            return self.storm.1.clone();
        }
        if dice < STORMS {
            let fault = if rng.bool() { refusal(rng, 503) } else { Fault::CloseBeforeAnswer };
            self.storm = (rng.u32(20..100), Some(fault.clone()));
            return Some(fault);
        }
        if route == Route::FollowTask && dice < 300 {
            return Some(Fault::Course(begin(rng), end(rng)));
        }
        (dice > 850).then(|| anywhere(rng, route))
    }
}

/// A fault that any route may meet.
fn anywhere(rng: &mut Rng, route: Route) -> Fault {
    let html = || FaultBody::Html("<html><title>Bad gateway</title></html>".to_owned());
    let status = [429, 502, 503, 504][rng.usize(..4)];
    match rng.u32(..100) {
        0..30 => refusal(rng, status),
        30..40 => Fault::Answer { status: if rng.bool() { 502 } else { 504 }, body: html(), retry_after: None },
        40..60 => Fault::CloseBeforeAnswer,
        60..75 => Fault::CloseInBody,
        // The request is carried out: who is told 429 or 503 may rely on it that it is not.
        75..82 => Fault::Deny { status: [500, 502, 504][rng.usize(..3)], body: html() },
        82..84 if route != Route::FollowTask => Fault::Deny { status: 200, body: html() },
        84..86 => Fault::Delay(Duration::from_millis(rng.u64(1_500..2_500))),
        _ => Fault::Delay(Duration::from_millis(rng.u64(..300))),
    }
}

fn refusal(rng: &mut Rng, status: u16) -> Fault {
    // A wait holds for everybody: with many of them little else would be seen.
    let retry_after = match rng.u32(..200) {
        0..140 => None,
        140..160 => Some("0".to_owned()),
        160 => Some("1".to_owned()),
        _ => Some("Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
    };
    Fault::Answer { status, body: FaultBody::Json(json!({ "detail": "by lot" })), retry_after }
}

fn begin(rng: &mut Rng) -> Begin {
    match rng.u32(..10) {
        0..4 => Begin::AsAsked,
        4 | 5 => Begin::First,
        6 | 7 => Begin::Early(rng.u64(1..10)),
        _ => Begin::Present,
    }
}

fn end(rng: &mut Rng) -> End {
    let events = rng.usize(..25);
    match rng.u32(..10) {
        0 | 1 => End::AsAsked,
        2..5 => End::Clean(events),
        5..8 => End::Torn(events),
        _ => End::Silent(events),
    }
}

fn kind(fault: &Fault) -> String {
    match fault {
        Fault::Answer { status, retry_after: None, .. } => format!("{status}"),
        Fault::Answer { status, .. } => format!("{status} with retry-after"),
        Fault::Deny { status, .. } => format!("carried out, {status}"),
        Fault::CloseBeforeAnswer => "closed before the answer".to_owned(),
        Fault::CloseInBody => "closed in the body".to_owned(),
        Fault::Delay(time) if time.as_secs() > 0 => "delayed beyond the time limit".to_owned(),
        Fault::Delay(_) => "delayed".to_owned(),
        Fault::Course(begin, end) => {
            let begin = match begin {
                Begin::AsAsked => "as asked",
                Begin::First => "replayed",
                Begin::Early(_) => "some events again",
                Begin::Present => "from the present",
            };
            let end = match end {
                End::AsAsked => "to the end",
                End::Clean(_) => "ended early",
                End::Torn(_) => "torn",
                End::Silent(_) => "fell silent",
            };
            format!("{begin}, {end}")
        }
        fault => format!("{fault:?}"),
    }
}

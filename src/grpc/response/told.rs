//! What of an error fits. Clients that were told nothing take 8,192 bytes of metadata, counted as HTTP/2 counts them, and
//! nginx takes 4,096 as they stand on the wire (`grpc_buffer_size`); what is larger becomes another error on the way, also
//! for a create whose outcome is unknown.
//!
//! Words give way to facts: first the message and the descriptions become shorter, then violations are left out, last the
//! ids. The code, the reason, what became of a create and when to come back are short and always fit.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, QuotaViolation, StatusExt};

use crate::telemetry::X_REQUEST_ID;

/// The domain of every reason.
const DOMAIN: &str = "xpander.ai";
/// What a whole error stays below in bytes: as clients count it, and on the wire.
const MAX_COUNTED: usize = 8192;
const MAX_WIRE: usize = 4096;
/// What HTTP/2 counts for each header beside its name and value (RFC 9113, 6.5.2).
const BESIDE_HEADER: usize = 32;
/// What stands beside an error: status, content type and date; on the wire also the heads of frames and the connection's
/// first frames, which nginx reads into the same buffer.
const BESIDE_COUNTED: usize = 200;
const BESIDE_WIRE: usize = 160;
/// The most violations that are told, and the longest field of each in bytes.
const MAX_VIOLATIONS: usize = 64;
const MAX_FIELD: usize = 128;
/// The longest message and the longest description in bytes, from what is told where there is room to what always fits.
const LENGTHS: [(usize, usize); 5] = [(1024, 256), (512, 256), (256, 256), (256, 128), (128, 64)];

/// All that could be told of a failed call.
pub struct Told<'a> {
    /// The code.
    pub code: Code,
    /// The stable reason.
    pub reason: &'a str,
    /// In words.
    pub message: &'a str,
    /// What a program can act on, the most important first.
    pub facts: Vec<(&'static str, &'a str)>,
    /// Fields and what is wrong with them.
    pub violations: Vec<(&'a str, &'a str)>,
    /// The limit that the caller met, and the caller's name, where it has one.
    pub quota: Option<(&'static str, Option<&'a str>)>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// What libraries act on by themselves.
    pub metadata: MetadataMap,
}

impl Told<'_> {
    /// As much of it as fits beside the call's request id.
    pub fn status(mut self, request_id: &HeaderValue) -> Status {
        self.violations = useful(std::mem::take(&mut self.violations));
        let fits = |status: &Status| Room::beside(request_id).holds(status);
        loop {
            let all = self.violations.len();
            let whole = LENGTHS.iter().map(|lengths| self.part(all, *lengths)).find(fits);
            if let Some(status) = whole {
                return status;
            }
            let shortest = LENGTHS[LENGTHS.len() - 1];
            let some = (0..all).rev().map(|count| self.part(count, shortest)).find(fits);
            // An id that is cut is another id.
            match some {
                None if self.facts.pop().is_some() => {}
                some => return some.unwrap_or_else(|| Status::new(self.code, "")),
            }
        }
    }

    /// The status with so many violations and texts of these lengths.
    fn part(&self, violations: usize, (message, description): (usize, usize)) -> Status {
        let facts = self.facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason, DOMAIN, facts.collect::<HashMap<_, _>>());
        for (field, text) in &self.violations[..violations] {
            details.add_bad_request_violation(cut(field, MAX_FIELD), cut(text, description));
        }
        if let Some((limit, caller)) = self.quota {
            let subject = caller.map_or_else(String::new, |caller| format!("caller:{}", cut(caller, MAX_FIELD)));
            let violation = QuotaViolation { quota_id: limit.to_owned(), ..QuotaViolation::new(subject, limit) };
            details.set_quota_failure(vec![violation]);
        }
        if self.retry_after.is_some() {
            details.set_retry_info(self.retry_after);
        }
        let (message, metadata) = (cut(self.message, message), self.metadata.clone());
        Status::with_error_details_and_metadata(self.code, message, details, metadata)
    }
}

/// The violations that are told, those first that name a field for the first time.
fn useful<'a>(violations: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let mut named = HashSet::new();
    let (mut told, again): (Vec<_>, Vec<_>) = violations.into_iter().partition(|(field, _)| named.insert(*field));
    told.extend(again);
    told.truncate(MAX_VIOLATIONS);
    told
}

/// The room that is left in bytes.
struct Room {
    counted: usize,
    wire: usize,
}

impl Room {
    fn beside(request_id: &HeaderValue) -> Self {
        let (counted, wire) = size(X_REQUEST_ID.as_str(), request_id);
        Self { counted: MAX_COUNTED - BESIDE_COUNTED - counted, wire: MAX_WIRE - BESIDE_WIRE - wire }
    }

    fn holds(&self, status: &Status) -> bool {
        let mut headers = HeaderMap::new();
        if status.add_header(&mut headers).is_err() {
            return false;
        }
        let sizes = headers.iter().map(|(name, value)| size(name.as_str(), value));
        let (counted, wire) = sizes.fold((0, 0), |(counted, wire), size| (counted + size.0, wire + size.1));
        counted < self.counted && wire < self.wire
    }
}

/// A header's size in bytes: as clients count it, and at most on the wire.
fn size(name: &str, value: &HeaderValue) -> (usize, usize) {
    let coded = |bytes: &[u8]| bytes.iter().map(|byte| bits(*byte)).sum::<usize>().div_ceil(8);
    // The kind, and two lengths of up to three bytes.
    let wire = 7 + coded(name.as_bytes()) + coded(value.as_bytes());
    (name.len() + value.len() + BESIDE_HEADER, wire)
}

/// How many bits a byte has in HPACK's Huffman code (RFC 7541, appendix B), which h2 always takes.
const fn bits(byte: u8) -> usize {
    match byte {
        b'0'..=b'2' | b'a' | b'c' | b'e' | b'i' | b'o' | b's' | b't' => 5,
        b' '
        | b'%'
        | b'-'
        | b'.'
        | b'/'
        | b'3'..=b'9'
        | b'='
        | b'A'
        | b'_'
        | b'b'
        | b'd'
        | b'f'..=b'h'
        | b'l'..=b'n'
        | b'p'
        | b'r'
        | b'u' => 6,
        b':' | b'B'..=b'W' | b'Y' | b'j' | b'k' | b'q' | b'v'..=b'z' => 7,
        b'&' | b'*' | b',' | b';' | b'X' | b'Z' => 8,
        b'!' | b'"' | b'(' | b')' | b'?' => 10,
        b'\'' | b'+' | b'|' => 11,
        b'#' | b'>' => 12,
        b'$' | b'@' | b'[' | b']' | b'~' => 13,
        b'^' | b'}' => 14,
        b'<' | b'`' | b'{' => 15,
        b'\\' => 19,
        _ => 30,
    }
}

/// The longest prefix of whole characters within `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest that is taken over: 128 printable characters, none with a longer code.
    const REQUEST_ID: [u8; 128] = [b'\\'; 128];

    fn told<'a>(message: &'a str, ids: &'a [String; 3], violations: &'a [(String, String)]) -> Told<'a> {
        let mut facts = vec![("outcome", "unknown"), ("http_status", "502"), ("cause", "PLATFORM_CONNECTION_LOST")];
        facts.extend(["task_id", "last_event_id", "agent_id"].into_iter().zip(ids.iter().map(String::as_str)));
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-retry-pushback-ms", i32::MAX.into());
        Told {
            code: Code::DeadlineExceeded,
            reason: "CREATE_OUTCOME_UNKNOWN",
            message,
            facts,
            violations: violations.iter().map(|(field, text)| (&**field, &**text)).collect(),
            quota: None,
            retry_after: Some(Duration::MAX),
            metadata,
        }
    }

    proptest! {
        #[test]
        fn every_error_fits_with_its_reason_its_outcome_and_its_pushback(
            message in prop_oneof![".{0,1100}", "[\\\\{<`]{0,1100}", "[äß👋]{0,400}"],
            ids in prop::array::uniform3(prop_oneof![".{0,128}", "[!-~]{1,1024}", "é{500,512}"]),
            violations in prop::collection::vec((".{0,200}", ".{0,400}"), 0..90),
        ) {
            let request_id = HeaderValue::from_bytes(&REQUEST_ID).expect("printable");
            let status = told(&message, &ids, &violations).status(&request_id);
            let mut headers = HeaderMap::new();
            status.add_header(&mut headers).expect("headers");
            headers.insert("x-request-id", request_id);
            let sizes: Vec<_> = headers.iter().map(|(name, value)| size(name.as_str(), value)).collect();
            prop_assert!(sizes.iter().map(|size| size.0).sum::<usize>() < MAX_COUNTED - BESIDE_COUNTED);
            prop_assert!(sizes.iter().map(|size| size.1).sum::<usize>() < MAX_WIRE - BESIDE_WIRE);
            let details = status.get_error_details();
            let info = details.error_info().expect("an ErrorInfo");
            prop_assert_eq!(&*info.reason, "CREATE_OUTCOME_UNKNOWN");
            prop_assert_eq!((&*info.metadata["outcome"], &*info.metadata["http_status"]), ("unknown", "502"));
            prop_assert!(details.retry_info().is_some() && headers.contains_key("grpc-retry-pushback-ms"));
            // An id is whole or left out, and no shorter text takes the room of one.
            for (name, id) in ["task_id", "last_event_id", "agent_id"].iter().zip(&ids) {
                prop_assert!(info.metadata.get(*name).is_none_or(|told| told == id));
            }
            prop_assert!(ids[0].len() > 128 || info.metadata.contains_key("task_id"));
        }
    }

    #[test]
    fn a_limit_is_told_with_the_name_of_the_longest_caller() {
        let caller = format!("spiffe://{}", "\\".repeat(2040));
        let quota = Some(("limits.creates_per_second", Some(&*caller)));
        let (message, ids) = ("\\".repeat(1024), [const { String::new() }; 3]);
        let status = Told { quota, ..told(&message, &ids, &[]) };
        let details = status.status(&HeaderValue::from_bytes(&REQUEST_ID).expect("printable")).get_error_details();
        let violation = &details.quota_failure().expect("a QuotaFailure").violations[0];
        assert_eq!(
            (&*violation.quota_id, violation.subject.len()),
            ("limits.creates_per_second", "caller:".len() + 128)
        );
        assert!(details.retry_info().is_some());
    }

    #[test]
    fn an_event_id_of_a_kib_is_told_beside_a_message_and_any_id_of_ours() {
        let ids = ["t".repeat(128), "\\".repeat(1024), "a".repeat(128)];
        let message = "\\".repeat(1024);
        let request_id = HeaderValue::from_bytes(&REQUEST_ID).expect("printable");
        let status = told(&message, &ids, &[]).status(&request_id);
        let details = status.get_error_details();
        let facts = &details.error_info().expect("an ErrorInfo").metadata;
        assert_eq!([&facts["task_id"], &facts["last_event_id"], &facts["agent_id"]], [&ids[0], &ids[1], &ids[2]]);
        assert!(status.message().len() >= 128);
    }

    #[test]
    fn texts_become_shorter_before_violations_are_left_out_and_each_field_is_named_before_one_is_named_again() {
        let violations: Vec<_> =
            (0..64).map(|i| (format!("field_{}", i % 16), format!("{i} {}", "is not valid ".repeat(20)))).collect();
        let ids = ["t", "e", "a"].map(str::to_owned);
        let status = told("no", &ids, &violations).status(&HeaderValue::from_static("-"));
        let details = status.get_error_details();
        let told = &details.bad_request().expect("a BadRequest").field_violations;
        let first: Vec<_> = told.iter().take(16).map(|v| v.field.clone()).collect();
        assert_eq!(first, (0..16).map(|i| format!("field_{i}")).collect::<Vec<_>>());
        assert!(told.iter().all(|v| v.description.len() == 64), "{told:?}");
    }
}

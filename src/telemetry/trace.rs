//! Where a call stands in its caller's trace: W3C headers in and out. Not how spans are exported.
//!
//! With tracing off, what the caller sent is passed on as it came, so that the proxy never breaks a trace.

use std::str::FromStr as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt as _, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of every span that is exported; logs never look at it.
pub(super) const TARGET: &str = "xpander_grpc_proxy::spans";

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The most that is passed on, in bytes: what the specifications ask to be passed on at least.
const MAX_TRACEPARENT: usize = 128;
const MAX_TRACESTATE: usize = 512;
const MAX_BAGGAGE: usize = 8192;

/// A call's place in a trace.
pub(super) struct Trace {
    /// The headers as they came, as far as they are well-formed.
    traceparent: Option<HeaderValue>,
    tracestate: Option<HeaderValue>,
    baggage: Option<HeaderValue>,
    /// The caller's span.
    caller: Option<SpanContext>,
    /// The call's own span, where tracing is on.
    own: Option<SpanContext>,
}

impl Trace {
    /// What a call's metadata says.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let traceparent = one(headers, &TRACEPARENT, MAX_TRACEPARENT);
        let tracestate = all(headers, &TRACESTATE, MAX_TRACESTATE);
        let caller = traceparent.as_ref().and_then(|parent| span_of(parent, tracestate.as_ref()));
        // A state without its parent means nothing.
        let (traceparent, tracestate) = if caller.is_some() { (traceparent, tracestate) } else { (None, None) };
        Self { traceparent, tracestate, baggage: all(headers, &BAGGAGE, MAX_BAGGAGE), caller, own: None }
    }

    /// Makes the call's own span, which has not begun yet, a child of its caller's.
    pub(super) fn enter(&mut self, span: &Span) {
        if span.is_disabled() {
            return;
        }
        if let Some(caller) = &self.caller {
            let _ = span.set_parent(Context::new().with_remote_span_context(caller.clone()));
        }
        self.own = Some(context_of(span)).filter(SpanContext::is_valid);
    }

    /// Makes a span, which has not begun yet, a child of the call's own, also after that has ended.
    pub(super) fn adopt(&self, span: &Span) {
        if let Some(own) = &self.own {
            let _ = span.set_parent(Context::new().with_remote_span_context(own.clone()));
        }
    }

    /// Adds the headers for a request that this span is about.
    pub(super) fn propagate(&self, span: &Span, headers: &mut HeaderMap) {
        let own = self.own.is_some().then(|| context_of(span)).filter(SpanContext::is_valid);
        let (traceparent, tracestate) = match own {
            None => (self.traceparent.clone(), self.tracestate.clone()),
            Some(own) => {
                let flags = own.trace_flags().to_u8();
                let parent = format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id());
                let state = own.trace_state().header();
                (
                    HeaderValue::try_from(parent).ok(),
                    HeaderValue::try_from(state).ok().filter(|state| !state.is_empty()),
                )
            }
        };
        for (name, value) in [(TRACEPARENT, traceparent), (TRACESTATE, tracestate), (BAGGAGE, self.baggage.clone())] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }

    /// The trace's id: our span's or the caller's.
    pub(super) fn id(&self) -> Option<String> {
        self.own.as_ref().or(self.caller.as_ref()).map(|span| span.trace_id().to_string())
    }
}

fn context_of(span: &Span) -> SpanContext {
    span.context().span().span_context().clone()
}

/// A header that may come once.
fn one(headers: &HeaderMap, name: &HeaderName, most: usize) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|value| values.next().is_none() && value.len() <= most).cloned()
}

/// A header that is a list, in one piece; none where it is too long or no printable ASCII.
fn all(headers: &HeaderMap, name: &HeaderName, most: usize) -> Option<HeaderValue> {
    let values: Option<Vec<&str>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    let list = values.filter(|values| !values.is_empty())?.join(",");
    (list.len() <= most).then(|| HeaderValue::try_from(list).ok()).flatten()
}

/// The span that a `traceparent` names, of version 00 or a later one, which may say more at its end.
fn span_of(parent: &HeaderValue, state: Option<&HeaderValue>) -> Option<SpanContext> {
    let mut parts = parent.to_str().ok()?.split('-');
    let mut hex = |digits: usize| {
        let is_hex = |part: &&str| part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        parts.next().filter(is_hex)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    if version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let state = state.and_then(|state| TraceState::from_str(state.to_str().ok()?).ok()).unwrap_or_default();
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    fn passed_on(pairs: &[(&'static str, &str)]) -> Vec<(String, String)> {
        let mut passed = HeaderMap::new();
        Trace::read(&headers(pairs)).propagate(&Span::none(), &mut passed);
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        passed.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn without_tracing_the_headers_are_passed_on_as_they_came() {
        let pairs = [("traceparent", PARENT), ("tracestate", "a=1,b=2"), ("baggage", "k=v;p=1")];
        assert_eq!(passed_on(&pairs), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(passed_on(&[("traceparent", later)])[0].1, later);
    }

    #[test]
    fn a_list_in_several_headers_is_one_list() {
        let pairs = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
        assert_eq!(passed_on(&pairs)[1].1, "a=1,b=2");
    }

    #[test]
    fn what_is_malformed_is_not_passed_on() {
        for parent in [
            "",
            "nonsense",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(passed_on(&[("traceparent", parent), ("tracestate", "a=1")]), [], "{parent}");
        }
        assert_eq!(passed_on(&[("traceparent", PARENT), ("traceparent", PARENT)]), []);
        assert_eq!(passed_on(&[("baggage", &"b".repeat(MAX_BAGGAGE + 1)), ("tracestate", "a=1")]), []);
        assert_eq!(passed_on(&[("baggage", "k=\u{e4}")]), []);
    }

    #[test]
    fn the_trace_is_known_by_its_id() {
        let trace = Trace::read(&headers(&[("traceparent", PARENT)]));
        assert_eq!(trace.id().as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(Trace::read(&HeaderMap::new()).id(), None);
    }
}

//! The values of the `OTEL_*` variables, which the exporters read by themselves and, where they cannot, pass over: what is
//! wrong with each is told before they do. Headers, endpoints and attributes may hold secrets, and are not repeated.

use std::{collections::HashMap, path::Path};

use http::{HeaderName, HeaderValue, Uri};
use url::Url;

use crate::config::{
    fault::Fault,
    pem,
    read::{Problem, refused},
};

const BOTH: &str = "OTEL_EXPORTER_OTLP_";
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
pub const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];
const TEMPORALITIES: [&str; 3] = ["cumulative", "delta", "lowmemory"];

/// The environment, of which an empty variable counts as unset.
pub struct Variables<'a>(pub &'a HashMap<String, String>);

impl Variables<'_> {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The variable of one kind of telemetry or, where it is unset, that of both.
    pub fn of(&self, prefix: &str, key: &str) -> Option<(String, &str)> {
        [prefix, BOTH].iter().find_map(|prefix| {
            let name = format!("{prefix}{key}");
            self.get(&name).map(|value| (name, value))
        })
    }
}

/// What is wrong with a value, and what would be right.
type Check = fn(&str) -> Result<(), (Problem, &'static str)>;

/// The faults of how one kind of telemetry is exported.
pub fn of_exporter(variables: &Variables<'_>, prefix: &str) -> Vec<Fault> {
    const CHECKS: [(&str, Check); 8] = [
        ("ENDPOINT", endpoint),
        ("TIMEOUT", positive),
        ("COMPRESSION", |text| one_of(text, &["gzip", "none"], "gzip or none")),
        ("HEADERS", headers),
        ("INSECURE", |text| one_of(&text.to_lowercase(), &["true", "false"], "true or false")),
        ("CERTIFICATE", |path| certificates(path, pem::authorities(Path::new(path)).map(drop))),
        ("CLIENT_CERTIFICATE", |path| certificates(path, pem::certificates(Path::new(path)).map(drop))),
        ("CLIENT_KEY", |path| certificates(path, pem::key(Path::new(path)).map(drop))),
    ];
    let given = CHECKS.iter().filter_map(|(key, check)| Some((variables.of(prefix, key)?, check)));
    let mut faults: Vec<_> = given.filter_map(|((name, text), check)| found(&name, text, *check)).collect();
    for (one, other) in [("CLIENT_CERTIFICATE", "CLIENT_KEY"), ("CLIENT_KEY", "CLIENT_CERTIFICATE")] {
        if let (Some((name, _)), None) = (variables.of(prefix, one), variables.of(prefix, other)) {
            faults.push(fault(&name, format!("there is no {BOTH}{other}"), "a certificate and its key, or neither"));
        }
    }
    faults
}

/// The faults of what is said on traces alone.
pub fn of_traces(variables: &Variables<'_>) -> Vec<Fault> {
    const CHECKS: [(&str, Check); 10] = [
        ("OTEL_TRACES_SAMPLER", |text| {
            one_of(text, &SAMPLERS, "always_on, always_off or traceidratio, each also with parentbased_ before it")
        }),
        ("OTEL_TRACES_SAMPLER_ARG", ratio),
        ("OTEL_BSP_SCHEDULE_DELAY", positive),
        ("OTEL_BSP_EXPORT_TIMEOUT", positive),
        ("OTEL_BSP_MAX_QUEUE_SIZE", positive),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", positive),
        ("OTEL_BSP_MAX_CONCURRENT_EXPORTS", positive),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", whole),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", whole),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", whole),
    ];
    all(variables, &CHECKS)
}

/// The faults of what is said on metrics alone.
pub fn of_metrics(variables: &Variables<'_>) -> Vec<Fault> {
    const CHECKS: [(&str, Check); 3] = [
        ("OTEL_METRIC_EXPORT_INTERVAL", positive),
        ("OTEL_METRIC_EXPORT_TIMEOUT", positive),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", |text| {
            one_of(&text.to_lowercase(), &TEMPORALITIES, "cumulative, delta or lowmemory")
        }),
    ];
    all(variables, &CHECKS)
}

/// The faults of what is said on who exports.
pub fn of_both(variables: &Variables<'_>) -> Vec<Fault> {
    all(variables, &[("OTEL_RESOURCE_ATTRIBUTES", attributes)])
}

fn all(variables: &Variables<'_>, checks: &[(&str, Check)]) -> Vec<Fault> {
    checks.iter().filter_map(|(name, check)| found(name, variables.get(name)?, *check)).collect()
}

fn found(name: &str, text: &str, check: Check) -> Option<Fault> {
    check(text).err().map(|(problem, allowed)| fault(name, problem, allowed))
}

/// A fault of a variable.
pub fn fault(variable: &str, problem: Problem, allowed: &str) -> Fault {
    Fault {
        setting: variable.to_owned(),
        source: format!("the environment variable {variable}"),
        problem,
        allowed: allowed.to_owned(),
    }
}

fn endpoint(text: &str) -> Result<(), (Problem, &'static str)> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // What the exporters read it as is stricter, and they repeat what they refuse.
    let url = url.filter(|_| text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())));
    // `localhost:4317` is a URL too, of the scheme `localhost`.
    let problem = || {
        (
            "the value (not shown) is no URL with http:// or https://".to_owned(),
            "http:// or https://, a host and a port",
        )
    };
    url.map(drop).ok_or_else(problem)
}

fn whole(text: &str) -> Result<(), (Problem, &'static str)> {
    text.parse::<u64>().map(drop).map_err(|_| (refused(text), "a whole number"))
}

/// A time or size of zero exports nothing, or without a pause.
fn positive(text: &str) -> Result<(), (Problem, &'static str)> {
    let number = text.parse::<u64>().ok().filter(|number| *number > 0);
    number.map(drop).ok_or_else(|| (refused(text), "a whole number above zero; times are in milliseconds"))
}

fn ratio(text: &str) -> Result<(), (Problem, &'static str)> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0_f64).contains(ratio));
    ratio.map(drop).ok_or_else(|| (refused(text), "a number from 0 to 1"))
}

fn one_of(text: &str, words: &[&str], allowed: &'static str) -> Result<(), (Problem, &'static str)> {
    if words.contains(&text) { Ok(()) } else { Err((refused(text), allowed)) }
}

fn headers(text: &str) -> Result<(), (Problem, &'static str)> {
    let is_good = pairs(text)
        .all(|pair| pair.is_some_and(|(name, value)| name.parse::<HeaderName>().is_ok() && is_header(value)));
    let problem = || {
        (
            "a part of the value (not shown) is no name=value".to_owned(),
            "name=value, with commas in between, percent-encoded",
        )
    };
    if is_good { Ok(()) } else { Err(problem()) }
}

/// Whether a value is a header's once its escapes are taken off.
fn is_header(value: &str) -> bool {
    let is_escape = |part: &str| {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).is_some_and(|byte| byte >= b' ' && byte != 0x7f)
    };
    HeaderValue::from_str(value).is_ok() && value.split('%').skip(1).all(is_escape)
}

fn attributes(text: &str) -> Result<(), (Problem, &'static str)> {
    let is_good = pairs(text).all(|pair| pair.is_some_and(|(key, _)| !key.is_empty()));
    let problem = || {
        (
            "a part of the value (not shown) is no key=value".to_owned(),
            "key=value, with commas in between, percent-encoded",
        )
    };
    if is_good { Ok(()) } else { Err(problem()) }
}

fn pairs(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').map(|(name, value)| (name.trim(), value.trim())))
}

fn certificates(path: &str, read: Result<(), Problem>) -> Result<(), (Problem, &'static str)> {
    read.map_err(|problem| (format!("{path}: {problem}"), "a readable PEM file"))
}

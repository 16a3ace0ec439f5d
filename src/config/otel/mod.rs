//! What is exported over OTLP, by the variables of OpenTelemetry's specification. They are no keys of the file. Those that
//! the exporters read by themselves are checked in `otel_values`, since they pass over what they cannot read.

mod values;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use clap::ValueEnum;

use self::values::{ENDPOINT, PROTOCOL, Variables};
use super::{
    fault::Fault,
    read,
    secret::Secret,
    shown::{self, choices},
};

const DISABLED: &str = "OTEL_SDK_DISABLED";
/// How long an export may take, unless a variable says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is exported over OTLP; off where no endpoint is set. The exporters read the rest of the `OTEL_*` variables by
/// themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Otlp {
    /// Traces, by `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    pub traces: Option<Export>,
    /// Metrics, by `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`.
    pub metrics: Option<Export>,
    /// The variables that ask for something else than what is done.
    pub passed_over: Vec<&'static str>,
}

/// How one kind of telemetry is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Where to, as the variable has it: it may carry a password.
    pub endpoint: Secret,
    /// How OTLP is spoken.
    pub protocol: OtlpProtocol,
    /// How long an export may take.
    pub timeout: Duration,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files with the certificate to show and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf bodies, the specification's default.
    #[value(name = "http/protobuf")]
    HttpProtobuf,
}

/// One kind of what is exported; a variable of its own wins over that of all kinds.
#[derive(Clone, Copy)]
struct Signal {
    exporter: &'static str,
    /// What stands before the rest of a variable's name.
    prefix: &'static str,
}

const TRACES: Signal = Signal { exporter: "OTEL_TRACES_EXPORTER", prefix: "OTEL_EXPORTER_OTLP_TRACES_" };
const METRICS: Signal = Signal { exporter: "OTEL_METRICS_EXPORTER", prefix: "OTEL_EXPORTER_OTLP_METRICS_" };

/// The variables that are read here, each with what it does.
pub const VARIABLES: [(&str, &str); 12] = [
    (DISABLED, "`true` switches all export off."),
    (ENDPOINT, "Where traces and metrics go, `http://…` or `https://…`; with no endpoint nothing is exported."),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "Where traces go; wins over the one for both."),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "Where metrics go; wins over the one for both."),
    (PROTOCOL, "`http/protobuf` (the default) or `grpc`."),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "The same for traces alone."),
    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "The same for metrics alone."),
    (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "A PEM file of authorities to trust instead of the system's; `…_TRACES_…` and `…_METRICS_…` as above.",
    ),
    ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "A PEM file with the certificate to show (mTLS); likewise."),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "A PEM file with its private key; likewise."),
    (TRACES.exporter, "`none` switches traces off; `otlp` is the default."),
    (METRICS.exporter, "`none` switches metrics off; `otlp` is the default. `/metrics` is served in any case."),
];

/// Variables of the specification that nothing here follows, each with what is done all the same.
const NOT_FOLLOWED: [(&str, &[&str]); 11] = [
    ("OTEL_PROPAGATORS", &["tracecontext,baggage", "baggage,tracecontext"]),
    ("OTEL_LOGS_EXPORTER", &["none"]),
    ("OTEL_METRICS_EXEMPLAR_FILTER", &["always_off"]),
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", &["explicit_bucket_histogram"]),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", &[]),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", &[]),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", &[]),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &[]),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &[]),
    ("OTEL_CONFIG_FILE", &[]),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", &[]),
];

/// What the variables ask for, and what is wrong with them. An empty variable counts as unset.
pub fn otlp(variables: &HashMap<String, String>) -> (Otlp, Vec<Fault>) {
    let variables = Variables(variables);
    match variables.get(DISABLED) {
        Some(value) if value.eq_ignore_ascii_case("true") => return (Otlp::default(), Vec::new()),
        Some(value) if !value.eq_ignore_ascii_case("false") => {
            return (Otlp::default(), vec![values::fault(DISABLED, read::refused(value), "true or false")]);
        }
        _ => {}
    }
    let mut faults = Vec::new();
    let mut export = |signal: Signal| {
        let (export, found) = variables.export(signal);
        faults.extend(found);
        export
    };
    let mut otlp = Otlp { traces: export(TRACES), metrics: export(METRICS), passed_over: Vec::new() };
    if otlp.traces.is_some() {
        faults.extend(values::of_traces(&variables));
    }
    if otlp.metrics.is_some() {
        faults.extend(values::of_metrics(&variables));
    }
    if otlp != Otlp::default() {
        faults.extend(values::of_both(&variables));
        otlp.passed_over = variables.passed_over();
    }
    // A variable of both kinds is told once.
    faults.sort_by(|a, b| a.setting.cmp(&b.setting));
    faults.dedup();
    (otlp, faults)
}

/// One line `otlp.key = value` for each kind, for `check`.
pub fn show(otlp: &Otlp) -> String {
    let line = |name: &str, export: &Option<Export>| match export {
        Some(Export { protocol, .. }) => {
            format!("otlp.{name} = {:?}  # by the OTEL_* variables\n", shown::name(protocol))
        }
        None => format!("otlp.{name} = {}\n", shown::NOT_SET),
    };
    line("traces", &otlp.traces) + &line("metrics", &otlp.metrics)
}

impl Variables<'_> {
    fn passed_over(&self) -> Vec<&'static str> {
        let asks = |(name, done): &(&'static str, &[&str])| {
            let value = self.get(name)?.replace(' ', "");
            (!done.contains(&&*value)).then_some(*name)
        };
        NOT_FOLLOWED.iter().filter_map(asks).collect()
    }

    /// How a signal is exported, if it is, and what is wrong with that.
    fn export(&self, Signal { exporter, prefix }: Signal) -> (Option<Export>, Vec<Fault>) {
        match self.get(exporter) {
            None | Some("otlp") => {}
            Some("none") => return (None, Vec::new()),
            Some(other) => {
                return (None, vec![values::fault(exporter, read::refused(other), "otlp or none")]);
            }
        }
        let Some((_, endpoint)) = self.of(prefix, "ENDPOINT") else { return (None, Vec::new()) };
        let mut faults = values::of_exporter(self, prefix);
        let protocol = match self.of(prefix, "PROTOCOL") {
            None => OtlpProtocol::HttpProtobuf,
            Some((name, text)) => read::choice(text).unwrap_or_else(|problem| {
                faults.push(values::fault(&name, problem, &choices::<OtlpProtocol>()));
                OtlpProtocol::HttpProtobuf
            }),
        };
        let milliseconds = self.of(prefix, "TIMEOUT").and_then(|(_, text)| text.parse().ok());
        let file = |key| self.of(prefix, key).map(|(_, path)| PathBuf::from(path));
        let export = Export {
            endpoint: Secret::new(endpoint),
            protocol,
            timeout: milliseconds.map_or(TIMEOUT, Duration::from_millis),
            ca_file: file("CERTIFICATE"),
            identity: file("CLIENT_CERTIFICATE").zip(file("CLIENT_KEY")),
        };
        (Some(export), faults)
    }
}

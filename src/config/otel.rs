//! What is exported over OTLP, by the variables of OpenTelemetry's specification. They are no keys of the file; those on
//! endpoints, headers, sampling and resources are the exporters' to read.

use std::collections::HashMap;

use clap::ValueEnum;

use super::{
    fault::Fault,
    read,
    shown::{self, choices},
};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// What is exported over OTLP, and how; off where no endpoint is set. The exporters read the rest of the `OTEL_*`
/// variables by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Otlp {
    /// Traces, by `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    pub traces: Option<OtlpProtocol>,
    /// Metrics, by `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`.
    pub metrics: Option<OtlpProtocol>,
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

/// The variables on one kind of what is exported; its endpoint and protocol win over those of all kinds.
struct Signal {
    exporter: &'static str,
    endpoint: &'static str,
    protocol: &'static str,
}

const TRACES: Signal = Signal {
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
};
const METRICS: Signal = Signal {
    exporter: "OTEL_METRICS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
};

/// The variables that are read here, each with what it does.
pub const VARIABLES: [(&str, &str); 9] = [
    (DISABLED, "`true` switches all export off."),
    (ENDPOINT, "Where traces and metrics go; with no endpoint nothing is exported."),
    (TRACES.endpoint, "Where traces go; wins over the one for both."),
    (METRICS.endpoint, "Where metrics go; wins over the one for both."),
    (PROTOCOL, "`http/protobuf` (the default) or `grpc`."),
    (TRACES.protocol, "The same for traces alone."),
    (METRICS.protocol, "The same for metrics alone."),
    (TRACES.exporter, "`none` switches traces off; `otlp` is the default."),
    (METRICS.exporter, "`none` switches metrics off; `otlp` is the default. `/metrics` is served in any case."),
];

/// What the variables ask for, and what is wrong with them. An empty variable counts as unset.
pub fn otlp(variables: &HashMap<String, String>) -> (Otlp, Vec<Fault>) {
    let variables = Variables(variables);
    if variables.get(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return (Otlp::default(), Vec::new());
    }
    let mut faults = Vec::new();
    let mut export = |signal| variables.protocol(&signal).unwrap_or_else(|fault| (faults.push(fault), None).1);
    let otlp = Otlp { traces: export(TRACES), metrics: export(METRICS) };
    faults.dedup();
    (otlp, faults)
}

/// One line `otlp.key = value` for each kind, for `check`.
pub fn show(otlp: Otlp) -> String {
    let line = |name: &str, protocol: Option<OtlpProtocol>| match protocol {
        Some(protocol) => format!("otlp.{name} = {:?}  # by the OTEL_* variables\n", shown::name(&protocol)),
        None => format!("otlp.{name} = {}\n", shown::NOT_SET),
    };
    line("traces", otlp.traces) + &line("metrics", otlp.metrics)
}

struct Variables<'a>(&'a HashMap<String, String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// How a signal is exported, if it is.
    fn protocol(&self, signal: &Signal) -> Result<Option<OtlpProtocol>, Fault> {
        match self.get(signal.exporter) {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(fault(signal.exporter, read::refused(other), "otlp or none")),
        }
        if self.get(signal.endpoint).or_else(|| self.get(ENDPOINT)).is_none() {
            return Ok(None);
        }
        let Some((name, text)) = [signal.protocol, PROTOCOL].iter().find_map(|name| Some((*name, self.get(name)?)))
        else {
            return Ok(Some(OtlpProtocol::HttpProtobuf));
        };
        read::choice(text).map(Some).map_err(|problem| fault(name, problem, &choices::<OtlpProtocol>()))
    }
}

fn fault(variable: &str, problem: String, allowed: &str) -> Fault {
    Fault {
        setting: variable.to_owned(),
        source: format!("the environment variable {variable}"),
        problem,
        allowed: allowed.to_owned(),
    }
}

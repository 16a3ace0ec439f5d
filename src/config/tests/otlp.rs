//! The `OTEL_*` variables.

use super::*;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

fn otlp(variables: &[(&str, &str)]) -> (Option<OtlpProtocol>, Option<OtlpProtocol>) {
    let Otlp { traces, metrics, .. } = good(sandboxed("", variables)).otlp;
    (traces.map(|export| export.protocol), metrics.map(|export| export.protocol))
}

#[test]
fn nothing_is_exported_without_an_endpoint() {
    assert_eq!(otlp(&[]), (None, None));
    let empty = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
    ];
    assert_eq!(otlp(&empty), (None, None));
}

#[test]
fn an_endpoint_for_all_or_for_one_kind_switches_it_on() {
    let http = Some(OtlpProtocol::HttpProtobuf);
    assert_eq!(otlp(&[ENDPOINT]), (http, http));
    assert_eq!(otlp(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a")]), (http, None));
    assert_eq!(otlp(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a")]), (None, http));
}

#[test]
fn the_protocol_of_one_kind_wins_over_that_of_all() {
    let (grpc, http) = (Some(OtlpProtocol::Grpc), Some(OtlpProtocol::HttpProtobuf));
    let all = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert_eq!(otlp(&[ENDPOINT, all]), (grpc, grpc));
    assert_eq!(otlp(&[ENDPOINT, all, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")]), (http, grpc));
    assert_eq!(otlp(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")]), (http, grpc));
}

#[test]
fn export_can_be_switched_off_in_whole_or_in_part() {
    let http = Some(OtlpProtocol::HttpProtobuf);
    for off in ["true", "True"] {
        let ignored = [ENDPOINT, ("OTEL_SDK_DISABLED", off), ("OTEL_TRACES_EXPORTER", "zipkin")];
        assert_eq!(otlp(&ignored), (None, None));
    }
    assert_eq!(otlp(&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")]), (http, http));
    assert_eq!(otlp(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), (None, http));
    assert_eq!(otlp(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none"), ("OTEL_TRACES_EXPORTER", "otlp")]), (http, None));
}

#[test]
fn an_exporter_or_protocol_that_is_not_there_is_told_once() {
    for (name, value, allowed) in [
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC", "grpc or http/protobuf"),
    ] {
        let fault = only(sandboxed("", &[ENDPOINT, (name, value)]));
        assert_eq!((fault.setting.as_str(), fault.allowed.as_str()), (name, allowed));
        assert_eq!(fault.source, format!("the environment variable {name}"));
        assert_eq!(fault.problem, format!("the value is {value:?}"));
    }
}

#[test]
fn check_shows_what_is_exported_and_not_where_to() {
    let settings = good(sandboxed("", &[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")]));
    let shown = show(&settings);
    let end = "otlp.traces = \"http/protobuf\"  # by the OTEL_* variables\notlp.metrics = (not set)\n";
    assert!(shown.ends_with(end) && !shown.contains("collector"), "{shown}");
}

#[test]
fn what_the_exporters_would_pass_over_is_told_once_and_without_secrets() {
    let rows = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317 localhost:4318 ftp://collector http:// ://c"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:hunter2"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "u:hunter2@collector"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s -1 1.5 soon 0"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd GZIP yes"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "hunter2 a=b,hunter2 =hunter2 authorization:hunter2 a=hunter2%zz a=%0ahunter2 a=hunter2%",
        ),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "1 yes"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file Cargo.toml"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/no/such/file"),
        ("OTEL_TRACES_SAMPLER", "always jaeger_remote ALWAYS_ON"),
        ("OTEL_TRACES_SAMPLER_ARG", "2 -1 half NaN"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s 0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many 0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m 0"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both"),
        ("OTEL_RESOURCE_ATTRIBUTES", "hunter2 =hunter2"),
        ("OTEL_SDK_DISABLED", "yes 1"),
    ];
    for (name, values) in rows {
        for value in values.split(' ') {
            let fault = only(sandboxed("", &[ENDPOINT, (name, value)]));
            assert_eq!(fault.setting, name, "{value}");
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }
}

#[test]
fn what_the_specification_allows_is_no_fault() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", " authorization=Bearer%20x==, x-a=,"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "True"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "tests/fixtures/keys/self-signed.crt"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "tests/fixtures/keys/self-signed.crt"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "tests/fixtures/keys/self-signed.key"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c=d%20e"),
        ("OTEL_BSP_SCHEDULE_DELAY", ""),
        ("OTEL_SOMETHING_OF_TOMORROW", "x"),
        // Of metrics, which go nowhere here.
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
    ];
    let export = good(sandboxed("", &variables)).otlp.traces.expect("an endpoint");
    assert_eq!(export.timeout, std::time::Duration::from_millis(2500));
    assert!(export.ca_file.is_some() && export.identity.is_some());
    // Nothing is exported, nothing is read.
    good(sandboxed("", &variables[9..].iter().map(|(name, _)| (*name, "?")).collect::<Vec<_>>()));
}

#[test]
fn a_certificate_to_show_needs_its_key_and_the_other_way_round() {
    for (name, path) in [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "tests/fixtures/keys/self-signed.crt"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "tests/fixtures/keys/self-signed.key"),
    ] {
        assert_eq!(only(sandboxed("", &[ENDPOINT, (name, path)])).setting, name);
    }
}

#[test]
fn what_asks_for_something_else_than_what_is_done_is_named() {
    let passed_over = |variables: &[(&str, &str)]| good(sandboxed("", variables)).otlp.passed_over;
    for (name, value, is_done) in [
        ("OTEL_PROPAGATORS", "tracecontext, baggage", true),
        ("OTEL_PROPAGATORS", "baggage,tracecontext", true),
        ("OTEL_PROPAGATORS", "b3,tracecontext", false),
        ("OTEL_LOGS_EXPORTER", "none", true),
        ("OTEL_LOGS_EXPORTER", "otlp", false),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100", false),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "", true),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based", false),
        ("OTEL_SERVICE_NAME", "x", true),
    ] {
        let named = passed_over(&[ENDPOINT, (name, value)]);
        assert_eq!(named, if is_done { vec![] } else { vec![name] }, "{value}");
        // Where nothing is exported, nothing is asked for.
        assert!(passed_over(&[(name, value)]).is_empty());
    }
}

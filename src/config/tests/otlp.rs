//! The `OTEL_*` variables.

use super::*;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

fn otlp(variables: &[(&str, &str)]) -> (Option<OtlpProtocol>, Option<OtlpProtocol>) {
    let Otlp { traces, metrics } = good(sandboxed("", variables)).otlp;
    (traces, metrics)
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

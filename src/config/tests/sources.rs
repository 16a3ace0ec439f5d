//! Which source wins, and what each can say.

use std::time::Duration;

use super::*;

#[test]
fn flags_beat_the_environment_beats_the_file_beats_the_defaults() {
    let file = "[server]\nlisten = '127.0.0.1:1'\nadmin_listen = '127.0.0.1:2'\ndrain_delay = '1s'";
    let variables =
        [("XPANDER_PROXY_SERVER__LISTEN", "127.0.0.1:3"), ("XPANDER_PROXY_SERVER__ADMIN_LISTEN", "127.0.0.1:4")];
    let flags = Flags { listen: "127.0.0.1:5".parse().ok(), sandbox: true, ..Flags::default() };
    let server = good(load_with(Some(file), &variables, &flags)).server;
    assert_eq!(server.listen.port(), 5);
    assert_eq!(server.admin_listen.port(), 4);
    assert_eq!(server.drain_delay, Duration::from_secs(1));
    assert_eq!(server.drain_timeout, Duration::from_secs(25));
}

#[test]
fn the_official_clients_variables_count_and_the_prefixed_names_win() {
    let official = [
        ("XPANDER_API_KEY", KEY),
        ("XPANDER_ORGANIZATION_ID", "org-1"),
        ("XPANDER_BASE_URL", "acme.io/"),
        ("XPANDER_AGENT_ID", "agent-1"),
        ("XPANDER_FOO", "not ours"),
    ];
    let settings = good(load_with(None, &official, &Flags::default()));
    assert_eq!(settings.platform.api_key.as_ref().map(Secret::expose), Some(KEY));
    assert_eq!(settings.platform.organization_id.as_deref(), Some("org-1"));
    assert_eq!(settings.platform.base_url, "https://acme.io");
    assert_eq!(settings.agents.default_id.as_deref(), Some("agent-1"));

    let prefixed = [("XPANDER_PROXY_PLATFORM__API_KEY", "0123"), ("XPANDER_PROXY_AGENTS__DEFAULT_ID", "007")];
    let settings = good(load_with(None, &[&official[..], &prefixed[..]].concat(), &Flags::default()));
    assert_eq!(settings.platform.api_key.as_ref().map(Secret::expose), Some("0123"));
    assert_eq!(settings.agents.default_id.as_deref(), Some("007"));
}

#[test]
fn an_empty_value_counts_as_unset() {
    let variables = [("XPANDER_BASE_URL", ""), ("XPANDER_PROXY_SERVER__DRAIN_DELAY", ""), ("IS_STG", "")];
    let settings = good(sandboxed("[platform]\nbase_url = 'http://acme.io'\norganization_id = ''", &variables));
    assert_eq!(settings.platform.base_url, "http://acme.io");
    assert_eq!(settings.platform.organization_id, None);
    assert_eq!(settings.server.drain_delay, Duration::from_secs(5));
}

#[test]
fn is_stg_means_staging_when_it_is_exactly_true_and_no_base_url_is_set() {
    let base_url = |file: &str, variables: &[(&str, &str)]| good(sandboxed(file, variables)).platform.base_url;
    assert_eq!(base_url("", &[("IS_STG", "true"), ("XPANDER_BASE_URL", "")]), "https://inbound.stg.xpander.ai");
    assert_eq!(base_url("", &[("IS_STG", "true"), ("XPANDER_BASE_URL", "acme.io")]), "https://acme.io");
    assert_eq!(base_url("platform.base_url = 'acme.io'", &[("IS_STG", "true")]), "https://acme.io");
    for other in ["True", "1", "false", "true "] {
        assert_eq!(base_url("", &[("IS_STG", other)]), "https://inbound.xpander.ai", "{other}");
    }
}

#[test]
fn every_kind_of_value_is_read_from_text_and_from_toml() {
    let file =
        "server.max_request_bytes = 1_000\nevents.forward_access_tokens = true\nplatform.http2 = 'prior-knowledge'";
    let variables = [
        ("XPANDER_PROXY_SERVER__MAX_RESPONSE_BYTES", "2000"),
        ("XPANDER_PROXY_TELEMETRY__LOG_FORMAT", "text"),
        ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "warn,xpander_grpc_proxy=debug"),
        ("XPANDER_PROXY_PLATFORM__AGENT_CACHE_TTL", "0s"),
    ];
    let settings = good(sandboxed(file, &variables));
    assert_eq!((settings.server.max_request_bytes, settings.server.max_response_bytes), (1000, 2000));
    assert!(settings.events.forward_access_tokens);
    assert_eq!(settings.platform.http2, Http2::PriorKnowledge);
    assert_eq!(settings.telemetry.log_format, LogFormat::Text);
    assert_eq!(settings.telemetry.log_filter, "warn,xpander_grpc_proxy=debug");
    assert_eq!(settings.platform.agent_cache_ttl, Duration::ZERO);
}

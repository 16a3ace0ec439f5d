//! What is refused, and how it is told.

use super::*;

#[test]
fn all_faults_are_told_at_once_with_where_each_value_came_from() {
    let file = Temporary::new("[server]\nmax_request_bytes = 0\ndrain_dely = '1s'");
    let variables = [("XPANDER_PROXY_SERVER__LISTEN".to_owned(), "localhost".to_owned())];
    let flags = Flags { sandbox: true, ..Flags::default() };
    let faults = load(Some(&file.0), variables, &flags).expect_err("three settings are wrong");
    let path = file.path();
    let keys = "listen, admin_listen, tls_cert_file, tls_key_file, tls_client_ca_file, max_calls, max_waits, max_streams, \
                max_request_bytes, max_response_bytes, max_buffered_bytes, max_receiving_bytes, max_other_streams, max_connections, \
                max_metadata_bytes, max_streams_per_connection, \
                max_resets_per_connection, handshake_timeout, receive_timeout, keepalive_interval, keepalive_timeout, \
                max_connection_idle, max_connection_age, max_connection_age_grace, drain_delay, drain_timeout";
    assert_eq!(
        lines(&faults),
        format!(
            "server.drain_dely (from the file {path}): there is no such setting, did you mean server.drain_delay?; allowed: \
             in [server] {keys}\n\
             server.listen (from the environment variable XPANDER_PROXY_SERVER__LISTEN): the value is \"localhost\"; \
             allowed: an IP address with a port, e.g. 0.0.0.0:50051 or [::1]:50051\n\
             server.max_request_bytes (from the file {path}): the value is \"0\"; \
             allowed: a whole number of bytes from 1 to 1073741824 (1 GiB)\n"
        )
    );
}

#[test]
fn names_that_are_no_settings_are_faults_wherever_they_stand() {
    let variables = [("XPANDER_PROXY_SERVER_LISTEN", "127.0.0.1:1"), ("XPANDER_PROXY_NOPE", "")];
    let file = "listen = 'x'\n[empty]\n[server.listen]\nport = 1\n[server.more]";
    let names = settings_of(sandboxed(file, &variables));
    assert_eq!(names, ["empty", "listen", "nope", "server.listen", "server.more", "server_listen"]);
    let fault = only(sandboxed("", &variables[..1]));
    assert_eq!(fault.source, "the environment variable XPANDER_PROXY_SERVER_LISTEN");
    assert!(fault.problem.contains("did you mean server.listen?"), "{fault}");
    let fault = only(sandboxed("[agnets.pins]\necho = '1'", &[]));
    assert!(fault.problem.contains("did you mean agents.pins?"), "{fault}");
    let fault = only(sandboxed("", &[("XPANDER_PROXY_AGENTS__PINS__ECHO", "1")]));
    assert!(fault.problem.contains("did you mean agents.pins?"), "{fault}");
    let fault = only(sandboxed("[user]", &[]));
    assert!(fault.problem.contains("did you mean [users]?"), "{fault}");
}

#[test]
fn a_flag_is_named_as_the_source_of_what_it_says() {
    let same = "127.0.0.1:1".parse().ok();
    let flags = Flags { listen: same, admin_listen: same, sandbox: true, ..Flags::default() };
    let fault = only(load_with(None, &[], &flags));
    assert_eq!((fault.setting.as_str(), fault.source.as_str()), ("server.admin_listen", "the flag --admin-listen"));
}

#[test]
fn values_of_the_right_type_are_still_checked() {
    for (name, wrong) in [
        ("SERVER__MAX_METADATA_BYTES", &["0", "1", "-1", "4294967296", "1k"][..]),
        ("SERVER__MAX_STREAMS_PER_CONNECTION", &["0"]),
        ("SERVER__MAX_CALLS", &["0", "1000001"]),
        ("SERVER__MAX_STREAMS", &["0", "1000001"]),
        ("SERVER__MAX_RESETS_PER_CONNECTION", &["0", "100001"]),
        ("SERVER__HANDSHAKE_TIMEOUT", &["0s"]),
        ("SERVER__MAX_CONNECTION_IDLE", &["999ms", "25h"]),
        ("SERVER__MAX_CONNECTION_AGE", &["0s", "25h"]),
        ("SERVER__MAX_CONNECTION_AGE_GRACE", &["25h"]),
        ("SERVER__DRAIN_TIMEOUT", &["5", "2h", "soon"]),
        ("PLATFORM__REQUEST_TIMEOUT", &["0s", "25h"]),
        ("PLATFORM__HTTP2", &["on", "Auto"]),
        ("PLATFORM__CA_FILE", &["/", "/no/such/file"]),
        ("PLATFORM__ORGANIZATION_ID", &["a/b", ".", "..", "ö", "a b"]),
        (
            "PLATFORM__BASE_URL",
            &["ftp://a", "https://", "https://a?b", "https://a#b", "a:port", "https://u@a", "http://:p@a"],
        ),
        ("EVENTS__FORWARD_ACCESS_TOKENS", &["yes", "1"]),
        ("TELEMETRY__LOG_FILTER", &["a=b=c"]),
    ] {
        for value in wrong {
            let fault = only(sandboxed("", &[(&format!("XPANDER_PROXY_{name}"), value)]));
            assert_eq!(fault.setting, name.to_lowercase().replace("__", "."), "{value}");
        }
    }
    assert!(sandboxed("", &[("XPANDER_AGENT_ID", &"a".repeat(129))]).is_err());
    assert!(sandboxed("", &[("XPANDER_AGENT_ID", &"a".repeat(128))]).is_ok());
}

#[test]
fn without_a_key_or_an_organization_only_the_sandbox_starts() {
    let faults = load_with(None, &[], &Flags::default()).expect_err("nothing is set");
    assert_eq!(faults.len(), 2, "{}", lines(&faults));
    assert_eq!((faults[0].setting.as_str(), faults[0].source.as_str()), ("platform.api_key", "a default"));
    assert!(faults[0].allowed.contains("XPANDER_API_KEY") && faults[0].allowed.contains("--sandbox"));
    assert_eq!(
        only(load_with(None, &[("XPANDER_API_KEY", KEY)], &Flags::default())).setting,
        "platform.organization_id"
    );
    good(sandboxed("", &[]));
}

#[test]
fn callers_with_their_own_keys_make_a_key_unnecessary_but_a_key_still_needs_an_organization() {
    let pass_through = ("XPANDER_PROXY_AUTH__PASS_THROUGH", "true");
    let settings = good(load_with(None, &[pass_through], &Flags::default()));
    assert!(settings.auth.pass_through && settings.platform.api_key.is_none());
    let keyed = load_with(None, &[pass_through, ("XPANDER_API_KEY", KEY)], &Flags::default());
    assert_eq!(only(keyed).setting, "platform.organization_id");
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_fault_it_causes() {
    let missing = load(Some(Path::new("/no/such.toml")), [("", ""); 0], &Flags::default());
    assert_eq!(only(missing).source, "the file /no/such.toml");
    let fault = only(load_with(Some(&format!("[platform]\napi_key = {KEY}")), &[], &Flags::default()));
    assert!(fault.problem.ends_with("at line 2, column 11"), "{fault}");
    assert!(!fault.to_string().contains(KEY), "{fault}");
}

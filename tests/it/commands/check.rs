//! `check` finds what `serve` would, and shows what it would run with.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    binary::{Serving, run},
    certificates::Authority,
    folder::Folder,
};

const HERE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
const KEY: [(&str, &str); 2] = [("XPANDER_API_KEY", "key"), ("XPANDER_ORGANIZATION_ID", "org")];

#[tokio::test]
async fn check_finds_what_would_keep_serve_from_starting() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), Folder::new());
    let (one, two) = (authority.vouch_for("one"), other.vouch_for("two"));
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let garbage = text(&folder.write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    let (cert, key, stranger) = (text(&one.cert_file), text(&one.key_file), text(&two.key_file));
    let empty = text(&folder.write("empty", ""));
    let certificate = "XPANDER_PROXY_SERVER__TLS_CERT_FILE";
    let private = "XPANDER_PROXY_SERVER__TLS_KEY_FILE";
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.invalid:4317");
    let rows: [(&[(&str, &str)], &str); 9] = [
        (&[(certificate, &garbage), (private, &key)], "server.tls_cert_file"),
        (&[(certificate, &cert), (private, &stranger)], "server.tls_key_file"),
        (
            &[(certificate, &cert), (private, &key), ("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE", &garbage)],
            "server.tls_client_ca_file",
        ),
        (&[("XPANDER_PROXY_PLATFORM__CA_FILE", &garbage)], "platform.ca_file"),
        (
            &[
                ("XPANDER_PROXY_DEDUPLICATION__STORE", "rediss://store.invalid"),
                ("XPANDER_PROXY_DEDUPLICATION__STORE_CA_FILE", &garbage),
            ],
            "deduplication.store_ca_file",
        ),
        (&[("XPANDER_PROXY_AUTH__TOKENS_FILE", &empty)], "auth.tokens_file"),
        (&[("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")], "platform.ca_file"),
        (
            &[collector, ("OTEL_EXPORTER_OTLP_CERTIFICATE", &empty), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
            "OTLP",
        ),
        (&[collector, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTLP"),
    ];
    for (variables, word) in rows {
        let environment = [&KEY[..], variables].concat();
        let (checked, served) = (run(&["check"], &environment).await, run(&HERE, &environment).await);
        assert_eq!((checked.code, &*checked.out), (Some(2), ""), "{variables:?}: {checked:?}");
        assert_eq!((served.code, &*served.out), (Some(2), ""), "{variables:?}: {served:?}");
        // In the same words: for a person there, as a line of the log here.
        let line = served.err.lines().map(|line| serde_json::from_str::<Value>(line).expect("a log line"));
        let told = line.filter(|line| line["level"] == "ERROR").collect::<Vec<_>>();
        assert_eq!(told.len(), 1, "{served:?}");
        assert_eq!(checked.err, format!("error: {}\n", told[0]["message"].as_str().expect("text")));
        assert!(checked.err.contains(word), "{word}: {checked:?}");
    }
}

#[tokio::test]
async fn check_of_the_sandbox_shows_what_serve_runs_with() {
    // What is for the platform is not for the embedded one.
    let platform =
        [&KEY[..], &[("XPANDER_BASE_URL", "https://platform.example.com"), ("XPANDER_AGENT_ID", "chat")]].concat();
    let json = run(&["check", "--sandbox", "--json"], &platform).await.json();
    assert_eq!(json.len(), 1);
    let value = |name: &str| json[0][name].clone();
    assert_eq!(value("platform.base_url"), "http://127.0.0.1:0");
    assert_eq!((value("platform.organization_id"), value("agents.default_id")), (json!("org-sandbox"), json!("chat")));
    assert_eq!(value("platform.api_key"), "(set)");
    let serving = Serving::sandbox(&platform).await;
    let task = serving.run(&["invoke", "x", "--json"]).await.json();
    assert_eq!(task[0]["task"]["agentId"], "chat");
}

#[tokio::test]
async fn check_says_all_of_it_as_json() {
    let folder = Folder::new();
    let file = folder.write("proxy.toml", "[limits]\nshares = { \"*\" = 0.25 }\n[events]\nidle_timeout = \"7s\"\n");
    let file = file.to_str().expect("UTF-8");
    let shown = run(&["check", "--config", file], &KEY).await.good();
    let json = run(&["check", "--config", file, "--json"], &KEY).await.json();
    let Value::Object(settings) = &json[0] else { panic!("an object is expected: {json:?}") };
    assert_eq!(settings.len(), shown.lines().count(), "every line has its member");
    assert_eq!((&settings["events.idle_timeout"], &settings["limits.shares"]), (&json!("7s"), &json!({"*": 0.25})));
    assert_eq!((&settings["server.max_calls"], &settings["platform.ca_file"]), (&json!(5000), &Value::Null));

    fs::write(file, "[events]\nidle_timeout = \"soon\"\n[server]\nlisen = 1\n").expect("written");
    let wrong = run(&["check", "--config", file, "--json"], &KEY).await;
    assert_eq!((wrong.code, &*wrong.out, wrong.err.lines().count()), (Some(2), "", 1), "{wrong:?}");
    let error = serde_json::from_str::<Value>(&wrong.err).expect("JSON")["error"].clone();
    assert_eq!((&error["kind"], &error["exit_code"]), (&json!("usage"), &json!(2)));
    let names: Vec<_> = error["faults"].as_array().expect("faults").iter().map(|fault| &fault["setting"]).collect();
    assert_eq!(names, ["events.idle_timeout", "server.lisen"]);
}

#[tokio::test]
async fn a_start_that_fails_is_told_as_the_log_is() {
    let folder = Folder::new();
    let file = folder.write("proxy.toml", "[telemetry]\nlog_format = \"text\"\n[events]\nidle_timeout = \"soon\"\n");
    let text = run(&["serve", "--config", file.to_str().expect("UTF-8")], &KEY).await;
    assert_eq!(text.err.lines().count(), 1, "{text:?}");
    assert!(text.code == Some(2) && text.err.starts_with("error: events.idle_timeout (from the file "), "{text:?}");
    let json = run(&["serve", "--config", file.to_str().expect("UTF-8"), "--log-format", "json"], &KEY).await;
    let line: Value = serde_json::from_str(&json.err).expect("one line of JSON");
    assert_eq!((&line["level"], &line["setting"]), (&json!("ERROR"), &json!("events.idle_timeout")));
    assert!(
        line["timestamp"].is_string() && line["message"].as_str().is_some_and(|text| text.contains("soon")),
        "{line}"
    );
}

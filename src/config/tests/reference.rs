//! The reference of the settings.

use super::{super::reference::EXAMPLE, *};

#[test]
fn the_whole_file_in_it_loads() {
    let folder = std::env::temp_dir().join(format!("xpander-config-example-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let tokens = format!("orders={}", "ab".repeat(32));
    for (name, content) in
        [("tls.crt", ""), ("tls.key", ""), ("clients.pem", ""), ("api-key", KEY), ("tokens", &tokens)]
    {
        fs::write(folder.join(name), content).expect("written");
    }
    let folder = folder.to_str().expect("the temporary folder's name is text");
    let file = EXAMPLE.replace("/etc/xpander-grpc-proxy", folder);
    let loaded = load_with(Some(&file), &[], &Flags::default());
    fs::remove_dir_all(folder).expect("removed");
    let settings = good(loaded);
    assert_eq!(settings.platform.organization_id.as_deref(), Some("acme"));
    assert!(settings.users.callers.iter().all(|caller| settings.auth.allowed_clients.contains(caller)));
    let sections: BTreeSet<_> = KEYS.iter().filter_map(|(name, ..)| name.split('.').next()).collect();
    let missing: Vec<_> = sections.iter().filter(|section| !EXAMPLE.contains(&format!("[{section}]\n"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn it_names_every_setting_and_variable_there_is() {
    let page = reference();
    for (name, _, does) in KEYS {
        assert!(page.contains(&format!("### `{name}`\n\n{does}\n")), "{name}");
        assert!(does.ends_with('.'), "{name}");
    }
    for name in [
        "XPANDER_PROXY_AUTH__ALLOWED_CLIENTS",
        "XPANDER_API_KEY",
        "XPANDER_API_KEY_FILE",
        "XPANDER_ORGANIZATION_ID",
        "XPANDER_BASE_URL",
        "IS_STG=true",
        "XPANDER_AGENT_ID",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "--admin-listen",
    ] {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

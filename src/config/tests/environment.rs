//! Variables that are no UTF-8, and those on forward proxies.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use super::*;

/// Loaded with variables of any bytes, beside a key and an organization.
fn load_bytes(variables: &[(&[u8], &[u8])]) -> Result<Settings, Vec<Fault>> {
    let good: [(&[u8], &[u8]); 2] = [(b"XPANDER_API_KEY", KEY.as_bytes()), (b"XPANDER_ORGANIZATION_ID", b"org-1")];
    let text = |bytes: &[u8]| OsString::from(OsStr::from_bytes(bytes));
    load(None, good.iter().chain(variables).map(|(name, value)| (text(name), text(value))), &Flags::default())
}

#[test]
fn a_variable_of_others_may_hold_any_bytes() {
    for name in [&b"DATABASE_PASSWORD"[..], b"PATH", b"\xff", b"XPANDER\xff", b"X_OTEL_", b"xpander_api_key", b""] {
        good(load_bytes(&[(name, b"hunter2-\xa3"), (b"HOME", b"/\xff")]));
    }
}

#[test]
fn one_of_ours_that_is_no_text_is_one_line_without_the_value() {
    for name in [
        &b"XPANDER_API_KEY"[..],
        b"XPANDER_ORGANIZATION_ID",
        b"XPANDER_BASE_URL",
        b"XPANDER_AGENT_ID",
        b"XPANDER_API_KEY_FILE",
        b"IS_STG",
        b"XPANDER_PROXY_SERVER__LISTEN",
        b"xpander_proxy_server__listen",
        b"XPANDER_PROXY_\xff",
        b"OTEL_EXPORTER_OTLP_HEADERS",
        b"OTEL_SERVICE_NAME",
        b"HTTPS_PROXY",
        b"no_proxy",
    ] {
        let fault = only(load_bytes(&[(name, b"hunter2-\xa3")]));
        assert_eq!(fault.setting, String::from_utf8_lossy(name));
        assert!(!fault.to_string().contains("hunter2") && fault.to_string().contains("no UTF-8"), "{fault}");
    }
}

fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Vec<Fault>> {
    let key = [("XPANDER_API_KEY", KEY), ("XPANDER_ORGANIZATION_ID", "org-1")];
    load_with(None, &[&key, variables].concat(), &Flags::default()).map(|settings| settings.platform.proxies)
}

#[test]
fn the_first_variable_that_says_something_names_the_proxy() {
    const A: &str = "http://a:1";
    let https = |variables: &[(&str, &str)]| proxies(variables).map(|proxies| proxies.https);
    for variables in [
        &[("HTTPS_PROXY", A), ("https_proxy", "b"), ("ALL_PROXY", "c")][..],
        &[("HTTPS_PROXY", ""), ("https_proxy", A), ("ALL_PROXY", "c")],
        &[("HTTPS_PROXY", " "), ("https_proxy", ""), ("ALL_PROXY", A), ("HTTP_PROXY", "d")],
        &[("all_proxy", "a:1")],
        &[("HTTPS_PROXY", " a:1/ ")],
    ] {
        assert_eq!(
            https(variables).map_err(|faults| lines(&faults)),
            Ok(Some("http://a:1/".to_owned())),
            "{variables:?}"
        );
    }
    assert_eq!(https(&[("HTTP_PROXY", A), ("HTTPS_PROXY", "")]), Ok(None));
}

#[test]
fn a_proxy_that_is_none_is_told_without_its_password() {
    for value in [
        "http//u:hunter2@proxy:3128",
        "http:/proxy:3128",
        "http://",
        "http://proxy:99999",
        "socks5://u:hunter2@proxy",
        "ftp://proxy",
        "http://pro xy",
        "proxy:port",
        "http://proxy/path",
        "://proxy",
        "http://u:hunter2@",
        "http://p?q",
    ] {
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            let faults = proxies(&[(name, value)]).expect_err(value);
            assert_eq!((faults.len(), &*faults[0].setting), (1, name), "{value}: {}", lines(&faults));
            assert!(!lines(&faults).contains("hunter2"), "{}", lines(&faults));
        }
    }
    assert!(sandboxed("", &[("HTTPS_PROXY", "http://")]).is_ok(), "the embedded platform is reached without");
}

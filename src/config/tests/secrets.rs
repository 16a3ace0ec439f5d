//! Keys from files, and that no output shows one.

use super::*;

#[test]
fn a_key_from_a_file_loses_its_last_line_break_and_nothing_else() {
    let file = Temporary::new(&format!("{KEY}\r\n"));
    for name in ["XPANDER_API_KEY_FILE", "XPANDER_PROXY_PLATFORM__API_KEY_FILE"] {
        let variables = [(name, file.path()), ("XPANDER_ORGANIZATION_ID", "org-1")];
        let platform = good(load_with(None, &variables, &Flags::default())).platform;
        assert_eq!(platform.api_key.as_ref().map(Secret::expose), Some(KEY));
        assert_eq!(platform.api_key_file.as_ref(), Some(&file.0));
    }
    for content in ["", "\n", "two words", "two\nlines", "schlüssel"] {
        let file = Temporary::new(content);
        let fault = only(sandboxed("", &[("XPANDER_API_KEY_FILE", file.path())]));
        assert_eq!(fault.source, "the environment variable XPANDER_API_KEY_FILE", "{content}");
    }
}

#[test]
fn a_key_and_a_file_for_it_displace_each_other_by_the_strength_of_their_sources() {
    let settings = good(sandboxed("platform.api_key_file = '/no/such'", &[("XPANDER_API_KEY", KEY)]));
    assert_eq!(settings.platform.api_key_file, None);
    let file = Temporary::new("from-the-file");
    let settings = good(sandboxed("platform.api_key = 'x'", &[("XPANDER_API_KEY_FILE", file.path())]));
    assert_eq!(settings.platform.api_key.as_ref().map(Secret::expose), Some("from-the-file"));
    let fault = only(sandboxed("", &[("XPANDER_API_KEY_FILE", file.path()), ("XPANDER_API_KEY", KEY)]));
    assert_eq!(fault.setting, "platform.api_key_file");
}

#[test]
fn no_output_shows_a_secret() {
    let settings = good(sandboxed("", &[("XPANDER_API_KEY", KEY)]));
    assert!(show(&settings).contains("platform.api_key = (set)\n"));
    assert!(!show(&settings).contains(KEY) && !format!("{settings:?}").contains(KEY));
    let (spaced, url) = (format!("{KEY} x"), format!("https://user:{KEY}@acme.io"));
    for variable in [
        ("XPANDER_API_KEY", spaced.as_str()),
        ("XPANDER_API_KEY_FILE", KEY),
        ("XPANDER_BASE_URL", url.as_str()),
        ("XPANDER_PROXY_PLATFORM__APIKEY", KEY),
    ] {
        let faults = sandboxed("", &[variable]).expect_err("it is wrong");
        assert!(!lines(&faults).contains(KEY) && !format!("{faults:?}").contains(KEY), "{}", lines(&faults));
    }
}

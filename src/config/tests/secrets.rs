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
fn every_secret_can_come_from_a_file() {
    for (name, kind, _) in KEYS.iter().filter(|(_, kind, _)| matches!(kind, Kind::Secret(_) | Kind::Tokens(_))) {
        let file = KEYS.iter().find(|(other, ..)| *other == format!("{name}_file")).map(|(_, kind, _)| kind);
        assert!(
            matches!(
                (kind, file),
                (Kind::Secret(_), Some(Kind::SecretFile(_))) | (Kind::Tokens(_), Some(Kind::TokensFile(_)))
            ),
            "{name}"
        );
    }
}

#[test]
fn a_file_of_hashes_is_read_line_by_line() {
    let (a, b) = ("0a".repeat(32), "0B".repeat(32));
    let file = Temporary::new(&format!("# callers\n\norders={a}\r\n billing = {b}\norders={}  {a}\n", "cc".repeat(32)));
    let tokens = tokens_from(&file.0).expect("a good file");
    let bytes = |caller: &str| tokens.get(caller).into_iter().flatten().map(|hash| hash.0[0]).collect::<Vec<_>>();
    assert_eq!((bytes("orders"), bytes("billing")), (vec![0x0a, 0xcc], vec![0x0b]));
    let settings = good(sandboxed("", &[("XPANDER_PROXY_AUTH__TOKENS_FILE", file.path())]));
    assert_eq!((settings.auth.tokens_file.as_ref(), settings.auth.tokens.len()), (Some(&file.0), 0));
}

#[test]
fn a_bad_file_of_hashes_stops_the_start_and_nothing_of_it_is_shown() {
    let good = "ab".repeat(32);
    for (content, problem) in [
        (String::new(), "the file holds no hash"),
        (format!(" \n# callers\n# a={good}\n"), "the file holds no hash"),
        (format!("a={good}\n{KEY}"), "line 2 is not name=hash"),
        (format!("{KEY}=="), "line 1 has something else than a hash"),
        (format!("{KEY}="), "line 1 has no hash"),
        (
            format!("a={good} {KEY}\n\nb=#"),
            "line 1 has something else than a hash; line 3 has something else than a hash",
        ),
        (format!("*={good}"), "line 1 has no caller's name before its ="),
        (format!("={good}"), "line 1 has no caller's name before its ="),
        (format!("a={good}\nb={good}"), "line 2 has the hash of another caller's token"),
        ("#".repeat((4 << 20) + 1), "the file has more than 4194304 bytes"),
    ] {
        let file = Temporary::new(&content);
        assert_eq!(tokens_from(&file.0), Err(problem.to_owned()));
        let fault = only(sandboxed("", &[("XPANDER_PROXY_AUTH__TOKENS_FILE", file.path())]));
        assert_eq!((fault.setting.as_str(), fault.problem.as_str()), ("auth.tokens_file", problem));
    }
    assert!(!tokens_from(Path::new(KEY)).expect_err("there is no such file").contains(KEY));
}

#[test]
fn hashes_are_counted_and_never_shown() {
    let hashes = ["0a".repeat(32), "0b".repeat(32), "0c".repeat(32)];
    let given = format!("orders={} {},billing={}", hashes[0], hashes[1], hashes[2]);
    let settings = good(sandboxed("", &[("XPANDER_PROXY_AUTH__TOKENS", &given)]));
    assert!(show(&settings).contains("auth.tokens = (hashes of billing: 1, orders: 2)\n"), "{}", show(&settings));
    let shown = show(&settings) + &format!("{settings:?}");
    assert!(hashes.iter().all(|hash| !shown.contains(hash)) && !shown.contains("10, 10"), "{shown}");
}

#[test]
fn no_output_shows_a_secret() {
    let settings = good(sandboxed("", &[("XPANDER_API_KEY", KEY)]));
    assert!(show(&settings).contains("platform.api_key = (set)\n"));
    assert!(!show(&settings).contains(KEY) && !format!("{settings:?}").contains(KEY));
    let (spaced, url) = (format!("{KEY} x"), format!("https://user:{KEY}@acme.io"));
    let (pair, padded) = (format!("orders={KEY}"), format!("{KEY}=="));
    for variable in [
        ("XPANDER_API_KEY", spaced.as_str()),
        ("XPANDER_API_KEY_FILE", KEY),
        ("XPANDER_BASE_URL", url.as_str()),
        ("XPANDER_PROXY_PLATFORM__APIKEY", KEY),
        ("XPANDER_PROXY_AUTH__TOKENS", KEY),
        ("XPANDER_PROXY_AUTH__TOKENS", pair.as_str()),
        ("XPANDER_PROXY_AUTH__TOKENS", padded.as_str()),
        ("XPANDER_PROXY_AUTH__TOKENS_FILE", KEY),
    ] {
        let faults = sandboxed("", &[variable]).expect_err("it is wrong");
        assert!(!lines(&faults).contains(KEY) && !format!("{faults:?}").contains(KEY), "{}", lines(&faults));
    }
}

#[test]
fn a_store_that_is_no_url_of_one_is_refused_without_being_shown() {
    for wrong in [
        "localhost:6379",
        "http://u:hunter2@localhost",
        "redis://",
        "rediss://u:hunter2@/0",
        "redis://u:hunter2@localhost/none",
        "redis://u:hunter2@localhost/0?protocol=resp3",
        "rediss://u:hunter2@localhost/#insecure",
        "hunter2",
    ] {
        let fault = only(sandboxed("", &[("XPANDER_PROXY_DEDUPLICATION__STORE", wrong)]));
        assert_eq!(fault.setting, "deduplication.store", "{wrong}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
        let file = Temporary::new(wrong);
        let fault = only(sandboxed("", &[("XPANDER_PROXY_DEDUPLICATION__STORE_FILE", file.path())]));
        assert!(fault.setting == "deduplication.store_file" && !fault.to_string().contains("hunter2"), "{fault}");
    }
    for right in ["redis://localhost", "rediss://user:p%40ss@[::1]:6380/3", "redis://:hunter2@10.0.0.1:6379/"] {
        let settings = good(sandboxed("", &[("XPANDER_PROXY_DEDUPLICATION__STORE", right)]));
        assert!(settings.deduplication.store.is_some(), "{right}");
        assert!(!show(&settings).contains("hunter2"));
    }
    let both =
        [("XPANDER_PROXY_DEDUPLICATION__STORE", "redis://a"), ("XPANDER_PROXY_DEDUPLICATION__STORE_FILE", "/none")];
    let faults = sandboxed("", &both).expect_err("one of them");
    assert!(faults.iter().any(|fault| fault.allowed.contains("not both")));
}

//! How callers share a replica: what is refused, by which setting.

use super::*;

/// Callers with tokens.
fn tokens() -> (&'static str, String) {
    let hash = |digits: &str| digits.repeat(32);
    ("XPANDER_PROXY_AUTH__TOKENS", format!("orders={},jobs={}", hash("ab"), hash("cd")))
}

fn with_tokens(file: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<Fault>> {
    let (name, value) = tokens();
    sandboxed(file, &[&[(name, &*value)], variables].concat())
}

#[test]
fn limits_are_read_from_the_file_and_the_environment_alike() {
    let file = "[limits]\nmode = 'observe'\nlend = 0.5\ncreates = 1\nshares = {orders = 0.25, '*' = 1}\n\
                creates_per_second = {orders = 2.5, jobs = 3}\nburst = {orders = 10}";
    let table = good(with_tokens(file, &[]));
    let variables = [
        ("XPANDER_PROXY_LIMITS__MODE", "observe"),
        ("XPANDER_PROXY_LIMITS__LEND", "0.5"),
        ("XPANDER_PROXY_LIMITS__CREATES", "1"),
        ("XPANDER_PROXY_LIMITS__SHARES", "orders=0.25,*=1.0"),
        ("XPANDER_PROXY_LIMITS__CREATES_PER_SECOND", "orders=2.5,jobs=3"),
        ("XPANDER_PROXY_LIMITS__BURST", "orders=10"),
    ];
    let text = good(with_tokens("", &variables));
    assert_eq!(show(&table), show(&text));
    assert_eq!(table.limits.mode, Mode::Observe);
    assert_eq!(table.limits.creates_per_second, [("orders".to_owned(), 2.5), ("jobs".to_owned(), 3.0)].into());
    let lines: Vec<_> = show(&table).lines().filter(|line| line.starts_with("limits.")).map(str::to_owned).collect();
    assert_eq!(show(&good(with_tokens(&lines.join("\n"), &[]))), show(&table), "what is shown can be read again");
}

#[test]
fn what_cannot_be_is_told_by_its_setting() {
    for (file, setting, problem) in [
        ("limits.shares = {orders = 1.1}", "limits.shares", "of \"orders\": the value is 1.1"),
        ("limits.shares = {'*' = -0.1}", "limits.shares", "of \"*\": the value is -0.1"),
        ("limits.shares = {orders = nan}", "limits.shares", "of \"orders\": the value is NaN"),
        ("limits.shares = {orders = 'half'}", "limits.shares", "of \"orders\": the value is \"half\""),
        ("limits.shares = {'a b' = 0.5}", "limits.shares", "the value is \"a b\""),
        ("limits.shares = {ordres = 0.5}", "limits.shares", "no caller can have the name ordres"),
        (
            "limits.shares = {'spiffe://acme.io/a' = 0.5}",
            "limits.shares",
            "no caller can have the name spiffe://acme.io/a",
        ),
        ("limits.lend = 1.5", "limits.lend", "the value is 1.5"),
        ("limits.creates = 0", "limits.creates", "the value is 0"),
        ("limits.mode = 'dry-run'", "limits.mode", "the value is \"dry-run\""),
        ("limits.creates_per_second = {orders = 0}", "limits.creates_per_second", "of \"orders\": the value is 0"),
        ("limits.creates_per_second = {orders = inf}", "limits.creates_per_second", "of \"orders\": the value is inf"),
        ("limits.creates_per_second = {gone = 1}", "limits.creates_per_second", "no caller can have the name gone"),
        (
            "limits.creates_per_second = {'*' = 1}\nlimits.burst = {orders = 0}",
            "limits.burst",
            "of \"orders\": the value is \"0\"",
        ),
        ("limits.burst = {orders = 5}", "limits.burst", "orders has no rate, so that its burst does nothing"),
    ] {
        let fault = only(with_tokens(file, &[]));
        assert_eq!((fault.setting.as_str(), fault.problem.as_str()), (setting, problem), "{file}");
    }
    good(with_tokens("limits.shares = {orders = 0, '*' = 1}", &[]));
}

#[test]
fn a_rate_in_the_file_and_another_one_in_the_environment_stop_the_start() {
    let file = "limits.creates_per_second = {orders = 5}";
    let variable = "XPANDER_PROXY_LIMITS__CREATES_PER_SECOND";
    let fault = only(with_tokens(file, &[(variable, "orders=10")]));
    assert_eq!(fault.setting, "limits.creates_per_second");
    assert!(fault.source.contains(variable), "{fault}");
    assert!(fault.problem.contains("{ \"orders\" = 10 }") && fault.problem.contains("{ \"orders\" = 5 }"), "{fault}");
    good(with_tokens(file, &[(variable, "orders=5.0")]));
    let fault =
        only(with_tokens(&format!("{file}\nlimits.burst = {{orders = 5}}"), &[("XPANDER_PROXY_LIMITS__BURST", "*=7")]));
    assert_eq!(fault.setting, "limits.burst");
}

#[test]
fn names_of_callers_in_limits_need_a_way_to_have_them() {
    let file = "[limits]\nshares = {orders = 0.5}\ncreates_per_second = {orders = 1}\nburst = {orders = 1}";
    let expected = ["limits.burst", "limits.creates_per_second", "limits.shares"];
    assert_eq!(settings_of(sandboxed(file, &[])), expected);
    good(with_tokens(file, &[]));
    good(sandboxed(&format!("{file}\n[auth]\ncaller_metadata = 'l5d-client-id'\nmesh_only = true"), &[]));
    good(sandboxed("limits.creates_per_second = {'*' = 1}", &[]));
}

#[test]
fn a_meshs_word_counts_where_nobody_gets_past_it_and_names_come_from_nowhere_else() {
    let fault = only(sandboxed("auth.caller_metadata = 'l5d-client-id'", &[]));
    assert_eq!(fault.setting, "auth.caller_metadata");
    assert!(fault.allowed.contains("auth.mesh_only"), "{fault}");
    let file = "[auth]\ncaller_metadata = 'l5d-client-id'\nmesh_only = true";
    good(sandboxed(file, &[]));
    let fault = only(with_tokens(file, &[]));
    assert_eq!(
        (fault.setting.as_str(), fault.problem.as_str()),
        ("auth.caller_metadata", "callers have names by auth.tokens already")
    );
    for wrong in ["authorization", "X-Caller", "grpc-caller", "x-caller-bin"] {
        let fault = only(sandboxed(&file.replace("l5d-client-id", wrong), &[]));
        assert_eq!(fault.setting, "auth.caller_metadata", "{wrong}");
    }
}

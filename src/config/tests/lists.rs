//! Lists and maps: how they are written in the file and in the environment, and how what is wrong with one is told.

use super::*;

#[test]
fn a_map_is_a_table_in_the_file_and_pairs_in_the_environment() {
    let table = good(sandboxed("[agents.pins]\nEcho = '2'\ntools = 1", &[])).agents.pins;
    let text = good(sandboxed("", &[("XPANDER_PROXY_AGENTS__PINS", "Echo=2, tools = 1,")])).agents.pins;
    assert_eq!(table, text);
    assert_eq!(table, [("Echo", "2"), ("tools", "1")].map(|(id, version)| (id.to_owned(), version.to_owned())).into());
    let file = "[users.metadata]\nfirst_name = 'x-first'\nemail = 'x-email'";
    let table = good(sandboxed(file, &[])).users.metadata;
    let text = good(sandboxed("", &[("XPANDER_PROXY_USERS__METADATA", "first_name=x-first,email=x-email")]));
    assert_eq!(table, text.users.metadata);
    assert_eq!(table.get(&UserField::FirstName).map(String::as_str), Some("x-first"));
}

#[test]
fn a_map_of_lists_takes_arrays_and_texts_and_keeps_the_case_of_names() {
    let hash = "ab".repeat(32);
    let ca = Temporary::new("authorities");
    let tls = format!(
        "[server]\ntls_cert_file = {0:?}\ntls_key_file = {0:?}\ntls_client_ca_file = {0:?}\n[auth.tokens]\nB = '{hash}'",
        ca.path()
    );
    let file = format!("{tls}\n[auth.agents]\nOrders = ['echo', 'Tools']\n'*' = '*'\nnone = []\nB = 'echo tools'");
    let table = good(sandboxed(&file, &[])).auth.agents;
    let pairs = "Orders=echo Tools,*=*,none=,B=echo,B=tools";
    let text = good(sandboxed(&tls, &[("XPANDER_PROXY_AUTH__AGENTS", pairs)])).auth.agents;
    assert_eq!(table, text);
    let expected = [("*", &["*"][..]), ("B", &["echo", "tools"]), ("Orders", &["Tools", "echo"]), ("none", &[])];
    let expected =
        expected.map(|(caller, agents)| (caller.to_owned(), agents.iter().map(ToString::to_string).collect()));
    assert_eq!(table, expected.into());
}

#[test]
fn a_list_is_an_array_in_the_file_and_has_commas_in_the_environment() {
    let array = good(sandboxed("users.callers = ['*']", &[])).users.callers;
    assert_eq!(array, BTreeSet::from(["*".to_owned()]));
    let hash = format!("A={}", "ab".repeat(32));
    let variables = [("XPANDER_PROXY_USERS__CALLERS", "A, spiffe://acme.io/b"), ("XPANDER_PROXY_AUTH__TOKENS", &hash)];
    let text = good(sandboxed("users.callers = ['*']", &variables)).users.callers;
    assert_eq!(text, ["A", "spiffe://acme.io/b"].map(str::to_owned).into(), "the environment replaces the whole list");
}

#[test]
fn every_wrong_element_is_told_with_its_setting() {
    for (file, setting, problem) in [
        ("agents.pins = {'a/b' = '1'}", "agents.pins", "the value is \"a/b\""),
        (
            "agents.pins = {echo = 1.10}",
            "agents.pins",
            "of \"echo\": the value is a number with a fraction; a text has quotes",
        ),
        (
            "agents.pins = {a = '', b = ['1']}",
            "agents.pins",
            "of \"a\": the value is \"\"; of \"b\": the value is a list",
        ),
        ("agents.pins = ['a']", "agents.pins", "the value is a list"),
        ("agents.pins = 'echo'", "agents.pins", "\"echo\" is not name=value"),
        ("agents.pins = 'echo=1,echo=2'", "agents.pins", "\"echo\" is given twice"),
        ("users.metadata = {mail = 'x'}", "users.metadata", "the value is \"mail\""),
        ("users.metadata = {email = 'baggage'}", "users.metadata", "of \"email\": the value is \"baggage\""),
        ("users.callers = ['a b', 'c,d']", "users.callers", "the value is \"a b\"; the value is \"c,d\""),
        ("users.callers = [['a']]", "users.callers", "the value is a list"),
        ("users.callers = {a = 'b'}", "users.callers", "the value is a table"),
        ("auth.allowed_clients = '*'", "auth.allowed_clients", "the value is \"*\""),
        ("auth.agents = {'a b' = '*'}", "auth.agents", "the value is \"a b\""),
        ("auth.agents = {a = ['b/c']}", "auth.agents", "of \"a\": the value is \"b/c\""),
        ("auth.agents = {}", "auth.agents", "the value is empty, so that nobody could invoke anything"),
        ("auth.tokens = {}", "auth.tokens", "the value is empty, so that it would let everybody in"),
        (
            "auth.tokens = {a = {}, b = 'x'}",
            "auth.tokens",
            "entry 1: the value is a table; entry 2 has something else than a hash",
        ),
        ("auth.tokens = 'a=,b'", "auth.tokens", "entry 1 has no hash; entry 2 is not name=hash"),
    ] {
        let fault = only(sandboxed(file, &[]));
        assert_eq!((fault.setting.as_str(), fault.problem.as_str()), (setting, problem), "{file}");
    }
}

#[test]
fn a_table_or_list_for_a_single_value_is_refused() {
    for (file, problem) in [
        ("server.listen = ['127.0.0.1:1']", "the value is a list"),
        ("[platform.organization_id]\na = 1", "the value is a table"),
        ("platform.organization_id = 1.10", "the value is a number with a fraction; a text has quotes"),
    ] {
        assert_eq!(only(sandboxed(file, &[])).problem, problem, "{file}");
    }
}

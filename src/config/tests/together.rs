//! What settings need of each other.

use super::*;

#[test]
fn a_certificate_needs_its_key_and_a_client_ca_needs_both() {
    let pem = Temporary::new("pem");
    let file = |name: &'static str| (name, pem.path());
    let [cert, key, ca] = [
        file("XPANDER_PROXY_SERVER__TLS_CERT_FILE"),
        file("XPANDER_PROXY_SERVER__TLS_KEY_FILE"),
        file("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE"),
    ];
    good(sandboxed("", &[cert, key]));
    good(sandboxed("", &[cert, key, ca]));
    for (given, setting, problem) in [
        (&[cert][..], "server.tls_cert_file", "there is no server.tls_key_file"),
        (&[key], "server.tls_key_file", "there is no server.tls_cert_file"),
        (&[ca], "server.tls_client_ca_file", "callers' certificates are seen over TLS only"),
        (&[ca, cert], "server.tls_cert_file", "there is no server.tls_key_file"),
    ] {
        let fault = only(sandboxed("", given));
        assert_eq!((fault.setting.as_str(), fault.problem.as_str()), (setting, problem));
        assert!(fault.source.starts_with("the environment variable XPANDER_PROXY_SERVER__TLS_"), "{fault}");
    }
}

#[test]
fn a_file_of_tls_that_cannot_be_read_does_not_count_as_missing() {
    let pem = Temporary::new("pem");
    let variables =
        [("XPANDER_PROXY_SERVER__TLS_CERT_FILE", pem.path()), ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", "/no/such")];
    let fault = only(sandboxed("", &variables));
    assert_eq!(fault.setting, "server.tls_key_file");
    assert!(fault.problem.starts_with("the file /no/such cannot be read"), "{fault}");
}

#[test]
fn allowed_clients_need_a_client_ca() {
    let fault = only(sandboxed("auth.allowed_clients = ['acme.io']", &[]));
    assert_eq!(fault.setting, "auth.allowed_clients");
    assert!(fault.allowed.contains("server.tls_client_ca_file"), "{fault}");
    good(sandboxed("auth.allowed_clients = []", &[]));
}

#[test]
fn names_of_callers_need_a_way_to_authenticate_them() {
    let file =
        "[auth]\nagents = {orders = '*'}\nlist_tasks = ['orders']\n[users]\ncallers = ['orders']\nprincipal = true";
    let settings = ["auth.agents", "auth.list_tasks", "users.callers", "users.principal"];
    assert_eq!(settings_of(sandboxed(file, &[])), settings);
    let tokens = format!("orders={}", "ab".repeat(32));
    good(sandboxed(file, &[("XPANDER_PROXY_AUTH__TOKENS", &tokens)]));
    let tokens = Temporary::new(&tokens);
    good(sandboxed(file, &[("XPANDER_PROXY_AUTH__TOKENS_FILE", tokens.path())]));
    good(sandboxed("auth = {agents = {'*' = 'echo'}, list_tasks = ['*']}\nusers.callers = ['*']", &[]));
}

#[test]
fn metadata_of_users_needs_an_email() {
    let fault = only(sandboxed("users.metadata = {id = 'x-user-id'}", &[]));
    assert_eq!((fault.setting.as_str(), fault.allowed.as_str()), ("users.metadata", "with an email among them"));
}

#[test]
fn an_authority_of_the_store_needs_a_store_behind_tls() {
    let (pem, url) = (Temporary::new("pem"), Temporary::new("redis://localhost"));
    let ca = ("XPANDER_PROXY_DEDUPLICATION__STORE_CA_FILE", pem.path());
    let store = |url| ("XPANDER_PROXY_DEDUPLICATION__STORE", url);
    good(sandboxed("", &[ca, store("rediss://localhost")]));
    let from_a_file = ("XPANDER_PROXY_DEDUPLICATION__STORE_FILE", url.path());
    for given in [&[ca][..], &[ca, store("redis://localhost")], &[ca, from_a_file]] {
        let fault = only(sandboxed("", given));
        assert_eq!(fault.setting, "deduplication.store_ca_file");
        assert!(fault.allowed.contains("rediss://"), "{fault}");
    }
    // A wrong URL is told as that.
    assert_eq!(only(sandboxed("", &[ca, store("localhost")])).setting, "deduplication.store");
}

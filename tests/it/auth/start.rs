//! What keeps a proxy from starting is told in one line that names the setting and the file, and nothing of its content.

use crate::support::{
    binary::{Run, run},
    callers::hex,
    folder::Folder,
    secure_caller::{Authority, Identity},
};

const CERT: &str = "XPANDER_PROXY_SERVER__TLS_CERT_FILE";
const KEY: &str = "XPANDER_PROXY_SERVER__TLS_KEY_FILE";
const CA: &str = "XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE";
const TOKENS: &str = "XPANDER_PROXY_AUTH__TOKENS_FILE";

struct Given {
    folder: Folder,
    identity: Identity,
    authority: Authority,
}

impl Given {
    fn new() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new());
        let identity = authority.issue(&["localhost"]);
        folder.write("tls.crt", &identity.chain);
        folder.write("tls.key", &identity.key);
        folder.write("ca.pem", &authority.pem);
        Self { folder, identity, authority }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// What a command says that does not start with these files.
    async fn refused(&self, command: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<_> = files.iter().map(|(variable, name)| (*variable, self.path(name))).collect();
        let environment: Vec<_> = files.iter().map(|(variable, path)| (*variable, &**path)).collect();
        let arguments = match command {
            "serve" => &["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"][..],
            _ => &["check", "--sandbox"],
        };
        let run = run(arguments, &environment).await;
        self.check(&run);
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{files:?}: {run:?}");
        let mut faults = run.faults();
        assert_eq!(faults.len(), 1, "{files:?}: {run:?}");
        faults.remove(0)
    }

    /// Nothing of a key is told, neither as text nor as numbers.
    fn check(&self, run: &Run) {
        let secret = self.identity.key.lines().nth(1).expect("a line of Base64");
        let told = format!("{}{}", run.out, run.err);
        assert!(!told.contains(secret) && !told.contains("45, 45, 45") && !told.contains("panicked"), "{told}");
    }
}

#[tokio::test]
async fn the_hash_of_the_empty_text_is_a_fault_of_the_settings() {
    let (folder, good) = (Folder::new(), hex("a token"));
    let empty = hex("");
    let mixed: String =
        empty.chars().enumerate().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
    for hash in [&empty, &empty.to_uppercase(), &mixed] {
        let pairs = [format!("a={hash}"), format!("a={good} {hash}"), format!("b={good},a= {hash}")];
        for pair in &pairs {
            let run = run(&["check", "--sandbox"], &[("XPANDER_PROXY_AUTH__TOKENS", pair)]).await;
            assert_eq!((run.code, run.err.contains("has the hash of the empty text")), (Some(2), true), "{run:?}");
        }
        let lines =
            format!("# a\nb={good}\na={good} {hash}\n").replace(&format!("a={good}"), &format!("a={}", hex("b")));
        let tokens = folder.write("tokens", &lines);
        for file in [
            format!("[auth]\ntokens_file = {tokens:?}"),
            format!("[auth.tokens]\na = '{hash}'"),
            format!("[auth.tokens]\na = ['{good}', '{hash}']"),
        ] {
            let config = folder.write("config.toml", &file);
            let run = run(&["check", "--sandbox", "--config", config.to_str().expect("UTF-8")], &[]).await;
            assert_eq!(
                (run.code, run.err.contains("has the hash of the empty text")),
                (Some(2), true),
                "{file}: {run:?}"
            );
        }
    }
    let run = run(&["check", "--sandbox"], &[("XPANDER_PROXY_AUTH__TOKENS", &format!("a={good}"))]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[tokio::test]
async fn half_of_tls_is_a_fault_of_the_settings() {
    let given = Given::new();
    for command in ["check", "serve"] {
        for (files, setting) in [
            (&[(CERT, "tls.crt")][..], "server.tls_cert_file"),
            (&[(KEY, "tls.key")], "server.tls_key_file"),
            (&[(CA, "ca.pem")], "server.tls_client_ca_file"),
        ] {
            let line = given.refused(command, files).await;
            assert!(line.contains(setting), "{line}");
            assert!(line.contains("server.tls_cert_file") && line.contains("server.tls_key_file"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_fault_of_the_settings() {
    let given = Given::new();
    for command in ["check", "serve"] {
        for (files, setting) in [
            (&[(CERT, "none"), (KEY, "tls.key")][..], "server.tls_cert_file"),
            (&[(CERT, "tls.crt"), (KEY, "none")], "server.tls_key_file"),
            (&[(CERT, "tls.crt"), (KEY, "tls.key"), (CA, "none")], "server.tls_client_ca_file"),
        ] {
            let line = given.refused(command, files).await;
            assert!(line.contains(setting) && line.contains(&given.path("none")), "{line}");
        }
        // The path may be a token that was given by mistake.
        let line = given.refused(command, &[(TOKENS, "none")]).await;
        assert!(line.contains("auth.tokens_file") && line.contains(TOKENS), "{line}");
    }
}

#[tokio::test]
async fn a_file_that_holds_something_else_is_named_and_exits_2() {
    let given = Given::new();
    let other = given.authority.issue(&["localhost"]);
    given.folder.write("other.key", &other.key);
    given.folder.write("garbage", "no PEM at all\n");
    given.folder.write("empty", "");
    given.folder.write("one-line.key", &given.identity.key.replace('\n', " "));
    given.folder.write("half.key", &given.identity.key[..100]);
    for (cert, key, ca, setting, named) in [
        ("garbage", "tls.key", "ca.pem", "server.tls_cert_file", "garbage"),
        ("empty", "tls.key", "ca.pem", "server.tls_cert_file", "empty"),
        ("tls.key", "tls.key", "ca.pem", "server.tls_cert_file", "tls.key"),
        ("tls.crt", "garbage", "ca.pem", "server.tls_key_file", "garbage"),
        ("tls.crt", "tls.crt", "ca.pem", "server.tls_key_file", "tls.crt"),
        ("tls.crt", "one-line.key", "ca.pem", "server.tls_key_file", "one-line.key"),
        ("tls.crt", "half.key", "ca.pem", "server.tls_key_file", "half.key"),
        ("tls.crt", "other.key", "ca.pem", "server.tls_key_file", "other.key"),
        ("tls.crt", "tls.key", "garbage", "server.tls_client_ca_file", "garbage"),
        ("tls.crt", "tls.key", "empty", "server.tls_client_ca_file", "empty"),
    ] {
        for command in ["check", "serve"] {
            let line = given.refused(command, &[(CERT, cert), (KEY, key), (CA, ca)]).await;
            assert!(line.contains(setting) && line.contains(&given.path(named)), "{line}");
        }
    }
}

#[tokio::test]
async fn a_file_of_tokens_that_holds_something_else_is_a_fault_of_the_settings() {
    let given = Given::new();
    let token = "token-that-must-not-be-seen";
    let odd = [format!("orders={token}"), String::new(), "# callers\n".to_owned(), format!("orders={}x", hex(token))];
    for content in odd.into_iter().chain([token.to_owned()]) {
        given.folder.write("tokens", &content);
        for command in ["check", "serve"] {
            let line = given.refused(command, &[(TOKENS, "tokens")]).await;
            assert!(line.contains("auth.tokens_file") && line.contains(TOKENS), "{line}");
            assert!(!line.contains(token) && !line.contains(&hex(token)), "{line}");
        }
    }
}

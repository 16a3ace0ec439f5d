//! A port that speaks something else, and a file that is the wrong one: what it is, and what to do.

use std::fs;

use crate::support::{
    binary::{Serving, run},
    certificates::Authority,
    folder::Folder,
};

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_port_that_speaks_something_else_says_what() {
    let authority = Authority::new();
    let server = authority.vouch_for("localhost");
    let tls = [
        ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", text(&server.cert_file)),
        ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", text(&server.key_file)),
    ];
    let (secure, clear) = (Serving::sandbox(&tls).await, Serving::sandbox(&[]).await);
    let (to_clear, to_admin) = (clear.grpc.replace("http:", "https:"), clear.admin.replace("http:", "https:"));
    let rows = [
        (&secure.grpc, "https://"),
        (&to_clear, "the port speaks no TLS; call it by http://"),
        (&to_admin, "the port speaks no TLS; call it by http://"),
        (&clear.admin, "server.listen"),
    ];
    for (url, words) in rows {
        for command in [&["get", "t"][..], &["events", "t"], &["wait", "t"], &["invoke", "x", "--stream"]] {
            let ca = if url.starts_with("https") { &["--ca-file", text(&authority.ca_file)][..] } else { &[] };
            let run = run(&[command, &["--server", url], ca].concat(), &[]).await;
            assert!(run.err.starts_with("error: ") && run.err.contains(words), "{url}: {run:?}");
            // What said nothing at all may have heard of a create.
            let is_silent = command[0] == "invoke" && run.err.contains("without a word");
            assert!(run.code == Some(5) || is_silent && run.code == Some(6), "{url}: {run:?}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_the_wrong_one_says_what_it_is() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = authority.vouch_for("localhost");
    let (ca, cert, key) = (text(&authority.ca_file), text(&server.cert_file), text(&server.key_file));
    let empty = folder.write("empty", "");
    let der = folder.path().join("der");
    fs::write(&der, [0x30, 0x82, 1, 2, 3]).expect("written");
    let request =
        folder.write("request", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n");
    let (empty, der, request, directory) = (text(&empty), text(&der), text(&request), text(folder.path()));
    let of_a_certificate = [
        (key, "it is a private key; the certificate is in another file"),
        (empty, "the file is empty"),
        (der, "it is in DER"),
        (request, "it is a request for a certificate"),
        (directory, "a folder; a file is needed"),
    ];
    let of_a_key = [
        (cert, "it is a certificate; the private key is in another file"),
        (empty, "the file is empty"),
        (der, "it is in DER"),
        (directory, "a folder; a file is needed"),
    ];
    let mut rows = Vec::new();
    for (file, words) in of_a_certificate {
        rows.push(([file, cert, key], ["--ca-file", "XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE"], file, words));
        rows.push(([ca, file, key], ["--cert-file", "XPANDER_PROXY_SERVER__TLS_CERT_FILE"], file, words));
    }
    for (file, words) in of_a_key {
        rows.push(([ca, cert, file], ["--key-file", "XPANDER_PROXY_SERVER__TLS_KEY_FILE"], file, words));
    }
    for ([ca, cert, key], [flag, variable], file, words) in rows {
        let flags = ["--ca-file", ca, "--cert-file", cert, "--key-file", key];
        let client = run(&[&["get", "t", "--server", "https://localhost:1"], &flags[..]].concat(), &[]).await;
        assert_eq!(client.code, Some(2), "{client:?}");
        assert!([flag, file, words].iter().all(|word| client.err.contains(word)), "{words}: {client:?}");
        let settings = [
            ("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE", ca),
            ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", cert),
            ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", key),
        ];
        let checked = run(&["check", "--sandbox"], &settings).await;
        assert_eq!((checked.code, &*checked.out), (Some(2), ""), "{checked:?}");
        let setting = variable.trim_start_matches("XPANDER_PROXY_").replace("__", ".").to_lowercase();
        assert!([&*setting, file, words].iter().all(|word| checked.err.contains(word)), "{words}: {checked:?}");
    }
    // Files of other kinds, and no file.
    for (arguments, words) in [
        (&["get", "t", "--token-file", directory][..], "a folder; a file is needed"),
        (&["get", "t", "--token-file", empty], "empty"),
        (&["check", "--config", directory], "a folder; a file is needed"),
        (&["invoke", "--request", directory], "a folder; a file is needed"),
    ] {
        let run = run(arguments, &[]).await;
        assert!(run.code == Some(2) && run.err.contains(words), "{arguments:?}: {run:?}");
    }
}

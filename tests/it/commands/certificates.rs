//! Files of certificates and keys as people have them: a bundle with one that is broken, a certificate that
//! `openssl req -x509` signed by itself, keys that cannot be used. Those of openssl are in tests/fixtures/keys.

use std::{fs, path::Path, sync::atomic::Ordering::Relaxed};

use crate::support::{
    binary::{Run, Serving, run},
    folder::Folder,
    secure::{SecurePlatform, Speaks},
    secure_caller::Authority,
};

const SELF_SIGNED: [&str; 2] = ["tests/fixtures/keys/self-signed.crt", "tests/fixtures/keys/self-signed.key"];

/// Without a name but its subject, as `openssl req -x509 -subj /CN=localhost` makes it.
const NO_NAMES: [&str; 2] = ["tests/fixtures/keys/no-names.crt", "tests/fixtures/keys/no-names.key"];

/// How a start ends with these settings on TLS files, that were made otherwise by `given`.
async fn start(environment: &[(&str, &str)]) -> Run {
    let here = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let run = run(&here, environment).await;
    assert_eq!((run.code, &*run.out), (Some(2), ""), "{run:?}");
    run
}

#[tokio::test]
async fn a_bundle_says_which_of_its_certificates_cannot_be_read_and_why() {
    let folder = Folder::new();
    let good = [Authority::new().pem, Authority::new().pem];
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let end = "-----END CERTIFICATE-----\n";
    let lines = good[0].lines().count();
    for (bad, why) in [
        (format!("{begin}AAAA\n{end}"), ""),
        (format!("{begin}MII!!!!\n{end}"), "base64"),
        (format!("{begin}{end}"), ""),
        (format!("{begin}MIIB\n"), ""),
        (good[0].replace("MII", "MIJ"), ""),
        // Openssl reads these, and others would pass them over.
        (good[0].replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "openssl x509"),
        (good[0].replace("CERTIFICATE", "X509 CERTIFICATE"), "openssl x509"),
    ] {
        let bundle = format!("# Our authorities\n\n{}{bad}{}", good[0], good[1]);
        let path = folder.write("bundle.pem", &bundle);
        let path = path.to_str().expect("UTF-8");
        let [cert, key] = SELF_SIGNED;
        let server = [
            ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", cert),
            ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", key),
            ("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE", path),
        ];
        let runs = [
            ("server.tls_client_ca_file", start(&server).await),
            ("platform.ca_file", start(&[("XPANDER_PROXY_PLATFORM__CA_FILE", path)]).await),
            ("--ca-file", run(&["get", "t", "--server", "https://localhost:1", "--ca-file", path], &[]).await),
        ];
        let which = format!("certificate 2 of 3, at line {}", 3 + lines);
        for (setting, run) in runs {
            let told = run.err.lines().filter(|line| !line.contains("INFO")).collect::<Vec<_>>();
            assert_eq!(told.len(), 1, "{run:?}");
            assert!([setting, path, &which, why].iter().all(|word| told[0].contains(word)), "{bad}: {told:?}");
        }
    }
}

/// A byte order mark before the first one, and no line break between two: none is passed over in silence.
#[tokio::test]
async fn every_certificate_of_a_bundle_is_found_however_it_was_put_together() {
    let folder = Folder::new();
    let good = Authority::new().pem;
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (bundle, which) in [
        (format!("\u{feff}{broken}{good}"), "certificate 1 of 2, at line 1"),
        (format!("{}{broken}", good.trim_end()), "certificate 2 of 2, at line"),
    ] {
        let path = folder.write("bundle.pem", &bundle);
        let run = start(&[("XPANDER_PROXY_PLATFORM__CA_FILE", path.to_str().expect("UTF-8"))]).await;
        assert!(run.err.contains(which), "{which}: {run:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_openssl_signed_by_itself_is_trusted_where_it_is_named() {
    for [cert, key] in [SELF_SIGNED, NO_NAMES] {
        let tls = [("XPANDER_PROXY_SERVER__TLS_CERT_FILE", cert), ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", key)];
        let serving = Serving::sandbox(&tls).await;
        let url = serving.grpc.replace("http://127.0.0.1", "https://localhost");
        let health = async |ca_file: &str, more: &[&str]| {
            run(&[&["health", "--server", &url, "--ca-file", ca_file], more].concat(), &[]).await
        };
        assert_eq!(health(cert, &[]).await.good(), "serving\n");
        // Not by another name, nor by another one's file.
        assert_eq!(health(cert, &["--server-name", "elsewhere"]).await.code, Some(1));
        let folder = Folder::new();
        let other = folder.write("other.pem", &Authority::new().pem);
        assert_eq!(health(other.to_str().expect("UTF-8"), &[]).await.code, Some(1));
    }
}

#[tokio::test]
async fn a_platform_with_a_certificate_that_openssl_signed_by_itself_is_reached() {
    let [cert, key] = SELF_SIGNED.map(|path| fs::read_to_string(path).expect("a fixture"));
    let platform = SecurePlatform::showing(Speaks::Tls(&[b"h2", b"http/1.1"]), &cert, &key).await;
    let ca_file = [("XPANDER_PROXY_PLATFORM__CA_FILE", SELF_SIGNED[0])];
    let serving = Serving::before(&platform.base_url, &ca_file).await;
    assert!(serving.run(&["get", "task-1"]).await.good().contains("task-1"));
    assert_eq!(platform.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_with_those_that_can() {
    let keys = Path::new("tests/fixtures/keys");
    for (name, why) in [
        ("p521.key", "P-521"),
        ("p521-sec1.key", "P-521"),
        ("encrypted.key", "encrypted"),
        ("encrypted-rsa.key", "encrypted"),
        ("self-signed.crt", "no readable private key"),
    ] {
        let path = keys.join(name).to_str().expect("UTF-8").to_owned();
        let files = [
            ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", "tests/fixtures/keys/p521.crt"),
            ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", &path),
        ];
        let client = ["get", "t", "--server", "https://localhost:1", "--cert-file", files[0].1, "--key-file", &path];
        let client = [&client[..], &["--ca-file", SELF_SIGNED[0]]].concat();
        for (setting, run) in [("server.tls_key_file", start(&files).await), ("--key-file", run(&client, &[]).await)] {
            let told = run.err.lines().find(|line| line.contains(setting)).unwrap_or_default();
            assert!([setting, name, why, "P-256", "Ed25519"].iter().all(|word| told.contains(word)), "{run:?}");
        }
    }
}

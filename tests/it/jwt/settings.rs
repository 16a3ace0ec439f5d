//! Faults of the settings stop the start with a line each.

use crate::support::{
    binary::run,
    folder::Folder,
    issuer::{self, Key, VARIABLES},
};

const ISSUER: (&str, &str) = VARIABLES[0];
const AUDIENCE: (&str, &str) = VARIABLES[1];
const FILE: &str = "XPANDER_PROXY_AUTH__JWT__JWKS_FILE";
const URL: &str = "XPANDER_PROXY_AUTH__JWT__JWKS_URL";
const CA: &str = "XPANDER_PROXY_AUTH__JWT__JWKS_CA_FILE";
const TOKEN: &str = "XPANDER_PROXY_AUTH__JWT__JWKS_TOKEN_FILE";
const LEEWAY: &str = "XPANDER_PROXY_AUTH__JWT__LEEWAY";
const CLAIM: &str = "XPANDER_PROXY_AUTH__JWT__CLAIM";
const JWKS: &str = "https://kubernetes.default.svc/openid/v1/jwks";

/// The lines that a command refuses these settings with.
async fn refused(command: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let run = run(&[command, "--sandbox"], environment).await;
    assert_eq!((run.code, &*run.out), (Some(2), ""), "{run:?}");
    run.faults()
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_told_in_a_line_each() {
    let folder = Folder::new();
    let good = folder.write("jwks", &issuer::set(&[&Key::ec("e")])).to_str().expect("UTF-8").to_owned();
    let html = folder.write("html", "<html>").to_str().expect("UTF-8").to_owned();
    let none =
        folder.write("none", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"AA\"}]}").to_str().expect("UTF-8").to_owned();
    let large = folder.write("large", &" ".repeat(50 << 20)).to_str().expect("UTF-8").to_owned();
    for command in ["check", "serve"] {
        for (given, settings) in [
            (&[AUDIENCE, (FILE, &good)][..], &["auth.jwt.issuer"][..]),
            (&[ISSUER, (FILE, &good)], &["auth.jwt.audience"]),
            (&[(FILE, &good)], &["auth.jwt.audience", "auth.jwt.issuer"]),
            (&[ISSUER, AUDIENCE], &["auth.jwt.jwks_file"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), (URL, JWKS)], &["auth.jwt.jwks_url"]),
            (&[ISSUER, AUDIENCE, (FILE, "/no/such")], &["auth.jwt.jwks_file"]),
            (&[ISSUER, AUDIENCE, (FILE, "/")], &["auth.jwt.jwks_file"]),
            (&[ISSUER, AUDIENCE, (FILE, &html)], &["auth.jwt.jwks_file"]),
            (&[ISSUER, AUDIENCE, (FILE, &none)], &["auth.jwt.jwks_file"]),
            (&[ISSUER, AUDIENCE, (FILE, &large)], &["auth.jwt.jwks_file"]),
            (&[ISSUER, AUDIENCE, (URL, "http://login.acme.io/jwks")], &["auth.jwt.jwks_url"]),
            (&[ISSUER, AUDIENCE, (URL, "http://127.0.0.1.nip.io/jwks")], &["auth.jwt.jwks_url"]),
            (&[ISSUER, AUDIENCE, (URL, "login.acme.io/jwks")], &["auth.jwt.jwks_url"]),
            (&[ISSUER, AUDIENCE, (URL, "file:///etc/passwd")], &["auth.jwt.jwks_url"]),
            (&[ISSUER, AUDIENCE, (URL, "https://me:s3cret@login.acme.io/jwks")], &["auth.jwt.jwks_url"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), (CA, &good)], &["auth.jwt.jwks_ca_file"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), (TOKEN, &good)], &["auth.jwt.jwks_token_file"]),
            (&[ISSUER, AUDIENCE, (URL, JWKS), (CA, "/no/such")], &["auth.jwt.jwks_ca_file"]),
            (&[ISSUER, AUDIENCE, (URL, JWKS), (TOKEN, "/no/such")], &["auth.jwt.jwks_token_file"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), (LEEWAY, "6m")], &["auth.jwt.leeway"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), (LEEWAY, "soon")], &["auth.jwt.leeway"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), (CLAIM, "a b")], &["auth.jwt.claim"]),
            (&[AUDIENCE, (FILE, &good), ("XPANDER_PROXY_AUTH__JWT__ISSUER", "a b")], &["auth.jwt.issuer"]),
            (
                &[ISSUER, AUDIENCE, (FILE, &good), ("XPANDER_PROXY_AUTH__JWT__ALGORITHM", "HS256")],
                &["auth.jwt.algorithm"],
            ),
            (&[("XPANDER_PROXY_AUTH__AGENTS", "jwt:orders=echo")], &["auth.agents"]),
            (&[ISSUER, AUDIENCE, (FILE, &good), ("XPANDER_PROXY_LIMITS__SHARES", "orders=0.1")], &["limits.shares"]),
        ] {
            let lines = refused(command, given).await;
            let named: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
            assert_eq!(named, settings, "{given:?}: {lines:?}");
            assert!(lines.iter().all(|line| line.contains("; allowed: ") && !line.contains("s3cret")), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn the_file_has_them_in_a_table_of_their_own() {
    let folder = Folder::new();
    let jwks = folder.write("jwks", &issuer::set(&[&Key::ed("d")]));
    let of = |more: &str| {
        format!(
            "[auth.jwt]\nissuer = '{}'\naudience = '{}'\njwks_file = '{}'\n{more}\n\
             [auth.agents]\n'{}' = 'echo'\n'jwt:jobs' = '*'\n[limits.shares]\n'jwt:jobs' = 0.1",
            issuer::ISSUER,
            issuer::AUDIENCE,
            jwks.display(),
            issuer::ORDERS,
        )
    };
    let check = async |text: &str| {
        let config = folder.write("settings.toml", text);
        run(&["check", "--sandbox", "--config", config.to_str().expect("UTF-8")], &[]).await
    };
    let shown = check(&of("")).await.good();
    for line in [
        &*format!("auth.jwt.issuer = \"{}\"", issuer::ISSUER),
        "auth.jwt.claim = \"sub\"",
        "auth.jwt.leeway = \"30s\"",
        "auth.jwt.jwks_url = (not set)",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let run = check(&of("algorithms = ['HS256']")).await;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("auth.jwt.algorithms (from the file"), "{run:?}");
}

/// A name that only a JWT or a certificate gives is no token's.
#[tokio::test]
async fn no_token_is_given_a_name_of_another_kind() {
    let folder = Folder::new();
    let hash = "ab".repeat(32);
    for name in [issuer::ORDERS, "jwt:orders", "dns:orders", "spiffe://acme.io/orders", "system:serviceaccount:x"] {
        let tokens = format!("{name}={hash}");
        let file = folder.write("tokens", &tokens);
        for given in [
            ("XPANDER_PROXY_AUTH__TOKENS", &*tokens),
            ("XPANDER_PROXY_AUTH__TOKENS_FILE", file.to_str().expect("UTF-8")),
        ] {
            let lines = refused("check", &[given]).await;
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains("has no caller's name before its ="), "{lines:?}");
        }
    }
}

//! Tokens that are not good: refused with a word that helps and nothing of the token, and nothing reaches the platform.

use serde_json::{Value, json};
use tonic::Code;

use super::{World, before_a_platform};
use crate::support::{
    callers::with as metadata,
    folder::Folder,
    issuer::{self, ISSUER, Key, ORDERS, by_secret, claims, encoded, from_now, with},
    live::within,
    platform::{Platform, Reply},
    status::failure,
};

const UNREADABLE: &str = "can be read";

#[tokio::test]
async fn claims_that_are_not_right_are_refused_with_a_word() {
    let key = Key::ec("e");
    let world = World::by(&[&key]).await;
    for (claim, value, word) in [
        ("aud", json!("vault"), "another audience"),
        ("aud", json!(["vault", "xpander"]), "another audience"),
        ("aud", json!([]), "another audience"),
        ("aud", json!(7), "no audience"),
        ("aud", Value::Null, "no audience"),
        ("iss", json!("https://evil.example"), "another issuer"),
        ("iss", json!(format!("{ISSUER}/")), "another issuer"),
        ("iss", json!([ISSUER]), "another issuer"),
        ("iss", Value::Null, "no issuer"),
        ("exp", Value::Null, "no end"),
        ("exp", json!("tomorrow"), "no end"),
        ("exp", json!(-1), "no end"),
        ("exp", json!(0), "expired"),
        ("exp", json!(from_now(-60)), "expired"),
        // A clock an hour off, to either side.
        ("exp", json!(from_now(-3600)), "expired"),
        ("nbf", json!(from_now(3600)), "not valid yet"),
        ("iat", json!(from_now(3600)), "not valid yet"),
        ("nbf", json!("now"), UNREADABLE),
        ("iat", json!("now"), UNREADABLE),
        ("sub", Value::Null, "names no caller"),
        ("sub", json!(7), "names no caller"),
        ("sub", json!(""), "names no caller"),
        ("sub", json!("CN=orders, O=acme"), "names no caller"),
        ("sub", json!("system:serviceaccount:shop"), "names no caller"),
        ("sub", json!("a".repeat(256)), "names no caller"),
    ] {
        let refused = world.refused(&key.token(&with(claim, value.clone()))).await;
        assert!(refused.message.contains(word), "{claim} {value}: {refused:?}");
    }
}

#[tokio::test]
async fn signatures_that_are_not_right_are_refused() {
    let (rsa, ec, stranger) = (Key::rsa("r"), Key::ec("e"), Key::ec("e"));
    let world = World::by(&[&rsa, &ec]).await;
    let claims = claims(ORDERS);
    let good = ec.token(&claims);
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let forged = with("sub", json!("system:serviceaccount:shop:admin"));
    let mut parts = good.split('.');
    let (head, _, signed) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
    let public = serde_json::from_str::<Value>(&issuer::set(&[&rsa])).expect("JSON")["keys"][0].to_string();
    for (what, token, word) in [
        ("another one's key of the same name", stranger.token(&claims), "signature is wrong"),
        ("other claims under a signature", format!("{head}.{}.{signed}", encoded(forged.to_string())), "signature"),
        ("a signature that is cut", format!("{message}.{}", &signature[..40]), "signature"),
        ("no signature", format!("{message}."), "signature"),
        ("a signature that is no base64", format!("{message}.!{signature}"), UNREADABLE),
        ("the key of another algorithm", ec.sign(&json!({"alg": "ES256", "kid": "r"}), &claims), "signature"),
        ("none", format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(claims.to_string())), UNREADABLE),
        ("None", format!("{}.{}.", encoded(r#"{"alg":"None","kid":"e"}"#), encoded(claims.to_string())), UNREADABLE),
        (
            "HS256 with the public key",
            by_secret(&json!({"alg": "HS256", "kid": "r"}), &claims, public.as_bytes()),
            "none of RS256",
        ),
        ("HS256 without a name", by_secret(&json!({"alg": "HS256"}), &claims, public.as_bytes()), "none of RS256"),
        ("PS256", rsa.sign(&json!({"alg": "PS256", "kid": "r"}), &claims), "none of RS256"),
        ("RS512", rsa.sign(&json!({"alg": "RS512", "kid": "r"}), &claims), "none of RS256"),
        ("ES384", ec.sign(&json!({"alg": "ES384", "kid": "e"}), &claims), "none of RS256"),
        ("an algorithm that is none", ec.sign(&json!({"alg": "X", "kid": "e"}), &claims), UNREADABLE),
        ("a key that is not there", ec.sign(&json!({"alg": "ES256", "kid": "x"}), &claims), "key is not known"),
        ("a stranger who names no key", stranger.sign(&json!({"alg": "ES256"}), &claims), "key is not known"),
    ] {
        let refused = world.refused(&token).await;
        assert!(refused.message.contains(word), "{what}: {refused:?}");
    }
    world.get(&good).await.expect("the same key, as it should be");
}

/// Keys that a token brings along, or says where to fetch, are neither taken nor fetched.
#[tokio::test]
async fn a_token_does_not_say_by_which_key_it_is_verified() {
    let (key, stranger) = (Key::ec("e"), Key::ec("own"));
    let world = World::by(&[&key]).await;
    let set = issuer::set(&[&stranger]);
    let elsewhere = Platform::start(move |_| Reply::text(200, "application/json", &set)).await;
    let url = elsewhere.base_url();
    for (name, value) in [("jwk", stranger.jwk()), ("jku", json!(url)), ("x5u", json!(url)), ("iss", json!(url))] {
        for id in [json!("own"), json!("e"), Value::Null] {
            let mut head = json!({ "alg": "ES256", "kid": id });
            head[name] = value.clone();
            world.refused(&stranger.sign(&head, &claims(ORDERS))).await;
        }
        // Beside a good signature they mean nothing.
        let mut head = key.head();
        head[name] = value;
        world.get(&key.sign(&head, &claims(ORDERS))).await.expect("well signed");
    }
    assert_eq!(elsewhere.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_token_of_this_kind_is_refused() {
    let key = Key::ec("e");
    let world = World::by(&[&key]).await;
    let (head, payload) = (encoded(key.head().to_string()), encoded(claims(ORDERS).to_string()));
    let of_head = |name: &str, value: Value| {
        let mut head = key.head();
        head[name] = value;
        key.sign(&head, &claims(ORDERS))
    };
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    for (token, word) in [
        (of_head("crit", json!(["exp"])), "crit"),
        (of_head("crit", json!(["b64"])), "crit"),
        (of_head("crit", json!([])), "crit"),
        (of_head("b64", json!(false)), "b64"),
        (of_head("typ", json!("logout+jwt")), "typ"),
        (of_head("typ", json!("dpop+jwt")), "typ"),
        (of_head("typ", json!(7)), UNREADABLE),
        (of_head("kid", json!(7)), UNREADABLE),
        (key.sign_parts(&encoded("{"), &payload), UNREADABLE),
        (key.sign_parts(&encoded("[]"), &payload), UNREADABLE),
        (key.sign_parts(&encoded(r#"{"kid":"e"}"#), &payload), UNREADABLE),
        (key.sign_parts(&head, &encoded("no JSON")), UNREADABLE),
        (key.sign_parts(&head, &encoded("[]")), UNREADABLE),
        (key.sign_parts(&head, &encoded(deep)), UNREADABLE),
        (key.sign_parts(&head, &encoded(b"\xff\xfe")), UNREADABLE),
        (key.sign_parts(&head, &encoded(r#"{"exp":1,"exp":9999999999,"iss":"a","aud":"b"}"#)), UNREADABLE),
        // A payload that stands elsewhere, or is not encoded.
        (key.sign_parts(&head, ""), UNREADABLE),
        (key.sign_parts(&head, "plain-text"), UNREADABLE),
        ("..".to_owned(), UNREADABLE),
        (format!("{head}.{payload}"), "not known"),
        (format!("{head}.{payload}.a.b.c"), "not known"),
    ] {
        let refused = world.refused(&token).await;
        assert!(refused.message.contains(word), "{word}: {refused:?}");
    }
}

/// A token of more than 8 KiB is not looked at, whoever signed it, also where metadata may be larger than that.
#[tokio::test]
async fn a_token_that_is_too_long_is_refused_unread() {
    let (key, folder) = (Key::ec("e"), Folder::new());
    let file = folder.write("jwks", &issuer::set(&[&key]));
    let (platform, proxy) = before_a_platform(|settings| {
        issuer::take(settings, &file);
        settings.server.max_metadata_bytes = 1 << 20;
    })
    .await;
    let world = World { platform, proxy, _folder: folder };
    world.get(&key.token(&with("groups", json!("a".repeat(5_000))))).await.expect("long, and not too long");
    for token in [
        key.token(&with("groups", json!("a".repeat(8_000)))),
        key.sign(&json!({ "alg": "ES256", "kid": "k".repeat(40_000) }), &claims(ORDERS)),
        format!("{}.{}.{}", "a".repeat(20_000), "b".repeat(20_000), "c".repeat(9_000)),
    ] {
        let refused = world.refused(&token).await;
        assert!(refused.message.contains("longer than 8 KiB"), "{refused:?}");
    }
    // The longest that is looked at: what it costs is bounded.
    let refused = world.refused(&key.sign(&json!({ "alg": "ES256", "kid": "k".repeat(5_000) }), &claims(ORDERS))).await;
    assert!(refused.message.contains("key is not known"), "{refused:?}");
    // A megabyte does not even come through HTTP/2.
    let token = key.sign(&json!({ "alg": "ES256", "kid": "k".repeat(1 << 20) }), &claims(ORDERS));
    world.get(&token).await.expect_err("a head of more than a megabyte");
    world.get(&key.token(&claims(ORDERS))).await.expect("others are not concerned");
    assert_eq!(world.platform.seen().len(), 2);
}

#[tokio::test]
async fn one_token_beside_another_is_refused_and_the_schemes_case_does_not_matter() {
    let key = Key::ec("e");
    let world = World::by(&[&key]).await;
    let good = key.token(&claims(ORDERS));
    let request = || xpander_grpc_proxy::proto::GetTaskRequest { task_id: "task-1".to_owned() };
    for shown in [format!("Bearer {good}"), format!("bearer {good}"), format!("BEARER  {good}")] {
        let one = metadata(request(), &[("authorization", &shown)]);
        within("an answer", world.proxy.client().get_task(one)).await.expect("a good token");
        let other = if shown.starts_with('B') { "Bearer wrong" } else { &shown };
        for two in [[&*shown, other], [other, &*shown]] {
            let two = metadata(request(), &two.map(|shown| ("authorization", shown)));
            let refused = failure(within("an answer", world.proxy.client().get_task(two)).await);
            assert_eq!(refused.code, Code::Unauthenticated);
            assert!(refused.message.contains("once"), "{refused:?}");
        }
    }
    for wrong in [format!("Basic {good}"), format!("Bearer{good}"), format!("Bearer {good}, Bearer {good}"), good] {
        let wrong = metadata(request(), &[("authorization", &wrong)]);
        let refused = failure(within("an answer", world.proxy.client().get_task(wrong)).await);
        assert_eq!(refused.code, Code::Unauthenticated, "{refused:?}");
    }
    assert_eq!(world.platform.seen().len(), 3);
}

/// A set of keys as the world has them: the same name twice, none, other uses, other kinds.
#[tokio::test]
async fn keys_that_are_not_taken_are_passed_over_and_the_others_verify() {
    let [one, two, three, nameless] = [Key::ec("same"), Key::ec("same"), Key::ed("same"), Key::ec("")];
    let mut without = nameless.jwk();
    without.as_object_mut().expect("an object").remove("kid");
    let encrypting = Key::ec("enc");
    let mut for_encryption = encrypting.jwk();
    for_encryption["use"] = json!("enc");
    let other = Key::ec("other");
    let mut of_another = other.jwk();
    of_another["alg"] = json!("ES384");
    let set = json!({ "keys": [
        json!({"kty": "oct", "kid": "same", "k": encoded("secret"), "alg": "HS256"}),
        json!({"kty": "EC", "crv": "P-521", "kid": "same", "x": "AA", "y": "AA"}),
        json!({"kty": "new", "kid": "same"}), json!("nothing"), for_encryption, of_another,
        one.jwk(), two.jwk(), three.jwk(), without,
    ], "more": true });
    let world = World::with(&set.to_string(), |_| {}).await;
    for key in [&one, &two, &three] {
        world.get(&key.token(&claims(ORDERS))).await.expect("one of them");
    }
    for id in [json!("any"), Value::Null] {
        world
            .get(&nameless.sign(&json!({"alg": "ES256", "kid": id}), &claims(ORDERS)))
            .await
            .expect("the nameless one");
    }
    for key in [&encrypting, &other] {
        world.refused(&key.token(&claims(ORDERS))).await;
    }
    let secret = by_secret(&json!({"alg": "HS256", "kid": "same"}), &claims(ORDERS), b"secret");
    world.refused(&secret).await;
}

//! Callers who show a JWT: which tokens are good, whom they name, and where the keys come from that verify them.

mod bad_input;
mod issuers;
mod keys;
mod names;
mod settings;

use serde_json::Value;
use tonic::{Code, Status};
use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use crate::support::{
    callers::bearer,
    folder::Folder,
    issuer::{self, Key},
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
};

/// A platform, and a proxy before it that takes an issuer's tokens; its keys are in a file.
struct World {
    platform: Platform,
    proxy: Proxy,
    _folder: Folder,
}

impl World {
    /// With this set of keys.
    async fn with(set: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = Folder::new();
        let file = folder.write("jwks", set);
        let (platform, proxy) = before_a_platform(|settings| {
            issuer::take(settings, &file);
            change(settings);
        })
        .await;
        Self { platform, proxy, _folder: folder }
    }

    /// With these keys.
    async fn by(keys: &[&Key]) -> Self {
        Self::with(&issuer::set(keys), |_| {}).await
    }

    /// Whether a token is taken.
    async fn get(&self, token: &str) -> Result<(), Status> {
        get(&self.proxy, token).await
    }

    /// How a token is refused, of whose call nothing has reached the platform.
    async fn refused(&self, token: &str) -> Failure {
        let before = self.platform.seen().len();
        let failure = failure(self.get(token).await);
        assert_eq!((failure.code, &*failure.reason), (Code::Unauthenticated, "CALLER_UNAUTHENTICATED"), "{failure:?}");
        assert_eq!(self.platform.seen().len(), before);
        let parts = token.split('.').filter(|part| part.len() > 8);
        assert!(parts.into_iter().all(|part| !failure.message.contains(part)), "{failure:?}");
        failure
    }
}

async fn before_a_platform(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let mut settings = settings(&platform.base_url());
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

async fn get(proxy: &Proxy, token: &str) -> Result<(), Status> {
    let request = bearer(GetTaskRequest { task_id: "task-1".to_owned() }, token);
    within("an answer", proxy.client().get_task(request)).await.map(drop)
}

/// What a page of the admin port says, with its status.
async fn admin(proxy: &str, page: &str) -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{proxy}/{page}")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

#[tokio::test]
async fn a_good_token_is_taken_by_each_algorithm_and_more_than_once() {
    let keys = [Key::rsa("r"), Key::ec("e"), Key::ed("d")];
    let world = World::by(&keys.each_ref()).await;
    for key in &keys {
        let token = key.token(&issuer::claims(issuer::ORDERS));
        for _ in 0..3 {
            world.get(&token).await.unwrap_or_else(|status| panic!("{}: {status:?}", key.algorithm()));
        }
    }
    let seen = world.platform.seen();
    assert!(seen.len() >= 9 && seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
}

/// What the world sends, and is right to.
#[tokio::test]
async fn a_good_token_may_look_in_many_ways() {
    let key = Key::ec("e");
    let world = World::by(&[&key]).await;
    let good = |claim: &str, value: Value| key.token(&issuer::with(claim, value));
    let head = |name: &str, value: Value| {
        let mut head = key.head();
        head[name] = value;
        key.sign(&head, &issuer::claims(issuer::ORDERS))
    };
    for token in [
        good("aud", serde_json::json!(issuer::AUDIENCE)),
        good("aud", serde_json::json!(["vault", issuer::AUDIENCE])),
        good("exp", serde_json::json!(issuer::from_now(60) as f64 + 0.25)),
        good("nbf", Value::Null),
        good("iat", Value::Null),
        // Within the leeway.
        good("exp", serde_json::json!(issuer::from_now(-5))),
        good("nbf", serde_json::json!(issuer::from_now(20))),
        good("iat", serde_json::json!(issuer::from_now(20))),
        good("groups", serde_json::json!(["a", {"b": [1.5, null, "ö"]}])),
        head("typ", serde_json::json!("JWT")),
        head("typ", serde_json::json!("at+jwt")),
        head("typ", serde_json::json!("application/AT+JWT")),
        head("x5t", serde_json::json!("NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg")),
        key.sign(&serde_json::json!({"alg": "ES256"}), &issuer::claims(issuer::ORDERS)),
    ] {
        let head = token.split('.').next().unwrap_or_default().to_owned();
        world.get(&token).await.unwrap_or_else(|status| panic!("{head}: {status:?}"));
    }
}

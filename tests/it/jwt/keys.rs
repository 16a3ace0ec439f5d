//! Where the keys come from: a file that changes, or a URL that answers as URLs do; and what becomes of callers meanwhile.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::Notify,
    time::sleep,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use super::{admin, before_a_platform, get};
use crate::support::{
    binary::Serving,
    callers::bearer,
    direct::{Direct, frame},
    folder::Folder,
    issuer::{self, Key, ORDERS, VARIABLES, claims, mount},
    live::within,
    platform::{Platform, Reply, task},
    proxy::Proxy,
    secure::acceptor,
    secure_caller::Authority,
    status::failure,
};

const AWAY: &str = "the keys of auth.jwt cannot be fetched; those that were there stay";
const PENDING: &str = "not ready, pending: the keys of auth.jwt (auth.jwt.jwks_url)\n";
/// How long after a fetch the next one begins at the earliest.
const REST: Duration = Duration::from_secs(10);

type Answer = Box<dyn Fn() -> Reply + Send>;

/// A server of keys, whose answer can be changed.
struct Keys {
    server: Platform,
    answer: Arc<Mutex<Answer>>,
}

impl Keys {
    async fn start(answer: impl Fn() -> Reply + Send + 'static) -> Self {
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(answer)));
        let script = Arc::clone(&answer);
        let server = Platform::start(move |_| script.lock().expect("no panic")()).await;
        Self { server, answer }
    }

    async fn with(keys: &[&Key]) -> Self {
        let set = issuer::set(keys);
        Self::start(move || text(&set)).await
    }

    fn becomes(&self, answer: impl Fn() -> Reply + Send + 'static) {
        *self.answer.lock().expect("no panic") = Box::new(answer);
    }

    fn url(&self) -> String {
        format!("{}/openid/v1/jwks", self.server.base_url())
    }

    fn fetches(&self) -> usize {
        self.server.seen().len()
    }
}

fn text(set: &str) -> Reply {
    Reply::text(200, "application/jwk-set+json", set)
}

async fn before(url: &str, change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    before_a_platform(|settings| {
        issuer::take_from(settings, url);
        change(settings);
    })
    .await
}

/// Waits until the replica is ready.
async fn ready(proxy: &Proxy) {
    within("readiness", async {
        while admin(&proxy.admin, "readyz").await != (200, "ready\n".to_owned()) {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Waits until a token is taken, or is not any more.
async fn becomes(proxy: &Proxy, token: &str, is_taken: bool) {
    within("other keys", async {
        while get(proxy, token).await.is_ok() != is_taken {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn health(proxy: &Proxy) -> ServingStatus {
    let question = HealthCheckRequest { service: String::new() };
    within("an answer", HealthClient::new(proxy.channel()).check(question)).await.expect("OK").into_inner().status()
}

async fn gauge(admin_url: &str) -> Option<String> {
    let (_, text) = admin(admin_url, "metrics").await;
    text.lines().find_map(|line| Some(line.strip_prefix("xpander_jwt_keys_away")?.rsplit(' ').next()?.to_owned()))
}

/// A projected ConfigMap changes by a link that is turned: new keys are in force, and tokens by the old ones end.
#[tokio::test]
async fn a_file_of_keys_that_kubernetes_exchanges_is_in_force_and_the_old_keys_are_not() {
    let (old, new, folder) = (Key::ec("old"), Key::ed("new"), Folder::new());
    mount(folder.path(), "..2026_1", "jwks", &issuer::set(&[&old]));
    let path = folder.path().join("jwks");
    symlink("..data/jwks", &path).expect("a link");
    let (_platform, proxy) = before_a_platform(|settings| issuer::take(settings, &path)).await;
    let [by_old, by_new] = [&old, &new].map(|key| key.token(&claims(ORDERS)));
    get(&proxy, &by_old).await.expect("verified, and remembered");
    assert_eq!(get(&proxy, &by_new).await.map_err(|status| status.code()), Err(Code::Unauthenticated));
    mount(folder.path(), "..2026_2", "jwks", &issuer::set(&[&new]));
    fs::remove_dir_all(folder.path().join("..2026_1")).expect("the old one goes");
    becomes(&proxy, &by_new, true).await;
    assert_eq!(get(&proxy, &by_old).await.map_err(|status| status.code()), Err(Code::Unauthenticated));
}

#[tokio::test]
async fn a_file_of_keys_that_becomes_useless_changes_nothing() {
    let (key, folder) = (Key::ec("e"), Folder::new());
    let file = folder.write("jwks", &issuer::set(&[&key]));
    let more = [("XPANDER_PROXY_AUTH__JWT__JWKS_FILE", file.to_str().expect("UTF-8"))];
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let mut serving = Serving::before(&platform.base_url(), &[&VARIABLES[..], &more].concat()).await;
    for useless in ["<html>", "{\"keys\": []}", ""] {
        folder.replace("jwks", useless);
        let line = serving.line("a file has changed and cannot be used; the old one stays").await;
        assert_eq!(line["what"], "auth.jwt.jwks_file");
        let request = bearer(GetTaskRequest { task_id: "task-1".to_owned() }, &key.token(&claims(ORDERS)));
        within("an answer", serving.client().get_task(request)).await.expect("the old keys");
    }
}

/// A call that comes before the keys waits for them while they are on their way, and no longer than it has time.
#[tokio::test]
async fn a_start_is_ready_when_the_keys_are_there_and_calls_wait_for_them() {
    let (key, gate) = (Key::ec("e"), Arc::new(Notify::new()));
    let (set, told) = (issuer::set(&[&key]), Arc::clone(&gate));
    let keys = Keys::start(move || Reply::After(Arc::clone(&told), Box::new(text(&set)))).await;
    let (platform, proxy) = before(&keys.url(), |_| {}).await;
    let token = key.token(&claims(ORDERS));
    within("a fetch", async {
        while keys.fetches() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(admin(&proxy.admin, "readyz").await, (503, PENDING.to_owned()));
    assert_eq!(health(&proxy).await, ServingStatus::NotServing, "as readiness has it");
    let metadata = [("authorization", &*format!("Bearer {token}")), ("grpc-timeout", "100m")];
    let mut direct = Direct::connect(&proxy).await;
    let late = within("its end", direct.post("GetTask", &metadata, frame(b"\x0a\x06task-1"))).await;
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    assert_eq!(platform.paths(), Vec::<String>::new());
    let waiting = get(&proxy, &token);
    let opened = async {
        sleep(Duration::from_millis(50)).await;
        gate.notify_one();
    };
    let (waited, ()) = tokio::join!(waiting, opened);
    waited.expect("the keys have come");
    ready(&proxy).await;
    within("health", async {
        while health(&proxy).await != ServingStatus::Serving {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!((keys.fetches(), gauge(&proxy.admin).await.as_deref()), (1, Some("0")));
}

/// Keys that cannot be had, in the ways of the world: the start goes on, is not ready, and lets nobody in; told once.
#[tokio::test]
async fn a_start_without_keys_is_not_ready_and_says_why_once() {
    let key = Key::ec("e");
    let (set, elsewhere) = (issuer::set(&[&key]), Keys::with(&[&key]).await);
    let target = elsewhere.url();
    let padded = format!("{{\"pad\": \"{}\", {}", "x".repeat(50 << 20), &set[1..]);
    let answers: [(&str, Answer); 7] = [
        ("no JSON", Box::new(|| Reply::text(200, "text/html", "<html>Sign in</html>"))),
        ("HTTP 503", Box::new(|| Reply::text(503, "text/plain", "away"))),
        ("HTTP 401", Box::new(|| Reply::text(401, "application/json", "{}"))),
        ("HTTP 302", Box::new(move || Reply::Http(302, vec![("location", target.clone())], Vec::new()))),
        ("none is for RS256", Box::new(|| text("{\"keys\": []}"))),
        ("more than 1048576 bytes", Box::new(move || text(&padded))),
        ("", Box::new(|| Reply::Raw(Vec::new()))),
    ];
    for (why, answer) in answers {
        let keys = Keys::start(answer).await;
        let url = keys.url();
        let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
        let more = [("XPANDER_PROXY_AUTH__JWT__JWKS_URL", &*url)];
        let mut serving = Serving::before(&platform.base_url(), &[&VARIABLES[..], &more].concat()).await;
        let line = serving.line(AWAY).await;
        assert!(line["error"].as_str().is_some_and(|error| error.contains(why)), "{line:?}");
        assert!(!line["error"].to_string().contains("Sign in"), "{line:?}");
        let request = bearer(GetTaskRequest { task_id: "task-1".to_owned() }, &key.token(&claims(ORDERS)));
        let refused = failure(within("an answer", serving.client().get_task(request)).await);
        assert_eq!((refused.code, &*refused.reason), (Code::Unauthenticated, "CALLER_UNAUTHENTICATED"), "{why}");
        assert_eq!(admin(&serving.admin, "readyz").await, (503, PENDING.to_owned()));
        assert_eq!(gauge(&serving.admin).await.as_deref(), Some("1"));
        assert_eq!((platform.seen().len(), elsewhere.fetches()), (0, 0), "{why}");
    }
}

/// New keys while callers call: none of the good ones is refused, a flood of bad ones makes no storm of fetches, and what was
/// withdrawn ends.
#[tokio::test]
async fn keys_that_rotate_under_load_are_fetched_when_a_token_needs_them() {
    let (old, new) = (Key::ec("old"), Key::rsa("new"));
    let keys = Keys::with(&[&old]).await;
    let began = Instant::now();
    let (platform, proxy) = before(&keys.url(), |_| {}).await;
    ready(&proxy).await;
    let [by_old, by_new] = [&old, &new].map(|key| key.token(&claims(ORDERS)));
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let set = issuer::set(&[&old, &new]);
    keys.becomes(move || text(&set));
    let good = async {
        while !is_over.load(Relaxed) {
            get(&proxy, &by_old).await.expect("a key that is there all the time");
            calls.fetch_add(1, Relaxed);
        }
    };
    let hostile = async {
        let mut number = 0;
        while !is_over.load(Relaxed) {
            number += 1;
            let head = json!({ "alg": "ES256", "kid": format!("unknown-{number}") });
            let refused = get(&proxy, &old.sign(&head, &claims(ORDERS))).await.map_err(|status| status.code());
            assert_eq!(refused, Err(Code::Unauthenticated));
        }
    };
    let rotated = async {
        becomes(&proxy, &by_new, true).await;
        is_over.store(true, Relaxed);
    };
    tokio::join!(good, hostile, rotated);
    let most = 1 + usize::try_from(began.elapsed().as_secs() / REST.as_secs()).expect("a number");
    assert!((2..=most).contains(&keys.fetches()), "{} fetches, {most} at most", keys.fetches());
    assert!(calls.load(Relaxed) > 0 && platform.seen().len() >= calls.load(Relaxed));
    // The old one is withdrawn: who has it is refused once the set is fetched again, also where it was remembered.
    let set = issuer::set(&[&new]);
    keys.becomes(move || text(&set));
    let stranger = Key::ec("stranger").token(&claims(ORDERS));
    within("the withdrawal", async {
        while get(&proxy, &by_old).await.is_ok() {
            get(&proxy, &stranger).await.expect_err("nobody's");
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    get(&proxy, &by_new).await.expect("the key in force");
}

/// Keys that are gone later stay, however often they cannot be fetched; that is told once, and its end.
#[tokio::test]
async fn keys_that_cannot_be_fetched_again_stay_in_force() {
    let (key, other) = (Key::ec("e"), Key::ec("other"));
    let keys = Keys::with(&[&key]).await;
    let url = keys.url();
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let more = [("XPANDER_PROXY_AUTH__JWT__JWKS_URL", &*url)];
    let mut serving = Serving::before(&platform.base_url(), &[&VARIABLES[..], &more].concat()).await;
    let mut client = serving.client();
    let [good, by_other] = [&key, &other].map(|key| key.token(&claims(ORDERS)));
    let request = |token: &str| bearer(GetTaskRequest { task_id: "task-1".to_owned() }, token);
    within("an answer", client.get_task(request(&good))).await.expect("a good token");
    keys.becomes(|| Reply::text(500, "text/html", "<html>"));
    within("a fetch that fails", async {
        while gauge(&serving.admin).await.as_deref() != Some("1") {
            let refused = client.get_task(request(&by_other)).await.map_err(|status| status.code());
            assert_eq!(refused.map(drop), Err(Code::Unauthenticated));
            within("an answer", client.get_task(request(&good))).await.expect("its key stays");
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let line = serving.line(AWAY).await;
    assert!(line["error"].as_str().is_some_and(|error| error.contains("HTTP 500")), "{line:?}");
    assert_eq!(admin(&serving.admin, "readyz").await, (200, "ready\n".to_owned()), "it goes on");
    let set = issuer::set(&[&key, &other]);
    keys.becomes(move || text(&set));
    let (_, before) = serving.line_after("the keys of auth.jwt can be fetched again").await;
    assert!(!before.contains(AWAY), "{before}");
    within("an answer", client.get_task(request(&by_other))).await.expect("the new key");
    assert_eq!(gauge(&serving.admin).await.as_deref(), Some("0"));
}

/// Kubernetes' API server: a certificate of the cluster's own authority, and the pod's own token, which change.
#[tokio::test]
async fn keys_are_fetched_over_tls_with_an_authority_and_a_token_of_their_own() {
    let (key, folder, authority) = (Key::rsa("r"), Folder::new(), Authority::new());
    let identity = authority.issue(&["localhost"]);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("https://localhost:{}/openid/v1/jwks", listener.local_addr().expect("bound").port());
    let (acceptor, set) = (acceptor(&identity.chain, &identity.key, &[]), issuer::set(&[&key]));
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(socket) = acceptor.accept(socket).await else { continue };
            let (mut lines, mut head) = (BufReader::new(socket), String::new());
            while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
            let is_let_in = head.contains("authorization: Bearer token-of-the-pod\r\n");
            seen.lock().expect("no panic").push(head);
            let (status, body) = if is_let_in { ("200 OK", &*set) } else { ("401 Unauthorized", "") };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = lines.write_all(answer.as_bytes()).await;
            let _ = lines.shutdown().await;
        }
    });
    let (ca, token) = (folder.write("ca.crt", &authority.pem), folder.write("token", "token-of-the-pod\n"));
    let with = |ca_file, token_file| {
        move |settings: &mut Settings| {
            (settings.auth.jwt.jwks_ca_file, settings.auth.jwt.jwks_token_file) = (Some(ca_file), token_file);
        }
    };
    let (_platform, proxy) = before(&url, with(ca.clone(), Some(token))).await;
    ready(&proxy).await;
    get(&proxy, &key.token(&claims(ORDERS))).await.expect("a good token");
    let head = heads.lock().expect("no panic")[0].clone();
    assert!(head.starts_with("GET /openid/v1/jwks HTTP/1.1\r\n"), "{head}");
    // Without the token, or behind an authority that is not trusted, there are none.
    let other = folder.write("other.crt", &Authority::new().pem);
    for (ca, token) in [(ca, None), (other, Some(folder.write("token", "token-of-the-pod")))] {
        let (_platform, proxy) = before(&url, with(ca, token)).await;
        within("a fetch that fails", async {
            while gauge(&proxy.admin).await.as_deref() != Some("1") {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(admin(&proxy.admin, "readyz").await.0, 503);
    }
    serving.abort();
}

/// A server that takes the connection and says nothing holds neither the start nor a call for longer than its time.
#[tokio::test]
async fn keys_that_are_slow_are_given_up() {
    let (key, set) = (Key::ec("e"), AtomicUsize::new(0));
    let good = issuer::set(&[&key]);
    let keys = Keys::start(move || match set.fetch_add(1, Relaxed) {
        0 => Reply::Silence,
        _ => text(&good),
    })
    .await;
    let (_platform, proxy) = before(&keys.url(), |_| {}).await;
    let refused = failure(get(&proxy, &key.token(&claims(ORDERS))).await);
    assert_eq!(refused.code, Code::Unauthenticated);
    ready(&proxy).await;
    get(&proxy, &key.token(&claims(ORDERS))).await.expect("the next fetch");
    assert_eq!(keys.fetches(), 2);
}

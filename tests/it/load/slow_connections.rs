//! Connections that are slow on purpose: in their handshakes, dead, idle, or noisy. They are closed, and harm nobody.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rcgen::generate_simple_self_signed;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};
use tokio_util::sync::CancellationToken;

use super::{Busy, get};
use crate::{
    hostile::Process,
    support::{
        live::{Followed, Live, within},
        platform::{Platform, Reply, task},
        proxy::{Proxy, settings},
        raw::{
            CONTINUATION, GOAWAY, HEADERS, Manners, PING, PREFACE, Raw, SETTINGS, WINDOW_UPDATE, bytes, closed, head,
            socket,
        },
    },
};

const HANDSHAKE: Duration = Duration::from_millis(300);
/// A TLS record that holds a `ClientHello` of 512 bytes, and its beginning.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3, 0, 0, 0, 0, 0];

/// Says this, and nothing more, or a byte of it now and then, for longer than is waited; the time until the connection is
/// closed.
async fn time_of(proxy: &Proxy, words: &[u8], is_dripping: bool) -> Duration {
    let begun = Instant::now();
    let (mut read, mut write) = socket(proxy).await.into_split();
    let (words, said) = (words.to_vec(), Arc::new(AtomicUsize::new(0)));
    let (all, its_said) = (words.len(), Arc::clone(&said));
    let speaking = tokio::spawn(async move {
        for piece in words.chunks(if is_dripping { 1 } else { words.len().max(1) }) {
            if write.write_all(piece).await.is_err() {
                break;
            }
            its_said.fetch_add(piece.len(), Relaxed);
            if is_dripping {
                tokio::time::sleep(HANDSHAKE / 8).await;
            }
        }
        // Held open.
        write
    });
    closed(&mut read).await;
    speaking.abort();
    assert!(!is_dripping || said.load(Relaxed) < all, "each byte was waited for anew");
    begun.elapsed()
}

#[tokio::test]
async fn a_connection_that_does_not_say_its_first_words_is_closed_in_time() {
    let busy = Busy::with(|settings| settings.server.handshake_timeout = HANDSHAKE).await;
    for (words, is_dripping) in [(&b""[..], false), (&PREFACE[..10], false), (PREFACE, true)] {
        let time = time_of(&busy.proxy, words, is_dripping).await;
        assert!(time >= HANDSHAKE, "{words:?}: {time:?}");
    }
    // Half a preface that is none is not waited for.
    let busy = Busy::with(|settings| settings.server.handshake_timeout = Duration::from_hours(1)).await;
    time_of(&busy.proxy, b"GET / HTTP/1.1\r\nhost: proxy\r\n\r\n", false).await;
}

/// A proxy that speaks TLS, and what trusts it.
async fn secure(name: &str) -> (Busy, TlsConnector) {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let key = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let file = |what: &str, pem: String| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{what}.pem", std::process::id()));
        fs::write(&path, pem).expect("written");
        path
    };
    let (certificate, private) = (file("cert", key.cert.pem()), file("key", key.signing_key.serialize_pem()));
    let busy = Busy::with(|settings| {
        settings.server.handshake_timeout = HANDSHAKE;
        settings.server.tls_cert_file = Some(certificate);
        settings.server.tls_key_file = Some(private);
    });
    let mut roots = RootCertStore::empty();
    roots.add(key.cert.der().clone()).expect("a certificate");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (busy.await, TlsConnector::from(Arc::new(config)))
}

#[tokio::test]
async fn a_connection_that_does_not_finish_its_tls_handshake_is_closed_in_time() {
    let (busy, _) = secure("handshake").await;
    for (words, is_dripping) in [(&b""[..], false), (HALF_A_HELLO, false), (HALF_A_HELLO, true)] {
        let time = time_of(&busy.proxy, words, is_dripping).await;
        assert!(time >= HANDSHAKE, "{words:?}: {time:?}");
    }
}

/// One time for both: whoever needs all of it for TLS has none left for HTTP/2.
#[tokio::test]
async fn a_connection_that_says_nothing_after_its_tls_handshake_is_closed_in_time() {
    let (busy, connector) = secure("silence").await;
    let begun = Instant::now();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = connector.connect(name, socket(&busy.proxy).await).await.expect("a handshake");
    tls.write_all(&PREFACE[..10]).await.expect("connected");
    closed(&mut tls).await;
    assert!(begun.elapsed() >= HANDSHAKE, "{:?}", begun.elapsed());
}

const KEEPALIVE: Duration = Duration::from_millis(200);

async fn pinging(timeout: Duration) -> Busy {
    let busy = Busy::with(|settings| {
        settings.server.keepalive_interval = KEEPALIVE;
        settings.server.keepalive_timeout = timeout;
    });
    busy.await
}

#[tokio::test]
async fn a_connection_that_does_not_answer_pings_is_closed_with_its_streams() {
    let busy = pinging(KEEPALIVE).await;
    // From the preface on, with a stream open, and in the middle of a head that is never finished.
    let mut silent = Raw::connect(&busy.proxy, Manners::Mute).await;
    let mut following = Raw::connect(&busy.proxy, Manners::Mute).await;
    let (_, call) = following.call("StreamEvents", b"\x0a\x06task-1");
    following.send(&call).await;
    let mut unfinished = Raw::connect(&busy.proxy, Manners::Mute).await;
    let stream = unfinished.stream();
    unfinished.send(&bytes(HEADERS, 0, stream, &head("GetTask"))).await;
    busy.has_seen("/events", 1).await;
    for raw in [&mut silent, &mut following, &mut unfinished] {
        assert_eq!(raw.is_closed().await.count(PING), 1);
    }
    within("the closing of the platform's stream", busy.platform.hung_up(1)).await;
}

/// There is one ping at a time: each one but the last was answered.
#[tokio::test]
async fn a_connection_that_answers_pings_lives_on() {
    let busy = pinging(Duration::from_hours(1)).await;
    let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
    raw.until("five pings", |heard| heard.count(PING) == 5).await;
    let (stream, call) = raw.call("GetTask", b"\x0a\x06task-1");
    raw.send(&call).await;
    raw.until("head and trailers", |heard| heard.of(HEADERS, stream) == 2).await;
}

/// A head that goes on for ever is no way to stay without answering pings.
#[tokio::test]
async fn a_head_without_an_end_is_cut_off() {
    let busy = Busy::with(|_| {}).await;
    let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
    let stream = raw.stream();
    raw.send(&bytes(HEADERS, 0, stream, &head("GetTask"))).await;
    let more = bytes(CONTINUATION, 0, stream, b"\x00\x01a\x01b");
    within("the connection's end", async { while raw.send(&more).await && !raw.so_far().is_over {} }).await;
    raw.is_closed().await;
    assert_eq!(busy.platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn an_idle_connection_is_told_to_leave_and_one_with_a_stream_is_not() {
    const IDLE: Duration = Duration::from_millis(500);
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_connection_idle = IDLE;
    let proxy = Proxy::with(&settings).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    for calls in [0, 1] {
        let begun = Instant::now();
        let mut idle = Raw::connect(&proxy, Manners::Good).await;
        for _ in 0..calls {
            let (stream, call) = idle.call("GetTask", b"\x0a\x06task-1");
            idle.send(&call).await;
            idle.until("head and trailers", |heard| heard.of(HEADERS, stream) == 2).await;
        }
        let heard = idle.is_closed().await;
        assert!(begun.elapsed() >= IDLE, "{:?}", begun.elapsed());
        let goaways: Vec<_> = heard.frames.iter().filter(|frame| frame.0 == GOAWAY).collect();
        // The reason is the last word of the payload: no error.
        assert!(!goaways.is_empty() && goaways.iter().all(|frame| frame.3[4..8] == [0; 4]), "{goaways:?}");
    }
    live.chunk("still there");
    assert_eq!(followed.text().await, "still there");
}

/// A connection on which this is said again and again, and nothing is read.
async fn flood(process: &Process, words: Vec<u8>, stop: &CancellationToken) {
    let address = process.grpc().trim_start_matches("http://");
    let (read, mut write) = TcpStream::connect(address).await.expect("connects").into_split();
    write.write_all(&[PREFACE, &bytes(SETTINGS, 0, 0, &[])].concat()).await.expect("connected");
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        // The proxy may stop reading, since nobody reads its answers, or close the connection.
        let _read = read;
        while write.write_all(&words).await.is_ok() {}
    }));
}

/// What a library answers costs its author little; here its author does not even read the answers. A call's time is the
/// processor time that the process spends meanwhile, on whomever.
#[tokio::test]
async fn floods_of_small_frames_do_not_harm_other_connections() {
    let platform = Platform::start(|request| Reply::json(200, &task(request.task_id(), "executing"))).await;
    let process = Process::before(platform).await;
    let floods = [
        bytes(PING, 0, 0, &[7; 8]),
        bytes(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
        bytes(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        // A frame of a kind that nobody knows.
        bytes(0xfa, 0, 0, b"?"),
    ];
    let stop = CancellationToken::new();
    for words in floods {
        flood(&process, words.repeat(1_000), &stop).await;
    }
    let mut client = process.client();
    let mut times = Vec::new();
    for _ in 0..50 {
        let before = process.effort();
        within("an answer", client.get_task(get("task-1"))).await.expect("OK");
        times.push(process.effort() - before);
    }
    stop.cancel();
    times.sort();
    assert!(times[25] < Duration::from_millis(500), "median {:?}, slowest {:?}", times[25], times[49]);
}

/// Whether they say something or not: who is in no handshake's time yet counts too.
#[tokio::test]
async fn the_connection_too_many_is_closed_at_once_and_makes_room_when_another_ends() {
    let busy = Busy::with(|settings| settings.server.max_connections = 2).await;
    let silent = socket(&busy.proxy).await;
    let mut good = Raw::connect(&busy.proxy, Manners::Good).await;
    let (stream, call) = good.call("GetTask", b"\x0a\x06task-1");
    good.send(&call).await;
    good.until("head and trailers", |heard| heard.of(HEADERS, stream) == 2).await;
    closed(&mut socket(&busy.proxy).await).await;
    assert_eq!(busy.metric("xpander_connections_refused_total", "").await, "1");
    drop(silent);
    super::until("room", async || {
        let mut client = busy.proxy.client();
        client.get_task(get("task-1")).await.is_ok()
    })
    .await;
}

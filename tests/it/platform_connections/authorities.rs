//! `platform.ca_file` is read again when it changes: new connections trust whom it names, calls under way go on.

use std::{fs, time::Duration};

use tokio::time::sleep;
use tonic::Request;

use super::get;
use crate::support::{
    calls::follow,
    folder::Folder,
    live::{Followed, within},
    proxy::{Client, Proxy, settings},
    secure::{SecurePlatform, Speaks},
    secure_caller::Authority,
};

/// Comes when the call is answered, or when it is not.
async fn until(is_answered: bool, client: &mut Client) {
    within("the new authorities", async {
        while client.get_task(get()).await.is_ok() != is_answered {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn new_authorities_are_trusted_from_the_next_call_on_and_useless_ones_change_nothing() {
    let platform = SecurePlatform::start(Speaks::Tls(&[b"h2", b"http/1.1"]), "localhost").await;
    let good = fs::read_to_string(&platform.ca_file).expect("a certificate");
    let folder = Folder::new();
    let mut settings = settings(&platform.base_url);
    settings.platform.ca_file = Some(folder.write("ca.pem", &Authority::new().pem));
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    assert!(within("an end", client.get_task(get())).await.is_err());

    folder.write("ca.pem", &good);
    until(true, &mut client).await;
    let mut held = Followed::with(&mut client, Request::new(follow("endless"))).await;
    assert_eq!(held.text().await, "one");

    // What is no use changes nothing, however often it is read.
    folder.write("ca.pem", "no PEM at all");
    for _ in 0..20 {
        within("an answer", client.get_task(get())).await.expect("OK");
        sleep(Duration::from_millis(10)).await;
    }

    folder.write("ca.pem", &Authority::new().pem);
    until(false, &mut client).await;
    assert_eq!(*platform.streams.borrow(), 1, "what is under way goes on");
    folder.write("ca.pem", &good);
    until(true, &mut client).await;
}

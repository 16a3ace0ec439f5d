//! `events | less`: whoever reads for a while and then stops, for as long as it takes.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    time::sleep,
};

use crate::support::{
    binary::{Serving, binary},
    live::within,
    time::effort,
};

const EVENTS: usize = 30_000;

#[tokio::test]
async fn a_pager_may_stop_in_the_middle_of_many_small_events() {
    let serving = Serving::sandbox(&[]).await;
    let count = EVENTS.to_string();
    for flags in [&["--json"][..], &[]] {
        let task = serving.run(&["invoke", &count, "--agent", "burst", "--events-streaming", "--json"]).await.json();
        let id = task[0]["task"]["id"].as_str().expect("an id").to_owned();
        let arguments = [&["events", &id, "--after", "1"], flags].concat();
        let mut child = binary(&arguments, &[("XPANDER_GRPC_SERVER", &serving.grpc)])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut text = String::new();
        within("a line", out.read_line(&mut text)).await.expect("UTF-8");
        // All that the proxy has to send is on its way, or waits for the pager: nobody has anything to do.
        let work = || effort(serving.id()) + effort(child.id().expect("it runs"));
        within("a rest", async {
            let mut before = Duration::MAX;
            while work() != before {
                before = work();
                sleep(Duration::from_millis(500)).await;
            }
        })
        .await;
        within("the rest", out.read_to_string(&mut text)).await.expect("UTF-8");
        let ended = within("its end", child.wait_with_output()).await.expect("it ran");
        assert_eq!(
            (ended.status.code(), &*ended.stderr),
            (Some(0), &b""[..]),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        if !flags.is_empty() {
            assert!(text.lines().count() >= EVENTS, "{} lines", text.lines().count());
        }
    }
}

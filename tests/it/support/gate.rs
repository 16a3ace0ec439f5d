//! A way to the platform, or to another server, that can be held, requests go on through it, answers stay away, and cut.

use std::net::{IpAddr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// The way; takes no more connections when it is dropped.
pub struct Gate {
    address: SocketAddr,
    is_held: watch::Sender<bool>,
    /// Counts the times that it was cut.
    cuts: watch::Sender<usize>,
    accepting: JoinHandle<()>,
}

impl Gate {
    /// A way to the platform, which begins at an address of this machine.
    pub async fn new(here: IpAddr, platform: SocketAddr) -> Self {
        let listener = TcpListener::bind((here, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (is_held, held) = watch::channel(false);
        let (cuts, cut) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(platform).await else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(until_cut(cut.clone(), carry(from_near, to_far, None)));
                tokio::spawn(until_cut(cut.clone(), carry(from_far, to_near, Some(held.clone()))));
            }
        });
        Self { address, is_held, cuts, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on no answer comes through: none at all to a request that is sent later.
    pub fn hold(&self) {
        self.is_held.send_replace(true);
    }

    /// Ends all connections, with the answers that are held.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets all answers through, those that were held first.
    pub fn release(&self) {
        self.is_held.send_replace(false);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn until_cut(mut cut: watch::Receiver<usize>, carrying: impl Future<Output = ()>) {
    // Those before are not its.
    cut.mark_unchanged();
    tokio::select! {
        () = carrying => {}
        // An error is the gate's end, which ends nothing.
        Ok(()) = cut.changed() => {}
    }
}

/// Carries bytes until either side ends, which ends the other side too.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, held: Option<watch::Receiver<bool>>) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if let Some(mut held) = held.clone() {
            // An error is the gate's end.
            let _ = held.wait_for(|is_held| !is_held).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

//! Secrets and certificates that change under way: their files are watched, and what they hold is put in place of what
//! was in force, from the next call on. A file that cannot be used changes nothing.
//!
//! Folders are watched, not files: Kubernetes exchanges a mounted secret by turning a link beside it.

use std::{
    collections::BTreeSet,
    fs,
    future::pending,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use notify::{RecursiveMode, Watcher as _};
use tokio::{select, sync::Notify, time::sleep};
use tracing::{error, info, warn};

use crate::shutdown::HangUps;

/// How long a file may still be written to after its first change.
const SETTLE: Duration = Duration::from_millis(50);
/// How long files that belong together may take to be replaced one after the other, before that is a fault.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often files are looked at without being told, for file systems that tell nothing.
const LOOK: Duration = Duration::from_secs(30);

/// Something that is read from files.
pub struct Source {
    what: &'static str,
    paths: Vec<PathBuf>,
    reload: Box<dyn Fn() -> Result<(), String> + Send>,
    /// Of the files' content when it was last read.
    fingerprint: u64,
    /// Since when it cannot be used, until that is told as a fault.
    unusable: Option<Instant>,
}

impl Source {
    /// Reads what is called `what` from these files by `reload`, now and whenever they change.
    ///
    /// # Errors
    /// When it cannot be read now.
    pub fn new(
        what: &'static str,
        paths: impl IntoIterator<Item = PathBuf>,
        reload: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> Result<Self, String> {
        let paths: Vec<_> = paths.into_iter().collect();
        // Before the reading: what changes in between is read again.
        let fingerprint = fingerprint(&paths);
        reload().map_err(|error| format!("{what}: {error}"))?;
        Ok(Self { what, paths, reload: Box::new(reload), fingerprint, unusable: None })
    }

    /// Reads it again if its files have changed. Of several, those that cannot be used may be half of what is being replaced,
    /// such as a certificate whose key is yet to come.
    fn look(&mut self) {
        let fingerprint = fingerprint(&self.paths);
        let is_overdue = self.unusable.is_some_and(|since| since.elapsed() >= PATIENCE);
        if fingerprint == self.fingerprint && !is_overdue {
            return;
        }
        self.fingerprint = fingerprint;
        let what = self.what;
        match (self.reload)() {
            Ok(()) => {
                self.unusable = None;
                info!(what, "a file has changed and is in force");
            }
            Err(error) if is_overdue || self.paths.len() == 1 => {
                self.unusable = None;
                error!(what, error, "a file has changed and cannot be used; the old one stays");
            }
            Err(error) => {
                self.unusable.get_or_insert_with(Instant::now);
                warn!(what, error, "a file has changed and cannot be used yet; the old one stays for now");
            }
        }
    }
}

/// Watches the sources' files, for ever; SIGHUP has them looked at, too.
pub async fn watch(mut sources: Vec<Source>, mut hang_ups: Option<HangUps>) {
    let mut hung_up = async || match &mut hang_ups {
        Some(hang_ups) => hang_ups.next().await,
        None => pending().await,
    };
    let changed = Arc::new(Notify::new());
    let _watcher = watcher(&sources, &changed)
        .inspect_err(|error| warn!(%error, "files cannot be watched; they are looked at every 30 s"));
    loop {
        // The first time too: they may have changed since they were read.
        sources.iter_mut().for_each(Source::look);
        select! {
            () = changed.notified() => sleep(SETTLE).await,
            () = sleep(if sources.iter().any(|source| source.unusable.is_some()) { PATIENCE } else { LOOK }) => {}
            () = hung_up() => info!(files = sources.len(), "SIGHUP: looking at the files"),
        }
    }
}

fn watcher(sources: &[Source], changed: &Arc<Notify>) -> notify::Result<notify::RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading is an event too.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    for folder in folders(sources) {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folders(sources: &[Source]) -> BTreeSet<&Path> {
    sources.iter().flat_map(|source| &source.paths).map(|path| parent(path)).collect()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn fingerprint(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        fs::read(path).map_err(|error| error.kind()).hash(&mut hasher);
    }
    hasher.finish()
}

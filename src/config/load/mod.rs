//! Puts the settings together from their sources and checks them. Every fault is found in one go.

pub mod environment;
pub mod sources;
pub mod together;
pub mod unknown;

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use self::{
    sources::{Flags, Given},
    together::{API_KEY, API_KEY_FILE},
    unknown::unknown,
};
use super::{
    fault::Fault,
    keys::{self, kind::Kind},
    otel, proxies,
    tree::{LogFormat, Settings},
};

/// The settings in force: defaults, then the file, then the environment, then the flags, the later ones stronger.
///
/// The environment is handed in, so that tests need not touch the process's. An empty value counts as none.
///
/// # Errors
/// All that is wrong: unknown names, values that are not allowed, and what is missing, ordered by setting.
pub fn load<T: Into<OsString>>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (T, T)>,
    flags: &Flags,
) -> Result<Settings, Vec<Fault>> {
    let (layers, settings) = layers(file, environment, flags);
    layers.finish(settings, flags.sandbox)
}

/// How log lines look, as far as that can be known where other settings are wrong.
pub fn log_format<T: Into<OsString>>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (T, T)>,
    flags: &Flags,
) -> LogFormat {
    let (layers, mut settings) = layers(file, environment, flags);
    if let Some(Strongest { given, kind, .. }) = layers.given.get("telemetry.log_format") {
        // One that is wrong leaves the default.
        let _ = kind.read(&given.value, &mut settings);
    }
    settings.telemetry.log_format
}

/// What all sources say, and the settings that are none of theirs.
fn layers<T: Into<OsString>>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (T, T)>,
    flags: &Flags,
) -> (Layers, Settings) {
    let (variables, faults) = environment::texts(environment);
    let mut layers = Layers { given: BTreeMap::new(), count: 0, is_whole: faults.is_empty(), faults };
    layers.add([sources::staging(&variables), sources::terminal(flags)].concat());
    match file.map(sources::file) {
        None => {}
        Some(Ok(given)) => layers.add(given),
        Some(Err(fault)) => {
            layers.is_whole = false;
            layers.faults.push(fault);
        }
    }
    layers.add(sources::official(&variables));
    let (otlp, faults) = otel::otlp(&variables);
    layers.faults.extend(faults);
    let (proxies, faults) = proxies::proxies(&variables);
    // The embedded platform is reached without.
    layers.faults.extend(faults.into_iter().filter(|_| !flags.sandbox));
    layers.add(sources::prefixed(variables));
    layers.add(sources::flags(flags));
    let mut settings = Settings { otlp, ..Settings::default() };
    settings.platform.proxies = proxies;
    (layers, settings)
}

/// The strongest value of each setting so far, and the faults.
struct Layers {
    given: BTreeMap<String, Strongest>,
    count: usize,
    /// Whether all sources could be read: what is missing is not known otherwise.
    is_whole: bool,
    faults: Vec<Fault>,
}

/// Secrets, and the files that they may be in instead.
const OTHER_FORMS: [(&str, &str); 2] = [(API_KEY, API_KEY_FILE), ("deduplication.store", "deduplication.store_file")];

struct Strongest {
    layer: usize,
    given: Given,
    kind: &'static Kind,
}

impl Layers {
    /// Lays the values of a stronger source over what there is.
    fn add(&mut self, mut layer: Vec<Given>) {
        self.count += 1;
        // The sources are hash maps: sorted, the same mistake is always told in the same words.
        layer.sort_by(|a, b| a.name.cmp(&b.name));
        for given in layer {
            let Some(kind) = keys::kind_of(&given.name) else {
                self.faults.push(unknown(&given.name, &given.source));
                continue;
            };
            if !given.value.is_unset() && self.wins_over_its_other_form(&given) {
                let new = Strongest { layer: self.count, given, kind };
                if let Some(old) = self.given.insert(new.given.name.clone(), new) {
                    self.check_agreement(old);
                }
            }
        }
    }

    /// Rates of two sources have to be the same: one of them would not be in force, and whoever wrote it would count on it.
    fn check_agreement(&mut self, Strongest { given: old, kind, .. }: Strongest) {
        let Some(new) = self.given.get(&old.name).filter(|_| matches!(kind, Kind::Rates(_) | Kind::Bursts(_))) else {
            return;
        };
        let shown = |given: &Given| {
            let mut settings = Settings::default();
            kind.read(&given.value, &mut settings).map(|()| kind.show(&mut settings))
        };
        // What cannot be read is told as that.
        if let (Ok(old_value), Ok(new_value)) = (shown(&old), shown(&new.given))
            && old_value != new_value
        {
            self.faults.push(Fault {
                setting: old.name,
                source: new.given.source.clone(),
                problem: format!("the value is {new_value}, and by {} it is {old_value}", old.source),
                allowed: "one of them, or both alike".to_owned(),
            });
        }
    }

    /// A secret and the file it may be in displace each other, or else a weaker source's key could win over a stronger one's.
    fn wins_over_its_other_form(&mut self, given: &Given) -> bool {
        let name = given.name.as_str();
        let Some((form, file)) = OTHER_FORMS.into_iter().find(|(form, file)| name == *form || name == *file) else {
            return true;
        };
        let other = if name == form { file } else { form };
        let Some(rival) = self.given.remove(other) else {
            return true;
        };
        let equal = rival.layer == self.count;
        if equal {
            self.faults.push(Fault {
                setting: given.name.clone(),
                source: given.source.clone(),
                problem: format!("{other} is given too, by {}", rival.given.source),
                allowed: format!("{form} or {file}, not both"),
            });
            // Stays, so that the key does not count as missing.
            self.given.insert(other.to_owned(), rival);
        }
        !equal
    }

    /// Reads every value into the settings.
    fn finish(mut self, mut settings: Settings, sandbox: bool) -> Result<Settings, Vec<Fault>> {
        for (setting, Strongest { given, kind, .. }) in &self.given {
            if let Err(problem) = kind.read(&given.value, &mut settings) {
                let (setting, source) = (setting.clone(), given.source.clone());
                self.faults.push(Fault { setting, source, problem, allowed: kind.allowed() });
            }
        }
        if self.is_whole {
            let sources = self.given.iter().map(|(name, strongest)| (name.as_str(), strongest.given.source.as_str()));
            self.faults.extend(together::faults(&settings, &sources.collect(), sandbox));
        }
        if self.faults.is_empty() {
            return Ok(settings);
        }
        self.faults.sort_by(|a, b| (&a.setting, &a.source).cmp(&(&b.setting, &b.source)));
        Err(self.faults)
    }
}

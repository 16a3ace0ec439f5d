//! Puts the settings together from their sources and checks them. Every fault is found in one go.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use super::{
    fault::Fault,
    keys::Kind,
    sources::{self, Flags, Given},
    tree::Settings,
};

const API_KEY: &str = "platform.api_key";
const API_KEY_FILE: &str = "platform.api_key_file";
const ORGANIZATION: &str = "platform.organization_id";

/// The settings in force: defaults, then the file, then the environment, then the flags, the later ones stronger.
///
/// The environment is handed in, so that tests need not touch the process's. An empty value counts as none.
///
/// # Errors
/// All that is wrong: unknown names, values that are not allowed, and what is missing, ordered by setting.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &Flags,
) -> Result<Settings, Vec<Fault>> {
    let variables: HashMap<String, String> = environment.into_iter().collect();
    let mut layers = Layers::default();
    layers.add(sources::staging(&variables));
    let mut file_is_read = true;
    match file.map(sources::file) {
        None => {}
        Some(Ok(given)) => layers.add(given),
        Some(Err(fault)) => {
            file_is_read = false;
            layers.faults.push(fault);
        }
    }
    layers.add(sources::official(&variables));
    layers.add(sources::prefixed(variables));
    layers.add(sources::flags(flags));

    // What a file that could not be read leaves out is not known.
    if file_is_read && !flags.sandbox {
        layers.require_credentials();
    }
    layers.finish()
}

/// The strongest value of each setting so far, and the faults.
#[derive(Default)]
struct Layers {
    given: BTreeMap<String, Strongest>,
    count: usize,
    faults: Vec<Fault>,
}

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
            let Some(kind) = Kind::of(&given.name) else {
                self.faults.push(Fault::unknown(&given.name, &given.source));
                continue;
            };
            // Templates leave variables empty that they have no value for; the official client takes that as unset.
            if given.text.as_deref() != Some("") && self.wins_over_its_other_form(&given) {
                self.given.insert(given.name.clone(), Strongest { layer: self.count, given, kind });
            }
        }
    }

    /// The key and the file it may be in displace each other, or else a weaker source's key could win over a stronger one's.
    fn wins_over_its_other_form(&mut self, given: &Given) -> bool {
        let other = match given.name.as_str() {
            API_KEY => API_KEY_FILE,
            API_KEY_FILE => API_KEY,
            _ => return true,
        };
        let Some(rival) = self.given.remove(other) else {
            return true;
        };
        let equal = rival.layer == self.count;
        if equal {
            self.faults.push(Fault {
                setting: given.name.clone(),
                source: given.source.clone(),
                problem: format!("{other} is given too, by {}", rival.given.source),
                allowed: format!("{API_KEY} or {API_KEY_FILE}, not both"),
            });
            // Stays, so that the key does not count as missing.
            self.given.insert(other.to_owned(), rival);
        }
        !equal
    }

    fn require_credentials(&mut self) {
        let mut require = |names: &[&str], problem: &str, allowed: &str| {
            if !names.iter().any(|name| self.given.contains_key(*name)) {
                self.faults.push(Fault {
                    setting: names[0].to_owned(),
                    source: "a default".to_owned(),
                    problem: problem.to_owned(),
                    allowed: allowed.to_owned(),
                });
            }
        };
        require(
            &[API_KEY, API_KEY_FILE],
            "there is no API key",
            "a key in XPANDER_API_KEY or in a file that XPANDER_API_KEY_FILE names, or --sandbox to do without the platform",
        );
        require(
            &[ORGANIZATION],
            "there is no organization, which an API key needs",
            "the organization's id in XPANDER_ORGANIZATION_ID, or --sandbox to do without the platform",
        );
    }

    /// Reads every value into the settings.
    fn finish(mut self) -> Result<Settings, Vec<Fault>> {
        let mut settings = Settings::default();
        for (setting, Strongest { given, kind, .. }) in &self.given {
            let read = match &given.text {
                Some(text) => kind.read(text, &mut settings),
                None => Err("the value is a table or a list".to_owned()),
            };
            if let Err(problem) = read {
                let (setting, source) = (setting.clone(), given.source.clone());
                self.faults.push(Fault { setting, source, problem, allowed: kind.allowed() });
            }
        }
        self.check_ports(&settings);
        if self.faults.is_empty() {
            return Ok(settings);
        }
        self.faults.sort_by(|a, b| (&a.setting, &a.source).cmp(&(&b.setting, &b.source)));
        Err(self.faults)
    }

    /// Port 0 is any free one, so two of them differ.
    fn check_ports(&mut self, settings: &Settings) {
        let (grpc, admin) = (settings.server.listen, settings.server.admin_listen);
        if grpc == admin && grpc.port() != 0 {
            let source = |name| self.given.get(name).map(|strongest| strongest.given.source.clone());
            self.faults.push(Fault {
                setting: "server.admin_listen".to_owned(),
                source: source("server.admin_listen").unwrap_or_else(|| "a default".to_owned()),
                problem: format!("{admin} is server.listen already"),
                allowed: "an address or port of its own".to_owned(),
            });
        }
    }
}

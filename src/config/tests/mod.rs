//! How the settings come together: sources, faults, secrets. The parts' own tests are with the parts.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    keys::{KEYS, kind::Kind},
    *,
};

mod environment;
mod faults;
mod limits;
mod lists;
mod otlp;
mod reference;
mod secrets;
mod sources;
mod together;

const KEY: &str = "sk-never-to-be-seen";

/// A file that is gone with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xpander-config-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).expect("the temporary folder is writable");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the temporary folder's name is text")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn load_with(file: Option<&str>, variables: &[(&str, &str)], flags: &Flags) -> Result<Settings, Vec<Fault>> {
    let file = file.map(Temporary::new);
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(file.as_ref().map(|file| file.0.as_path()), variables, flags)
}

/// Without credentials, which most tests are not about.
fn sandboxed(file: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<Fault>> {
    load_with(Some(file), variables, &Flags { sandbox: true, ..Flags::default() })
}

fn good(result: Result<Settings, Vec<Fault>>) -> Settings {
    result.unwrap_or_else(|faults| panic!("{}", lines(&faults)))
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| fault.to_string() + "\n").collect()
}

fn only(result: Result<Settings, Vec<Fault>>) -> Fault {
    let mut faults = result.expect_err("the settings are wrong");
    assert_eq!(faults.len(), 1, "{}", lines(&faults));
    faults.remove(0)
}

fn settings_of(result: Result<Settings, Vec<Fault>>) -> Vec<String> {
    result.expect_err("the settings are wrong").into_iter().map(|fault| fault.setting).collect()
}

#[test]
fn shows_what_is_in_force_so_that_it_can_be_read_again() {
    let file = "server.listen = '[::1]:7'\nplatform.agent_cache_ttl = '1500ms'\nagents.pins = {b = '2', A = '1'}\n\
                auth.agents = {'*' = 'echo tools'}\nusers = {callers = ['*'], metadata = {email = 'x-email'}}";
    let changed = good(sandboxed(file, &[]));
    let shown = show(&changed);
    assert!(shown.starts_with("server.listen = \"[::1]:7\"\nserver.admin_listen = \"0.0.0.0:9464\"\n"), "{shown}");
    let lines: Vec<_> = shown.lines().filter(|line| !line.ends_with("(not set)")).collect();
    assert_eq!(show(&good(sandboxed(&lines.join("\n"), &[]))), shown);
    assert!(lines.contains(&"agents.pins = { \"A\" = \"1\", \"b\" = \"2\" }"), "{shown}");
    assert!(lines.contains(&"auth.agents = { \"*\" = [\"echo\", \"tools\"] }"), "{shown}");
}

#[test]
fn every_field_of_the_tree_is_a_setting_and_the_other_way_round() {
    let (mut section, mut group) = (String::new(), None);
    let mut fields = BTreeSet::new();
    for line in format!("{:#?}", Settings::default()).lines() {
        let name = line.trim().split(':').next().unwrap_or_default();
        match line.len() - line.trim_start().len() {
            4 if line.ends_with('{') => section = name.to_owned(),
            // A struct of its own: its fields are settings.
            8 if line.ends_with(": Jwt {") => group = Some(name.to_owned()),
            8 if line.trim() == "}," => group = None,
            12 if name.starts_with(char::is_alphabetic) => {
                fields.extend(group.as_ref().map(|group| format!("{section}.{group}.{name}")));
            }
            // What the `OTEL_*` variables and those on proxies say is in no file.
            8 if section != "otlp" && name != "proxies" && name.starts_with(char::is_alphabetic) => {
                fields.insert(format!("{section}.{name}"));
            }
            _ => {}
        }
    }
    assert_eq!(fields, KEYS.iter().map(|(name, ..)| (*name).to_owned()).collect());
}

//! Where values come from: the file, the environment and the flags, as names and values. Not what they mean: `keys`
//! knows that.

use std::{collections::HashMap, fs, io::ErrorKind, net::SocketAddr, path::Path};

use ::config::{Environment, File, FileFormat, Map, Source, Value};

use crate::config::{fault::Fault, keys::KEYS, raw::Raw, shown::name, tree::LogFormat};

const PREFIX: &str = "XPANDER_PROXY";
const STAGING: &str = "https://inbound.stg.xpander.ai";

/// The official client's variables, which mean here what they mean there, and the one that names a file for the key.
/// `IS_STG` is not among them: it is no name of a setting.
pub const OFFICIAL: [(&str, &str); 5] = [
    ("XPANDER_API_KEY", "platform.api_key"),
    ("XPANDER_API_KEY_FILE", "platform.api_key_file"),
    ("XPANDER_ORGANIZATION_ID", "platform.organization_id"),
    ("XPANDER_BASE_URL", "platform.base_url"),
    ("XPANDER_AGENT_ID", "agents.default_id"),
];

/// The flags that are settings.
pub const FLAGS: [(&str, &str); 3] = [
    ("--listen", "server.listen"),
    ("--admin-listen", "server.admin_listen"),
    ("--log-format", "telemetry.log_format"),
];

/// What was said on the command line, the strongest source.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--listen`: where gRPC is served.
    pub listen: Option<SocketAddr>,
    /// `--admin-listen`: where probes and metrics are served.
    pub admin_listen: Option<SocketAddr>,
    /// `--log-format`: how log lines look.
    pub log_format: Option<LogFormat>,
    /// `--sandbox`: against the embedded platform, so that no key and no organization are needed.
    pub sandbox: bool,
    /// Not a flag: whether standard error, where the log goes, is a terminal.
    pub is_terminal: bool,
}

/// A value that was given for a name, known or not. Has no Debug, since the value may be a secret.
#[derive(Clone)]
pub struct Given {
    pub name: String,
    pub value: Raw,
    /// For [`Fault::source`].
    pub source: String,
}

impl Given {
    fn new(name: impl Into<String>, value: impl Into<Raw>, source: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), source: source.into() }
    }
}

/// What a file says.
///
/// # Errors
/// When the file cannot be read or is no TOML.
pub fn file(path: &Path) -> Result<Vec<Given>, Fault> {
    let source = format!("the file {}", path.display());
    let fault = |problem: String, allowed: &str| Fault {
        setting: "--config".to_owned(),
        source: source.clone(),
        problem,
        allowed: allowed.to_owned(),
    };
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => fault("it is a folder; a file is needed".to_owned(), "a readable TOML file"),
        _ => fault(format!("the file cannot be read: {error}"), "a readable TOML file"),
    })?;
    let found = File::from_str(&text, FileFormat::Toml).collect().map_err(|error| {
        let at = position(&error.to_string()).map(|at| format!(" at {at}")).unwrap_or_default();
        let allowed = "lines `[section]` and `key = value`, each key once, texts in quotes";
        fault(format!("the file is not TOML{at}"), allowed)
    })?;
    Ok(flattened(found, &source))
}

/// What the variables say that the official client knows.
pub fn official(variables: &HashMap<String, String>) -> Vec<Given> {
    let given = |(variable, name): &(&str, &str)| {
        let text = variables.get(*variable)?.as_str();
        Some(Given::new(*name, text, format!("the environment variable {variable}")))
    };
    OFFICIAL.iter().filter_map(given).collect()
}

/// What `IS_STG` says: weaker than a base URL from anywhere.
pub fn staging(variables: &HashMap<String, String>) -> Vec<Given> {
    let staging = variables.get("IS_STG").filter(|value| *value == "true");
    let given = |_| Given::new("platform.base_url", STAGING, "the environment variable IS_STG");
    staging.map(given).into_iter().collect()
}

/// What follows from a log that somebody reads as it comes: weaker than all that is said.
pub fn terminal(flags: &Flags) -> Vec<Given> {
    let given = || Given::new("telemetry.log_format", name(&LogFormat::Text).as_str(), "standard error, a terminal");
    flags.is_terminal.then(given).into_iter().collect()
}

/// What the variables `XPANDER_PROXY_…` say.
pub fn prefixed(variables: HashMap<String, String>) -> Vec<Given> {
    // Values stay texts (no `try_parsing`): a key of digits must keep its leading zeros.
    let environment = Environment::with_prefix(PREFIX)
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables.into_iter().collect()));
    // Collecting fails on what is no Unicode only, and this source has none.
    let found = environment.collect().unwrap_or_default();
    let given = |(name, value): (String, Value)| {
        let variable = variable(&name);
        Given::new(name, Raw::from(value), format!("the environment variable {variable}"))
    };
    found.into_iter().map(given).collect()
}

/// The variable of a setting.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}_{}", name.replace('.', "__").to_uppercase())
}

/// What the flags say.
pub fn flags(flags: &Flags) -> Vec<Given> {
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let values = [address(flags.listen), address(flags.admin_listen), flags.log_format.as_ref().map(name)];
    let given = |((flag, name), text): (&(&str, &str), Option<String>)| {
        text.map(|text| Given::new(*name, text.as_str(), format!("the flag {flag}")))
    };
    FLAGS.iter().zip(values).filter_map(given).collect()
}

/// The sections' keys as `section.key`, and as `section.key.more` where settings are called so; what is outside a section,
/// or an empty unknown section, by its own name.
fn flattened(found: Map<String, Value>, source: &str) -> Vec<Given> {
    let is_section = |section: &str| KEYS.iter().any(|(name, ..)| name.split('.').next() == Some(section));
    let is_group = |group: &str| KEYS.iter().any(|(name, ..)| name.rsplit_once('.').is_some_and(|(of, _)| of == group));
    let mut all = Vec::new();
    for (section, value) in found {
        match Raw::from(value) {
            Raw::Table(keys) if is_section(&section) || !keys.is_empty() => {
                for (key, value) in keys {
                    let name = format!("{section}.{key}");
                    match value {
                        Raw::Table(inner) if is_group(&name) => all.extend(
                            inner.into_iter().map(|(key, value)| Given::new(format!("{name}.{key}"), value, source)),
                        ),
                        value => all.push(Given::new(name, value, source)),
                    }
                }
            }
            value => all.push(Given::new(section, value, source)),
        }
    }
    all
}

/// Where the parser stopped. The rest of its message repeats the line, which may hold a secret.
fn position(message: &str) -> Option<&str> {
    message.lines().next()?.strip_prefix("TOML parse error at ")
}

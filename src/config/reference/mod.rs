//! The settings for people: docs/configuration.md, rendered from the table of keys, which a test compares with the file.

pub mod show;

use std::fmt::Write as _;

use super::{
    keys::{KEYS, kind::Kind},
    load::sources::{FLAGS, OFFICIAL, variable},
    otel,
    tree::Settings,
};

/// A whole settings file, which a test loads.
pub const EXAMPLE: &str = include_str!("example.toml");

/// What most installations set.
const USUAL: [&str; 8] = [
    "platform.api_key_file",
    "platform.organization_id",
    "server.tls_cert_file",
    "server.tls_key_file",
    "auth.tokens_file",
    "auth.agents",
    "agents.stop_abandoned",
    "deduplication.store",
];

const HEADING: &str = "\
<!-- Written by `make docs` from src/config: change it there. -->
# The settings
";

const INTRODUCTION: &str = "\
## How they are given

`xpander-grpc-proxy check` prints the settings in force, with secrets hidden; `check --reference` prints this page. A wrong
or unknown setting stops the start: each with a line that names it, where its value came from and what is allowed, and the
nearest name for a misspelt one.

### Where they come from

Defaults, then the file (`--config FILE`, TOML), then the environment, then flags; the later ones win, each setting as a
whole. A setting is `key` under `[section]` in the file and `XPANDER_PROXY_SECTION__KEY` in the environment; those on JWTs are
under `[auth.jwt]`, and `XPANDER_PROXY_AUTH__JWT__KEY`. An empty value
counts as unset. Variables of the official client mean what they mean there; the prefixed name of the same setting wins.

In the environment, as in the file, a name that no setting has is a mistake. Kubernetes makes variables from the names of
services: where one is called `xpander-proxy`, set `enableServiceLinks: false` for the pod.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured for the platform, in capitals or not; the first of a
proxy's names that says something counts. This machine (`localhost`, `127.0.0.0/8`, `::1`) is reached without. One that is no
address of an HTTP proxy stops the start. A variable of the proxy's own that is no UTF-8 does, too; others' may hold anything.

### Lists and maps

| | in the file | in the environment |
|---|---|---|
| a list | `callers = [\"gateway\", \"jobs\"]` | `gateway,jobs` |
| a map | `[agents.pins]`, then lines `echo = \"2\"` | `echo=2,tools=1` |
| a map of lists | `[auth.agents]`, then lines `orders = [\"echo\", \"tools\"]` | `orders=echo tools,jobs=*` |

In a map of lists, a text stands for a list too, with spaces between the elements. Names are case-sensitive. Names with
other characters than letters, digits, `-` and `_` have quotes in the file: `\"*\" = \"*\"`.

### Secrets from files

Files are read at the start, where a bad one is a mistake, and again when they change: the API key, the token hashes, the
keys of JWTs, the certificates. `platform.api_key` and `platform.api_key_file` displace each other by the strength of their sources; both in
one source are a mistake. `auth.tokens` and `auth.tokens_file` add up. Tokens are in neither, only their hashes.
";

const OTEL: &str = "\
## OpenTelemetry

Traces and metrics are exported over OTLP by the variables of OpenTelemetry's specification, which are no keys of the file.
The exporters read the others (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`,
`OTEL_TRACES_SAMPLER`, …) by themselves. An empty variable counts as unset; one that they could not read stops the start. Those of the specification that nothing
follows, such as `OTEL_PROPAGATORS` (W3C's are taken and sent on) and `OTEL_LOGS_EXPORTER`, are named in a warning at the start.

| variable | does |
|---|---|
";

/// The reference as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEADING);
    page += "\n## The eight that you will set\n\n";
    page += &table(|name| USUAL.contains(&name));
    page += "\n## All of them, in a line each\n\n";
    page += &table(|_| true);
    page.push('\n');
    page += INTRODUCTION;
    page += "\n### A whole file\n\n```toml\n";
    page += EXAMPLE;
    page += "```\n";
    let mut last = "";
    for key in KEYS {
        let section = key.0.split('.').next().unwrap_or_default();
        if section != last {
            // Writing to a string cannot fail.
            let _ = writeln!(page, "\n## `[{section}]`");
            last = section;
        }
        page += &entry(key);
    }
    page.push('\n');
    page += OTEL;
    for (variable, does) in otel::VARIABLES {
        let _ = writeln!(page, "| `{variable}` | {does} |");
    }
    page
}

/// Settings in a line each.
fn table(is_in: impl Fn(&str) -> bool) -> String {
    let mut table = String::from("| setting | default | what it is |\n|---|---|---|\n");
    for (name, kind, does) in KEYS.iter().filter(|(name, ..)| is_in(name)) {
        let first = does.split_once(". ").map_or(*does, |(first, _)| first).trim_end_matches('.');
        let anchor = name.replace('.', "");
        let _ = writeln!(table, "| [`{name}`](#{anchor}) | {} | {first} |", default(name, kind));
    }
    table
}

/// A setting's default; a size for people, too.
fn default(name: &str, kind: &Kind) -> String {
    let shown = match kind.show(&mut Settings::default()) {
        shown if shown.starts_with('(') => return "none".to_owned(),
        shown => shown,
    };
    let size = shown.parse::<u64>().ok().filter(|_| name.ends_with("_bytes"));
    let size = size.and_then(|size| match size {
        size if size >= 1 << 20 && size % (1 << 20) == 0 => Some(format!(" ({} MiB)", size >> 20)),
        size if size >= 1 << 10 && size % (1 << 10) == 0 => Some(format!(" ({} KiB)", size >> 10)),
        _ => None,
    });
    format!("`{shown}`{}", size.unwrap_or_default())
}

fn entry((name, kind, does): &(&str, Kind, &str)) -> String {
    let official =
        OFFICIAL.iter().filter(|(_, setting)| setting == name).map(|(variable, _)| format!(", or `{variable}`"));
    let flag = FLAGS.iter().filter(|(_, setting)| setting == name).map(|(flag, _)| format!("\n- flag: `{flag}`"));
    format!(
        "\n### `{name}`\n\n{does}\n\n- default: {}\n- allowed: {}\n- environment: `{}`{}{}\n",
        default(name, kind),
        kind.allowed(),
        variable(name),
        official.collect::<String>(),
        flag.collect::<String>(),
    )
}

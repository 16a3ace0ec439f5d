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

const INTRODUCTION: &str = "\
<!-- Written by `make docs` from src/config: change it there. -->
# The settings

`xpander-grpc-proxy check` prints the settings in force, with secrets hidden; `check --reference` prints this page. A wrong
or unknown setting stops the start: each with a line that names it, where its value came from and what is allowed, and the
nearest name for a misspelt one.

## Where they come from

Defaults, then the file (`--config FILE`, TOML), then the environment, then flags; the later ones win, each setting as a
whole. A setting is `key` under `[section]` in the file and `XPANDER_PROXY_SECTION__KEY` in the environment; those on JWTs are
under `[auth.jwt]`, and `XPANDER_PROXY_AUTH__JWT__KEY`. An empty value
counts as unset. Variables of the official client mean what they mean there; the prefixed name of the same setting wins.

In the environment, as in the file, a name that no setting has is a mistake. Kubernetes makes variables from the names of
services: where one is called `xpander-proxy`, set `enableServiceLinks: false` for the pod.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured for the platform, in capitals or not; the first of a
proxy's names that says something counts. This machine (`localhost`, `127.0.0.0/8`, `::1`) is reached without. One that is no
address of an HTTP proxy stops the start. A variable of the proxy's own that is no UTF-8 does, too; others' may hold anything.

## Lists and maps

| | in the file | in the environment |
|---|---|---|
| a list | `callers = [\"gateway\", \"jobs\"]` | `gateway,jobs` |
| a map | `[agents.pins]`, then lines `echo = \"2\"` | `echo=2,tools=1` |
| a map of lists | `[auth.agents]`, then lines `orders = [\"echo\", \"tools\"]` | `orders=echo tools,jobs=*` |

In a map of lists, a text stands for a list too, with spaces between the elements. Names are case-sensitive. Names with
other characters than letters, digits, `-` and `_` have quotes in the file: `\"*\" = \"*\"`.

## Secrets from files

Files are read at the start, where a bad one is a mistake, and again when they change: the API key, the token hashes, the
keys of JWTs, the certificates. `platform.api_key` and `platform.api_key_file` displace each other by the strength of their sources; both in
one source are a mistake. `auth.tokens` and `auth.tokens_file` add up. Tokens are in neither, only their hashes.
";

const OTEL: &str = "\
## OpenTelemetry

Traces and metrics are exported over OTLP by the variables of OpenTelemetry's specification, which are no keys of the file.
The exporters read the others (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`,
`OTEL_TRACES_SAMPLER`, …) by themselves. An empty variable counts as unset; one that they could not read stops the start.

| variable | does |
|---|---|
";

/// The reference as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    page += "\n## A whole file\n\n```toml\n";
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

fn entry((name, kind, does): &(&str, Kind, &str)) -> String {
    let official =
        OFFICIAL.iter().filter(|(_, setting)| setting == name).map(|(variable, _)| format!(", or `{variable}`"));
    let flag = FLAGS.iter().filter(|(_, setting)| setting == name).map(|(flag, _)| format!("\n- flag: `{flag}`"));
    let default = match kind.show(&mut Settings::default()) {
        shown if shown.starts_with('(') => "none".to_owned(),
        shown => format!("`{shown}`"),
    };
    format!(
        "\n### `{name}`\n\n{does}\n\n- default: {default}\n- allowed: {}\n- environment: `{}`{}{}\n",
        kind.allowed(),
        variable(name),
        official.collect::<String>(),
        flag.collect::<String>(),
    )
}

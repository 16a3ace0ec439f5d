//! What a run tells: tables in Markdown, the bars, and the page and chart they are written into.

use std::{fs, path::Path, process::Command};

use crate::{
    Outcome, chart,
    stats::{Bar, Spread},
};

const PAGE: &str = "docs/performance.md";
const CHART: &str = "docs/performance.svg";
/// The measured part of the page is between these.
const BEGIN: &str = "<!-- measured: written by `cargo bench --bench compare` -->\n";
const END: &str = "<!-- /measured -->\n";

/// The tables so far.
#[derive(Default)]
pub struct Report {
    lines: String,
    bars: Vec<Bar>,
    costs: Vec<(String, Spread)>,
}

impl Report {
    pub fn title(&mut self, title: &str) {
        self.line(&format!("\n### {title}\n"));
    }

    pub fn line(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }

    pub fn bar(&mut self, bar: Bar) {
        self.bars.push(bar);
    }

    /// A row of the chart.
    pub fn chart(&mut self, name: &str, cost: Spread) {
        self.costs.push((name.replace("**", ""), cost));
    }

    /// Whether every bar is met.
    pub fn is_good(&self) -> bool {
        self.bars.iter().all(Bar::is_met)
    }

    pub fn text(&self) -> String {
        let bars: Vec<String> = self.bars.iter().map(ToString::to_string).collect();
        format!(
            "\n{}\n\n### Bars\n\n| | measured | bound | |\n|---|---|---|---|\n{}\n{}",
            machine(),
            bars.join("\n"),
            self.lines
        )
    }

    /// Writes the page's measured part and the chart.
    pub fn write(&self) -> Outcome {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = fs::read_to_string(root.join(PAGE))?;
        let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = parts.ok_or_else(|| format!("{PAGE} has no place for what is measured"))?;
        fs::write(root.join(PAGE), format!("{before}{BEGIN}{}\n{END}{after}", self.text()))?;
        Ok(fs::write(root.join(CHART), chart::draw(&self.costs))?)
    }
}

/// Where and of what it was measured.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |name| name.1);
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let cores = cpu_count();
    let build = if cfg!(debug_assertions) { ", **a debug build: no numbers to keep**" } else { "" };
    format!("Measured at {commit} on {cores} cores of {cpu}{build}.")
}

/// Of the machine, not of this process.
fn cpu_count() -> usize {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpu.lines().filter(|line| line.starts_with("processor")).count()
}

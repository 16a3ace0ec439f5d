//! Numbers: what a page says of the code's limits, times and counts is what the code has, and what one page says of a figure is
//! what another one does.

use super::names::read;

/// A page, its words, the file with the number, and the line that has it.
#[rustfmt::skip] // A table: a line for each.
const NUMBERS: &[(&str, &str, &str, &str)] = &[
    ("docs/callers.md", "below 8,192 bytes as clients", "src/grpc/response/told.rs", "MAX_COUNTED: usize = 8192"),
    ("docs/callers.md", "below 4,096 on the wire", "src/grpc/response/told.rs", "MAX_WIRE: usize = 4096"),
    ("docs/callers.md", "metadata above 128 KiB", "src/grpc/serving.rs", "LARGEST_HEAD: u32 = 128 << 10"),
    ("docs/operations.md", "metadata above 128 KiB", "src/grpc/serving.rs", "LARGEST_HEAD: u32 = 128 << 10"),
    ("docs/callers.md", "16 KiB to 8 MiB is compressed", "src/grpc/response/frames.rs", "COMPRESSED_FROM: usize = 16 << 10"),
    ("docs/callers.md", "16 KiB to 8 MiB is compressed", "src/grpc/response/frames.rs", "COMPRESSED_TO: usize = 8 << 20"),
    ("docs/callers.md", "1,000 rows at most", "src/translate/lists/mod.rs", "PAGE: (usize, usize) = (50, 1_000)"),
    ("docs/callers.md", "(of 100 ms or more)", "src/calls/stream_events.rs", "SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100)"),
    ("docs/callers.md", "up to 128 printable ASCII", "src/grpc/request/metadata.rs", "MAX_REQUEST_ID: usize = 128"),
    (SERVICE, "At most 1,024 bytes without control", "src/translate/names.rs", "MAX_EVENT_ID: usize = 1024"),
    (SERVICE, "At least 100 ms;", "src/calls/stream_events.rs", "SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100)"),
    (SERVICE, "at most 1,000, more are taken as that. Unset: 50.", "src/translate/lists/mod.rs", "PAGE: (usize, usize) = (50, 1_000)"),
    (SERVICE, "at most 256 bytes, no control", "src/translate/lists/mod.rs", "MAX_TEXT: usize = 256"),
    (SERVICE, "[A-Za-z0-9._~-]{1,128}", "src/platform/ids.rs", "MAX_ID: usize = 128"),
    (INVOCATION, "At most 128 bytes of printable ASCII", "src/translate/names.rs", "MAX_REQUEST_ID: usize = 128"),
    (INVOCATION, "for the agent. At most 1,000.", "src/proto/lists.rs", "MAX_ELEMENTS: usize = 1_000"),
    (INVOCATION, "nesting deeper than 64", "src/proto/json/fault.rs", "MAX_DEPTH: usize = 64"),
    (INVOCATION, "twice its own size and 64 KiB", "src/translate/request.rs", "SPARE: usize = 64 << 10"),
    (INVOCATION, "1 to 64 characters", "src/translate/names.rs", "MAX_VERSION: usize = 64"),
    ("proto/xpander/agent/v1/task.proto", "(about 30 levels)", "src/proto/json/outward.rs", "MAX_LEVELS: usize = 90"),
    ("docs/official-client.md", "URLs, at most 1,000", "src/proto/lists.rs", "MAX_ELEMENTS: usize = 1_000"),
    ("docs/official-client.md", "nesting goes to 64", "src/proto/json/fault.rs", "MAX_DEPTH: usize = 64"),
    ("docs/operations.md", "16,384 lines wait", "src/telemetry/logs/mod.rs", "WAITING_LINES: usize = 16_384"),
    ("docs/runbook.md", "16,384 lines wait", "src/telemetry/logs/mod.rs", "WAITING_LINES: usize = 16_384"),
    ("docs/operations.md", "the last 65,536", "src/telemetry/cost.rs", "REMEMBERED: usize = 1 << 16"),
    ("docs/operations.md", "beyond 2^40", "src/telemetry/cost.rs", "MOST_TOKENS: u64 = 1 << 40"),
    ("docs/operations.md", "is one of thirty", "src/telemetry/attempt.rs", "STATUSES: [u16; 30]"),
    ("docs/security.md", "thirty are known", "src/telemetry/attempt.rs", "STATUSES: [u16; 30]"),
    ("docs/operations.md", "from 0.5 ms to 1,800 s", "src/telemetry/metrics.rs", "0.0005, 0.001,"),
    ("docs/operations.md", "from 0.5 ms to 1,800 s", "src/telemetry/metrics.rs", "\n    1800.0,\n]"),
    ("docs/operations.md", "from 10 ms to 82 s", "src/telemetry/gen_ai.rs", "[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]"),
    ("docs/operations.md", "more than an hour counts as an hour", "src/platform/error/retry_after.rs", "LONGEST: Duration = Duration::from_hours(1)"),
    ("docs/operations.md", "one request in a hundred", "src/platform/brake/turn.rs", "EACH: u32 = 100"),
    ("docs/operations.md", "one a second goes too", "src/platform/brake/throttle.rs", "PROBE: u64 = 1_000"),
    ("docs/operations.md", "and two for each that the platform takes", "src/platform/brake/throttle.rs", "PAYS: u32 = 2"),
    ("docs/operations.md", "from thirty failures more than answers on", "src/platform/brake/throttle.rs", "FLOOR: u64 = 30"),
    ("docs/operations.md", "after ten seconds in which nothing", "src/platform/brake.rs", "SILENCE: Duration = Duration::from_secs(10)"),
    ("docs/operations.md", "more than 64 KiB at a time", "src/claims/limited.rs", "LONGEST: usize = 64 << 10"),
    ("docs/operations.md", "does not fit for five seconds", "src/app/reload.rs", "PATIENCE: Duration = Duration::from_secs(5)"),
    ("docs/operations.md", "no sooner than ten seconds after", "src/app/jwks.rs", "REST: Duration = Duration::from_secs(10)"),
    ("docs/operations.md", "fetched every five minutes", "src/app/jwks.rs", "AGE: Duration = Duration::from_secs(290)"),
    ("docs/security.md", "remembers for a minute", "src/calls/owners.rs", "REMEMBERED: Duration = Duration::from_mins(1)"),
    ("docs/security.md", "A token of more than 8 KiB", "src/grpc/request/auth/jwt.rs", "LONGEST: usize = 8 << 10"),
    ("docs/security.md", "up to eight keys are tried", "src/grpc/request/auth/jwt.rs", "MOST_TRIED: usize = 8"),
    ("docs/security.md", "in 8 MiB at most", "src/grpc/request/auth/keys.rs", "REMEMBERED: u64 = 8 << 20"),
    ("docs/security.md", "a thousand at most", "src/grpc/request/auth/keys.rs", "MOST_WAITING: usize = 1_000"),
    ("docs/security.md", "1 MiB within ten seconds", "src/config/jwks.rs", "LARGEST: usize = 1 << 20"),
    ("docs/security.md", "beyond 16,384 they share", "src/grpc/request/limits/callers.rs", "CAPACITY: usize = 16_384"),
    ("docs/security.md", "a turn of the connection reads 16 KiB", "src/grpc/connection/turn.rs", "MOST: usize = 16 << 10"),
    ("docs/security.md", "(1 MiB, 5 s)", "src/grpc/request/received.rs", "UNREAD: usize = 1 << 20"),
    ("docs/security.md", "(1 MiB, 5 s)", "src/grpc/request/received.rs", "UNREAD_TIME: Duration = Duration::from_secs(5)"),
    ("docs/security.md", "messages of 4 KiB", "src/grpc/server.rs", "LARGEST_OTHER: usize = 4 << 10"),
    ("docs/security.md", "sixty-four of more than one frame", "src/grpc/connection/arriving.rs", "Few::new(64)"),
    ("docs/security.md", "the oldest of sixteen", "src/app/admin.rs", "CONNECTIONS: usize = 16"),
    ("docs/security.md", "the last 64 (a quarter", "src/grpc/request/limits.rs", "KEPT: RawFd = 64"),
    ("docs/sizing.md", "The last 64 (a quarter", "src/grpc/request/limits.rs", "KEPT: RawFd = 64"),
    ("docs/security.md", "from twice the request and 64 KiB on", "src/translate/request.rs", "SPARE: usize = 64 << 10"),
    ("docs/security.md", "at most the text, or 1 MiB", "src/proto/json/reader.rs", "ROOM: usize = 1 << 20"),
    ("docs/security.md", "finds none for five seconds", "src/memory/growing.rs", "ROOM_TIME: Duration = Duration::from_secs(5)"),
    ("docs/reliability.md", "after five seconds a read is", "src/memory/growing.rs", "ROOM_TIME: Duration = Duration::from_secs(5)"),
    ("docs/reliability.md", "last thousand events", "src/calls/history/memory.rs", "REMEMBERED: usize = 1_000"),
    ("docs/reliability.md", "is five in a second", "src/platform/retry.rs", "BUDGET_FLOOR: u32 = 5"),
    ("docs/reliability.md", "a fifth of the requests", "src/platform/retry.rs", "BUDGET_PART: f32 = 0.2"),
    ("docs/reliability.md", "of the requests, over ten seconds", "src/platform/retry.rs", "BUDGET_TIME: Duration = Duration::from_secs(10)"),
    ("docs/reliability.md", "Retry-After beyond ten seconds", "src/platform/retry.rs", "LONGEST_WISH: Duration = Duration::from_secs(10)"),
    ("docs/reliability.md", "within two seconds `STREAM_GAP`", "src/calls/follow/resume.rs", "TAIL_SILENCE: Duration = Duration::from_secs(2)"),
    ("docs/performance.md", "8 connections with 16 calls each", "benches/compare/h2load.rs", "USUAL: Load = Load { connections: 8, calls: 16 }"),
    ("README.md", "(1.91 or newer", "Cargo.toml", "rust-version = \"1.91\"\n"),
    ("CONTRIBUTING.md", "(1.91 or newer", "Cargo.toml", "rust-version = \"1.91\"\n"),
    ("README.md", "**Status**: 0.1.0", "Cargo.toml", "\nversion = \"0.1.0\"\n"),
    ("docs/image.md", "xpander-grpc-proxy:0.1.0 --sandbox", "Cargo.toml", "\nversion = \"0.1.0\"\n"),
    ("docs/terminal.md", "after eight tries in a row", "src/cli/follow/resume.rs", "MOST: u32 = 8"),
    ("docs/image.md", "`docker.io/library/rust:1.95.0-slim-bookworm`", "Dockerfile", "ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm\n"),
    ("docs/image.md", "65532:65532", "Dockerfile", "USER 65532:65532\n"),
    ("docs/image.md", "50051 gRPC, 9464 HTTP", "Dockerfile", "EXPOSE 50051 9464\n"),
    ("docs/runbook.md", "More than 1 % of the calls", "helm/values.yaml", "errorShare: 0.01\n"),
    ("docs/runbook.md", "more than 10 % of the calls", "helm/values.yaml", "manyErrorsShare: 0.1\n"),
    ("docs/runbook.md", "is above a second", "helm/values.yaml", "readSeconds: 1\n"),
    ("docs/runbook.md", "above 80 % of `server.max_calls`", "helm/values.yaml", "limitShare: 0.8\n"),
    ("docs/runbook.md", "longer than ten seconds for its first event", "helm/values.yaml", "firstEventSeconds: 10\n"),
    ("docs/runbook.md", "More than one gap for a hundred streams", "helm/values.yaml", "gapShare: 0.01\n"),
    ("docs/runbook.md", "more than once in ten minutes", "helm/values.yaml", "reconnectsPerStream: 1\n"),
    ("docs/runbook.md", "More than 5 % of the requests", "helm/values.yaml", "platformErrorShare: 0.05\n"),
    ("docs/runbook.md", "More than 10 % of the requests", "helm/values.yaml", "retryShare: 0.1\n"),
    ("docs/operations.md", "-@all +set +get +pttl +del +eval +wait +info", "tests/it/redis/secure.rs", r#""-@all", "+set", "+get", "+pttl", "+del", "+eval", "+wait", "+info"]"#),
];

const SERVICE: &str = "proto/xpander/agent/v1/agent_service.proto";
const INVOCATION: &str = "proto/xpander/agent/v1/invocation.proto";

/// A text in one line, comments too.
fn flat(text: &str) -> String {
    let words = text.lines().flat_map(|line| line.trim_start().trim_start_matches("// ").split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_number_on_a_page_that_is_the_codes_is_what_the_code_has() {
    let mut wrong = Vec::new();
    for (page, words, file, line) in NUMBERS {
        if !flat(&read(page)).contains(words) {
            wrong.push(format!("{page} does not say {words:?}"));
        }
        if !read(file).contains(line) {
            wrong.push(format!("{file} has no {line:?}, of which {page} says {words:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The cells of each row of a page's tables, without what makes them bold or code.
fn rows(page: &str) -> impl Iterator<Item = Vec<String>> {
    let cells = |row: &str| {
        row.trim_matches('|').split(" | ").map(|cell| cell.replace(['*', '`'], "").trim().to_owned()).collect()
    };
    page.lines().filter(|line| line.starts_with("| ")).map(cells).collect::<Vec<_>>().into_iter()
}

/// The first number in a text.
fn number(text: &str) -> f64 {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit()).replace(',', "");
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    digits[..end].parse().unwrap_or_else(|_| panic!("{text} has no number"))
}

/// What the first cell of a row is, and the number in the second.
fn cell(page: &str, name: &str) -> f64 {
    let row = rows(page).find(|cells| cells[0] == name);
    number(&row.unwrap_or_else(|| panic!("there is no row {name}"))[1])
}

/// The sizing goes by the slower of two machines: nothing on that page costs less than what was measured last.
#[test]
fn the_sizing_goes_by_no_less_than_was_measured() {
    let (sizing, measured) = (read("docs/sizing.md"), read("docs/performance.md"));
    for (said, bar) in [
        ("the replica itself", "idle memory"),
        ("an idle stream, HTTP/1.1 to the platform", "an idle stream, HTTP/1.1"),
        ("an idle stream, HTTP/2 to the platform", "an idle stream, HTTP/2"),
        ("a unary call", "the proxy"),
    ] {
        let (said, measured) = (cell(&sizing, said), cell(&measured, bar));
        // What is said is rounded.
        assert!(said * 1.03 >= measured, "docs/sizing.md says {said}, and docs/performance.md {measured} for {bar}");
    }
}

/// So many MiB and so many streams of so many KiB: `15 MiB + 3,333 × 38 KiB = 139 MiB`.
#[test]
fn every_sum_of_memory_on_the_page_on_sizing_adds_up() {
    let (page, mut count) = (read("docs/sizing.md"), 0);
    for rest in page.split("15 MiB + ").skip(1) {
        let (sum, total) = rest.split_once(" = ").expect("a sum");
        let (streams, each) = sum.split_once(" × ").expect("a product");
        assert!(each.ends_with(" KiB"), "{sum}");
        let (mib, said) = (15.0 + number(streams) * number(each) / 1024.0, number(total));
        let unit = total.split_whitespace().nth(1).unwrap_or_default();
        let (sum, close) = if unit == "GiB" { (mib / 1024.0, 0.005) } else { (mib, 0.5) };
        assert!((sum - said).abs() <= close, "docs/sizing.md: {rest:.40} is {sum}");
        count += 1;
    }
    assert!(count > 6, "only {count}");
}

/// What limits a replica unless set, by setting.
#[test]
fn the_limits_on_the_page_on_sizing_are_the_defaults() {
    let page = read("docs/sizing.md");
    let server = xpander_grpc_proxy::config::Settings::default().server;
    for (setting, most) in [
        ("server.max_streams", server.max_streams),
        ("server.max_calls", server.max_calls),
        ("server.max_waits", server.max_waits),
        ("server.max_streams_per_connection", server.max_streams_per_connection),
    ] {
        let is_its =
            |cells: &Vec<String>| cells.get(2).is_some_and(|cell| cell.split([';', ' ']).next() == Some(setting));
        let row = rows(&page).find(is_its).unwrap_or_else(|| panic!("docs/sizing.md has no {setting}"));
        assert_eq!(number(&row[1]), f64::from(most), "{row:?}");
    }
}

/// A bar that is missed is explained below the tables, by its name.
#[test]
fn every_bar_that_is_missed_is_explained() {
    let page = read("docs/performance.md");
    let explained = page.split("<!-- /measured -->").nth(1).expect("what stands below the tables");
    for row in rows(&page).filter(|cells| cells.last().is_some_and(|cell| cell.starts_with("missed"))) {
        assert!(
            explained.contains(&format!("- **{}.** ", row[0])),
            "docs/performance.md does not say why {} is missed",
            row[0]
        );
    }
}

#[test]
fn the_instructions_on_the_page_are_those_that_were_counted() {
    let counted = read("benches/instructions.txt");
    let count = |name: &str| number(counted.lines().find(|line| line.ends_with(name)).expect(name));
    let page = read("docs/performance.md");
    for (part, floor, each) in [
        ("1,000 rows read into a page of tasks", "the bytes of 1,000 rows read", 1_000.0),
        ("1,000 rows read of which one is on the page", "the bytes of 1,000 rows read", 1_000.0),
        ("1 MB of activity read into entries", "the bytes of 1 MB of activity read", 1_024.0),
    ] {
        let (part, floor) = (count(part), count(floor));
        let row = format!(
            "| {:.1} million, {:.1} thousand a{} | {:.2} million | {:.0} × floor |",
            part / 1e6,
            part / 1e3 / each,
            if each > 1_000.0 { "n entry" } else { " row" },
            floor / 1e6,
            part / floor,
        );
        assert!(page.contains(&row), "docs/performance.md has no {row}");
    }
    let thousands = |name: &str| format!("{:.0},000", count(name) / 1e3);
    let task = format!(
        "takes {} instructions to read a task of that size, and {} to",
        thousands("task parsed"),
        thousands("answer encoded")
    );
    assert!(flat(&page).contains(&task), "docs/performance.md does not say: {task}");
}

/// A unit that is stopped has the time that a drain takes, and five seconds more.
#[test]
fn the_unit_of_systemd_waits_for_the_drain() {
    let settings = xpander_grpc_proxy::config::Settings::default().server;
    let page = read("docs/operations.md");
    let line = page.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("the unit");
    assert!(number(line) >= (settings.drain_delay + settings.drain_timeout).as_secs_f64() + 5.0, "{line}");
}

/// How often the service config has a call sent again, and after how long.
#[test]
fn the_retries_on_the_page_are_those_of_the_service_config() {
    let config: serde_json::Value =
        serde_json::from_str(&read("proto/xpander/agent/v1/agent_grpc_service_config.json")).expect("JSON");
    let policies: Vec<_> = config["methodConfig"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|method| method.get("retryPolicy"))
        .collect();
    assert!(policies.windows(2).all(|pair| pair[0] == pair[1]) && !policies.is_empty(), "{policies:?}");
    let policy = policies[0];
    let (most, first) =
        (policy["maxAttempts"].as_u64().expect("a number"), number(policy["initialBackoff"].as_str().expect("a time")));
    let times = policy["backoffMultiplier"].as_f64().expect("a number");
    let page = flat(&read("docs/callers.md"));
    let waits = format!(
        "sent up to {} times more, after about {:.1}, {:.1} and {:.1} s",
        most - 1,
        first,
        first * times,
        first * times * times
    );
    let throttling = &config["retryThrottling"];
    assert_eq!(throttling["tokenRatio"], 0.1);
    let tokens = format!("a failure costs one of {} tokens, a success returns a tenth of one", throttling["maxTokens"]);
    for said in [waits, tokens] {
        assert!(page.contains(&said), "docs/callers.md does not say: {said}");
    }
}

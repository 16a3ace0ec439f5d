"""Alerts and dashboard: Prometheus takes every expression, and what they ask for exists."""

import json
import re
import subprocess

import pytest
import yaml
from support import helm, metrics
from support.paths import REPOSITORY, tool
from support.proxy import running

RULE = {"metrics": {"prometheusRule": {"enabled": True}}}
DASHBOARD = {"metrics": {"dashboard": {"enabled": True}}}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, timeout=60)


def groups() -> list[dict]:
    return helm.sandboxed(RULE).one("PrometheusRule")["spec"]["groups"]


def alerts() -> list[dict]:
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def dashboard() -> dict:
    (text,) = helm.sandboxed(DASHBOARD).one("ConfigMap", "-dashboard")["data"].values()
    return json.loads(text)


def queries(value) -> list[str]:
    """Every query of a dashboard, its variables' too, with values in place of what Grafana puts in."""
    if isinstance(value, list):
        return [query for each in value for query in queries(each)]
    if not isinstance(value, dict):
        return []
    found = [value["expr"]] if isinstance(value.get("expr"), str) else []
    text = re.sub(r"\$__(rate_interval|interval|range)", "5m", found[0]) if found else ""
    # A limit is a number, all else stands in quotes.
    text = re.sub(r"\$\{?max_[a-z_]+\}?", "1", text)
    filled = [re.sub(r"\$\{?[a-z_]+(:[a-z]+)?\}?", "x", text)] if found else []
    return filled + [query for each in value.values() for query in queries(each)]


def test_prometheus_takes_every_alert(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups()}))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(alerts()) >= 10


def test_prometheus_takes_every_query_of_the_dashboard(tmp_path):
    rules = [{"record": f"query:number{n}", "expr": query} for n, query in enumerate(queries(dashboard()))]
    assert len(rules) >= 10
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", "--lint=none", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expression_would_be_seen(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [{"record": "a:b", "expr": "sum(rate(x))"}]}]}))
    assert promtool("check", "rules", str(file)).returncode != 0


@pytest.mark.parametrize("of", ["alerts", "dashboard"])
def test_each_metric_and_label_that_is_asked_for_exists(of):
    expressions = [alert["expr"] for alert in alerts()] if of == "alerts" else queries(dashboard())
    unknown = []
    for expression in expressions:
        for name, labels in metrics.named(expression):
            base = metrics.SUFFIXES.sub("", name)
            if metrics.OTHERS.match(name):
                continue
            has = metrics.documented().get(base)
            unknown += [name] if has is None else [f"{name} by {label}" for label in labels - has - metrics.OTHER_LABELS]
    every = set().union(*metrics.documented().values()) | metrics.OTHER_LABELS
    unknown += [f"by {label}" for expression in expressions for label in metrics.grouped(expression) - every]
    assert unknown == []


def test_what_is_documented_is_what_a_running_proxy_tells(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("[telemetry]\ngen_ai = true\n")
    with running(None, f"--config={settings}") as proxy:
        call = [tool("grpcurl"), "-plaintext", "-d", '{"invocation": {"agent_id": "echo", "prompt": "a"}}', proxy.grpc]
        subprocess.run([*call, "xpander.agent.v1.AgentService/InvokeStream"], check=True, capture_output=True, timeout=60)
        told = proxy.metrics()
    names = set(re.findall(r"^# TYPE (\S+)", told, re.MULTILINE))
    # There before anything was measured are all but the durations; this one takes a store, and some take a setting.
    assert names | {"xpander_deduplication_claim_duration_seconds"} == set(metrics.documented())
    labels = set(re.findall(r'[{,]([a-z_]+)="', told)) - {"le"}
    known = set().union(*metrics.documented().values())
    assert labels <= known | {"rpc_system_name"}


def test_each_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on():
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning", "info"), alert["alert"]
        assert {"summary", "description", "runbook_url"} <= set(alert["annotations"]), alert["alert"]
        page, _, heading = alert["annotations"]["runbook_url"].partition("#")
        text = (REPOSITORY / f"docs/{page.rpartition('/docs/')[2]}").read_text()
        headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
        assert not heading or heading in headings, alert["annotations"]["runbook_url"]


def test_what_an_alert_is_about_has_a_panel():
    shown = {name for query in queries(dashboard()) for name, _ in metrics.named(query)}
    about = {name for alert in alerts() for name, _ in metrics.named(alert["expr"])}
    # Of the replicas themselves: Kubernetes shows them.
    assert {name for name in about - shown if not metrics.OTHERS.match(name)} == set()


def test_no_two_panels_have_the_same_id_and_each_has_a_title():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)

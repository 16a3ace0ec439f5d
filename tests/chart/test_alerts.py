"""Each alert of the PrometheusRule, by Prometheus' own unit tests: alerts.test.yaml feeds series and sees what fires."""

import subprocess

import pytest
import yaml
from support import helm
from support.paths import REPOSITORY, tool

CASES = REPOSITORY / "tests/chart/alerts.test.yaml"
# Each threshold, moved to where a case must see it, and the beginning of that case's name.
MOVED = {
    "errorShare": (0.05, "one call in fifty"),
    "manyErrorsShare": (0.9, "half of the calls"),
    "minimumCalls": (100000000, "half of the calls"),
    "readSeconds": (60, "one read in twenty"),
    "firstEventSeconds": (600, "one stream in ten"),
    "limitShare": (0.999, "a replica is full"),
    "gapShare": (0.5, "streams that last"),
    "reconnectsPerStream": (100, "streams that last"),
    "platformErrorShare": (0.5, "the platform limits"),
    "retryShare": (0.5, "the platform cannot"),
}


def groups(rule: dict | None = None, **others) -> list[dict]:
    values = {"fullnameOverride": "proxy", "metrics": {"prometheusRule": {"enabled": True, **(rule or {})}}, **others}
    return helm.sandboxed(values).one("PrometheusRule")["spec"]["groups"]


def alerts(*arguments, **others) -> dict[str, dict]:
    return {rule["alert"]: rule for group in groups(*arguments, **others) for rule in group["rules"]}


def judge(folder, rules: list[dict], beginning: str = "") -> subprocess.CompletedProcess[str]:
    """What promtool says of these rules, by the cases whose names begin so."""
    cases = yaml.safe_load(CASES.read_text())
    cases["tests"] = [case for case in cases["tests"] if case["name"].startswith(beginning)]
    assert cases["tests"], beginning
    (folder / "alerts.yaml").write_text(yaml.safe_dump({"groups": rules}))
    file = folder / "cases.yaml"
    file.write_text(yaml.safe_dump(cases))
    return subprocess.run([tool("promtool"), "test", "rules", str(file)], capture_output=True, text=True, timeout=60)


def test_each_alert_fires_on_its_own_trouble_and_is_silent_on_all_other(tmp_path):
    done = judge(tmp_path, groups())
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_case_in_which_it_fires():
    cases = yaml.safe_load(CASES.read_text())["tests"]
    expected = [sample["labels"] for case in cases for asked in case["promql_expr_test"] for sample in asked["exp_samples"]]
    assert {name for name in alerts() if not any(f'"{name}"' in labels for labels in expected)} == set()


@pytest.mark.parametrize("name", MOVED)
def test_each_threshold_is_the_one_of_the_values(name, tmp_path):
    moved, case = MOVED[name]
    assert judge(tmp_path, groups(), case).returncode == 0
    done = judge(tmp_path, groups({"thresholds": {name: moved}}), case)
    assert done.returncode != 0 and "got:" in done.stdout + done.stderr


def test_no_threshold_is_without_a_test():
    values = yaml.safe_load((REPOSITORY / "helm/values.yaml").read_text())
    assert set(values["metrics"]["prometheusRule"]["thresholds"]) == set(MOVED)


def test_an_alert_that_is_disabled_is_left_out_and_the_schema_knows_all_names():
    for name in alerts():
        assert set(alerts()) - set(alerts({"disabled": [name]})) == {name}


def test_a_group_without_an_alert_is_left_out():
    names = [rule["alert"] for group in groups() if group["name"].endswith(".streams") for rule in group["rules"]]
    assert [group["name"] for group in groups({"disabled": names})] == ["proxy.calls", "proxy.platform", "proxy.replicas"]


def test_labels_of_the_values_are_on_each_alert_and_win():
    for alert in alerts({"alertLabels": {"team": "agents", "severity": "page"}}).values():
        assert alert["labels"] == {"team": "agents", "severity": "page"}


def test_the_limits_are_those_that_the_proxy_runs_with():
    changed = alerts(config={"server": {"max_calls": 765432, "max_streams": 42, "max_buffered_bytes": 7654321}})
    assert " / 765432 > " in changed["XpanderGrpcProxyNearCallLimit"]["expr"]
    assert " / 7654321 > " in changed["XpanderGrpcProxyNearAnswerLimit"]["expr"]
    assert " / 42 > " in changed["XpanderGrpcProxyNearStreamLimit"]["expr"]


def test_a_refused_key_is_the_callers_matter_where_callers_have_keys_of_their_own():
    assert "XpanderGrpcProxyKeyRefused" not in alerts(config={"auth": {"pass_through": True}})


def test_the_monitors_name_the_job_that_the_alerts_ask_for():
    for kind in ("serviceMonitor", "podMonitor"):
        values = {"fullnameOverride": "proxy", "metrics": {kind: {"enabled": True}}}
        spec = helm.sandboxed(values).one(kind[0].upper() + kind[1:])["spec"]
        (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
        assert {"targetLabel": "job", "replacement": "proxy"} in endpoint["relabelings"]
        assert all('job="proxy"' in alert["expr"] for name, alert in alerts().items() if name != "XpanderGrpcProxyReplicasMissing")


def test_each_alert_is_documented_as_severe_as_it_is():
    text = "".join(file.read_text() for file in sorted((REPOSITORY / "docs").glob("kubernetes*.md")))
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| `XpanderGrpcProxy")]
    documented = {name.strip("` "): row[1] for row in rows for name in row[0].removeprefix("| ").split(", ")}
    assert documented == {name: alert["labels"]["severity"] for name, alert in alerts().items()}

"""How replicas start, leave, scale and are replaced."""

import pytest
from support import helm
from support.layout import lay
from support.reference import in_force

TLS = {"tls": {"enabled": True, "existingSecret": "certificate"}}
MTLS = helm.merged(TLS, {"tls": {"clientCa": {"enabled": True, "existingSecret": "certificate"}}})
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
AUTOSCALED = {"autoscaling": {"enabled": True}}


def milliseconds(duration: str) -> int:
    for unit, factor in (("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)):
        if duration.endswith(unit) and duration.removesuffix(unit).isdigit():
            return int(duration.removesuffix(unit)) * factor
    raise AssertionError(duration)


@pytest.mark.parametrize("delay, timeout", [(5, 25), (0, 0), (1, 600), (60, 3600), (3600, 1)])
def test_the_grace_period_outlasts_the_prestop_sleep_and_both_drains_by_more_than_five_seconds(delay, timeout, tmp_path):
    rendering = helm.sandboxed({"drain": {"delaySeconds": delay, "timeoutSeconds": timeout}})
    found = in_force(lay(rendering, tmp_path).check().stdout)
    drains = milliseconds(found["server.drain_delay"]) + milliseconds(found["server.drain_timeout"])
    assert drains == (delay + timeout) * 1000
    # A sleep of zero seconds is allowed since Kubernetes 1.33 only.
    sleep = rendering.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds")
    assert sleep != 0 and (sleep is not None or delay == 0)
    grace = rendering.pod["spec"]["terminationGracePeriodSeconds"]
    assert grace > (sleep or 0) + drains / 1000 + 5


def test_probes_are_grpcs_own_on_a_plain_port():
    probes = [helm.sandboxed().container[probe] for probe in PROBES]
    assert all("grpc" in probe for probe in probes[:2])
    assert [each for probe in probes for each in ("httpGet", "exec") if each in probe] in ([], ["httpGet"])


def test_a_new_replica_is_ready_for_as_long_as_callers_of_the_headless_service_take_to_find_it():
    ready = lambda values: helm.sandboxed(values).one("Deployment")["spec"]["minReadySeconds"]  # noqa: E731
    assert ready({}) == 5
    assert ready({"service": {"headless": {"enabled": True}}}) == 30
    assert ready({"service": {"headless": {"enabled": True, "resolveSeconds": 10}}}) == 10
    assert ready({"service": {"headless": {"enabled": True}}, "minReadySeconds": 40}) == 40


@pytest.mark.parametrize("values", [TLS, MTLS, {"probes": {"type": "http"}}], ids=["tls", "mtls", "by hand"])
def test_probes_ask_the_admin_port_where_the_kubelet_cannot_speak_to_the_grpc_port(values):
    container = helm.sandboxed(values).container
    paths = {probe: container[probe]["httpGet"] for probe in PROBES}
    assert {each["path"] for each in (paths["startupProbe"], paths["readinessProbe"])} == {"/readyz"}
    assert paths["livenessProbe"]["path"] == "/livez"
    assert all(each["port"] in ("admin", 9464) and each.get("scheme", "HTTP") == "HTTP" for each in paths.values())


def test_probes_ask_the_admin_port_where_health_is_not_open():
    values = {"config": {"auth": {"open_health": False}}, "tokens": {"existingSecret": "tokens"}}
    container = helm.sandboxed(values).container
    assert all("httpGet" in container[probe] for probe in PROBES)


def test_a_replica_that_waits_for_the_keys_of_jwts_is_not_ready_and_not_started_again():
    jwt = {"issuer": "https://acme.io", "audience": "proxy", "keys": {"url": "https://acme.io/jwks"}}
    container = helm.sandboxed({"jwt": jwt}).container
    paths = {probe: container[probe]["httpGet"]["path"] for probe in PROBES}
    assert paths == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


@pytest.mark.parametrize("values", [{}, TLS], ids=["plain", "tls"])
def test_what_the_probes_ask_is_a_port_of_the_container(values):
    container = helm.sandboxed(values).container
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in PROBES:
        asked = container[probe].get("grpc", container[probe].get("httpGet"))["port"]
        assert asked in ports or asked in ports.values()


def test_no_replica_goes_before_its_successor_is_ready():
    strategy = helm.keyed().deployment["spec"]["strategy"]
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_the_autoscaler_owns_the_number_of_replicas():
    assert helm.keyed({"replicaCount": 3}).deployment["spec"]["replicas"] == 3
    rendering = helm.keyed(AUTOSCALED)
    assert "replicas" not in rendering.deployment["spec"]
    target = rendering.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": rendering.deployment["metadata"]["name"]}


def test_the_autoscaler_takes_calls_and_streams_under_way():
    values = {"autoscaling": {"enabled": True, "targetCallsActive": 100, "targetStreamsActive": 999_999}, "config": {"server": {"max_streams": 1_000_000}}}
    metrics = helm.keyed(values).one("HorizontalPodAutoscaler")["spec"]["metrics"]
    targets = {each["pods"]["metric"]["name"]: each["pods"]["target"] for each in metrics if each["type"] == "Pods"}
    assert {name: str(target["averageValue"]) for name, target in targets.items()} == {
        "xpander_calls_active": "100",
        "xpander_streams_active": "999999",
    }


def test_an_autoscaler_that_would_have_nothing_to_go_by_is_refused():
    values = {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}
    assert "autoscaling" in helm.refusal(helm.merged(helm.KEY, values))


def test_an_autoscaler_with_fewer_most_than_least_replicas_is_refused():
    values = {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 4}}
    assert "maxReplicas" in helm.refusal(helm.merged(helm.KEY, values))


def test_a_disruption_budget_is_there_only_where_it_leaves_a_replica_to_evict():
    assert helm.keyed().has("PodDisruptionBudget")
    assert helm.keyed(AUTOSCALED).has("PodDisruptionBudget")
    assert not helm.keyed({"replicaCount": 1}).has("PodDisruptionBudget")
    assert not helm.keyed({"podDisruptionBudget": {"enabled": False}}).has("PodDisruptionBudget")


@pytest.mark.parametrize("key, value", [("minAvailable", 1), ("minAvailable", "50%"), ("maxUnavailable", "25%")])
def test_a_disruption_budget_says_one_thing(key, value):
    spec = helm.keyed({"podDisruptionBudget": {key: value}}).one("PodDisruptionBudget")["spec"]
    assert {each: spec.get(each) for each in ("minAvailable", "maxUnavailable")} == {
        "minAvailable": None,
        "maxUnavailable": None,
        key: value,
    }


def test_a_disruption_budget_that_says_two_things_is_refused():
    values = {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}
    message = helm.refusal(helm.merged(helm.KEY, values))
    assert "minAvailable" in message and "maxUnavailable" in message


def annotations(values: dict) -> dict:
    return helm.render(helm.merged(CREDENTIALS, values)).pod["metadata"].get("annotations", {})


CREDENTIALS = {"credentials": {"apiKey": "xp-1", "organizationId": "acme"}, "tokens": {"hashes": {"a": "a" * 64}}}


@pytest.mark.parametrize(
    "values",
    [
        {"config": {"server": {"max_calls": 7}}},
        {"credentials": {"apiKey": "xp-2"}},
        {"tokens": {"hashes": {"a": "b" * 64}}},
        {"platformCa": {"certificate": "-----BEGIN CERTIFICATE-----\n"}},
    ],
    ids=["a setting", "the key", "a token", "the platform's authorities"],
)
def test_what_the_chart_renders_for_the_proxy_changes_the_pods_annotations(values):
    assert annotations(values) != annotations({})


@pytest.mark.parametrize(
    "values",
    [{"service": {"annotations": {"a": "b"}}}, {"replicaCount": 9}, {"metrics": {"serviceMonitor": {"enabled": True}}}],
    ids=["the Service", "the number of replicas", "monitoring"],
)
def test_what_is_not_the_pods_replaces_no_pod(values):
    before, after = (helm.render(helm.merged(CREDENTIALS, each)).pod for each in ({}, values))
    assert after == before

"""What the chart renders is what Kubernetes, of the oldest and the newest supported version, and the operators' CRDs take."""

import copy
import functools

import pytest
from support import custom, helm, kubernetes
from support.paths import CHART, ci_values

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)


@pytest.mark.parametrize("version", kubernetes.supported())
@FILES
def test_kubernetes_takes_every_manifest(file, version):
    manifests = [each for each in helm.render(None, file).objects() if kubernetes.is_built_in(each)]
    assert manifests
    problems = {name(each): kubernetes.problem(each, version) for each in manifests}
    assert problems == dict.fromkeys(problems)


@FILES
def test_the_crds_take_every_custom_resource(file):
    manifests = [each for each in helm.render(None, file).objects() if not kubernetes.is_built_in(each)]
    problems = {name(each): custom.problems(each) for each in manifests}
    assert problems == {each: [] for each in problems}


# Names that YAML takes for a number where they stand without quotes, as `true` and `null` below for what they say.
ACCOUNT = {"name": "1", "namespace": "2"}
NUMBERS = {
    "gateway-values": {"gatewayApi": {"backendTls": {"caConfigMaps": ["1"], "hostname": "1.5"}}},
    "istio-values": {
        "istio": {"revision": "1", "virtualService": {"hosts": ["1.5"], "gateways": ["1"]}, "serviceEntry": {"hosts": ["1.5"]}}
    },
    "linkerd-values": {
        "linkerd": {"policy": {"clients": [{"name": "1", "serviceAccounts": [ACCOUNT]}], "metrics": {"serviceAccounts": [ACCOUNT]}}}
    },
    "everything-values": {"priorityClassName": "1", "runtimeClassName": "1", "schedulerName": "1", "serviceAccount": {"name": "1"}},
}


@pytest.mark.parametrize("fullname, namespace", [("true", "10"), ("null", "null"), ("", "true")])
@FILES
def test_names_that_yaml_would_take_for_something_else_stay_names(file, fullname, namespace):
    values = helm.merged({"fullnameOverride": fullname, "nameOverride": "7"}, NUMBERS.get(file.stem, {}))
    manifests = helm.render(values, file, release="1", namespace=namespace).objects()
    newest = kubernetes.supported()[1]
    found = {name(each): kubernetes.problem(each, newest) for each in manifests if kubernetes.is_built_in(each)}
    found |= {name(each): custom.problems(each) for each in manifests if not kubernetes.is_built_in(each)}
    assert {each: problem for each, problem in found.items() if problem} == {}


def test_what_is_rendered_does_not_depend_on_the_cluster():
    """Else one rendering would not stand for all, nor for what Argo CD and the like render without a cluster."""
    texts = {file.name: file.read_text() for file in (CHART / "templates").rglob("*.*")}
    assert [name for name, text in texts.items() if ".Capabilities" in text] == []
    # But for one number that an autoscaler has set.
    assert [name for name, text in texts.items() for _ in range(text.count("lookup "))] == ["_pod.tpl"]


@FILES
def test_helm_lints_it_strictly(file):
    assert helm.lint(file) == []


@functools.cache
def rendered() -> list[dict]:
    return [each for file in ci_values() for each in helm.render(None, file).objects()]


def test_the_values_files_show_every_kind_the_chart_has():
    """A template that no values file switches on would be looked at by no test."""
    kinds = {each["kind"] for each in rendered()}
    assert kinds >= {
        *("Deployment", "Service", "ServiceAccount", "ConfigMap", "Secret", "Pod"),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"),
        *("ServiceMonitor", "PodMonitor", "PrometheusRule"),
        *("GRPCRoute", "DestinationRule", "VirtualService", "AuthorizationPolicy"),
        *("Server", "MeshTLSAuthentication"),
    }


def test_a_misspelt_field_of_any_kind_is_caught():
    """Else what stands above would prove nothing of that kind."""
    unseen = []
    for manifest in {(each["apiVersion"], each["kind"]): each for each in rendered()}.values():
        spoilt = copy.deepcopy(manifest)
        spoilt.get("spec", spoilt)["misspelt"] = {"a": 1}
        if kubernetes.is_built_in(spoilt):
            seen = kubernetes.problem(spoilt, kubernetes.supported()[1])
        else:
            seen = custom.problems(spoilt)
        unseen += [] if seen else [name(manifest)]
    assert unseen == []


def name(manifest: dict) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"

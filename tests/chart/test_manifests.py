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


@pytest.mark.parametrize("which", (0, 1), ids=("oldest", "newest"))
@FILES
def test_helm_renders_for_the_oldest_and_the_newest_kubernetes(file, which):
    version = kubernetes.supported()[which]
    done = helm.run("template", "proxy", str(CHART), f"--values={file}", f"--kube-version=v{version}.0")
    assert done.returncode == 0, done.stderr


def test_helm_refuses_a_kubernetes_that_is_too_old():
    major, minor = kubernetes.supported()[0].split(".")
    done = helm.run("template", "proxy", str(CHART), "--set=sandbox.enabled=true", f"--kube-version=v{major}.{int(minor) - 1}.9")
    assert done.returncode != 0 and "chart requires kubeVersion" in done.stderr


@FILES
def test_helm_lints_it_strictly(file):
    done = helm.run("lint", "--strict", str(CHART), f"--values={file}")
    assert done.returncode == 0, done.stdout + done.stderr


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


@pytest.mark.parametrize("kind", sorted({(each["apiVersion"], each["kind"]) for each in rendered()}))
def test_a_misspelt_field_of_any_kind_is_caught(kind):
    """Else what stands above would prove nothing of that kind."""
    manifest = copy.deepcopy(next(each for each in rendered() if (each["apiVersion"], each["kind"]) == kind))
    part = next((part for part in ("spec", "data", "stringData") if part in manifest), None)
    if part == "spec":
        manifest["spec"]["misspelt"] = {"a": 1}
    else:
        manifest["misspelt"] = {"a": 1}
    if kubernetes.is_built_in(manifest):
        assert kubernetes.problem(manifest, kubernetes.supported()[1])
    else:
        assert custom.problems(manifest)


def name(manifest: dict) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"

"""A real API server takes what the chart renders for every values file, without a warning, in a restricted namespace."""

import copy

import pytest
from support import helm
from support.api_server import NAMESPACE, ApiServer
from support.paths import ci_values

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)


def manifests(file) -> list[dict]:
    return with_pods(helm.render(None, file, namespace=NAMESPACE).objects())


def with_pods(objects: list[dict]) -> list[dict]:
    """These and the pods that a Deployment would make of them: much is looked at in pods alone."""
    return objects + [pod_of(each) for each in objects if each["kind"] == "Deployment"]


def pod_of(deployment: dict) -> dict:
    template = copy.deepcopy(deployment["spec"]["template"])
    template["metadata"] |= {"name": f"{deployment['metadata']['name']}-0", "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", **template}


@pytest.fixture(scope="session", autouse=True)
def _there(server):
    """What pods refer to and have to find, which others bring, or which a dry run leaves out."""
    pods = [each["spec"] for file in ci_values() for each in manifests(file) if each["kind"] == "Pod"]
    accounts = {pod.get("serviceAccountName", "default") for pod in pods}
    priorities = {pod["priorityClassName"] for pod in pods if "priorityClassName" in pod}
    runtimes = {pod["runtimeClassName"] for pod in pods if "runtimeClassName" in pod}
    server.create(
        [
            *({"apiVersion": "v1", "kind": "ServiceAccount", **named(name, namespace=NAMESPACE)} for name in accounts),
            *({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1, **named(name)} for name in priorities),
            *({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runc", **named(name)} for name in runtimes),
        ]
    )


def named(name: str, **others: str) -> dict:
    return {"metadata": {"name": name, **others}}


@FILES
def test_the_server_takes_every_object_without_a_warning(server: ApiServer, file):
    objects = manifests(file)
    taken, said = server.shown(objects)
    assert said == []
    assert sorted(name.partition(".")[0].partition("/")[0] for name in taken) == sorted(each["kind"].lower() for each in objects)


def test_the_defaults_are_taken(server: ApiServer):
    assert server.says(with_pods(helm.keyed().objects())) == ""


# By what is looked at: a values file, what is spoilt in what it renders, and what the server says then. Else what stands
# above would prove nothing of it.
SPOILT = {
    "a CRD's own rules": ("istio", "VirtualService", lambda each: each["spec"]["http"][-1].update(timeout="0s"), "must be a valid duration"),
    "a CRD's schema": ("linkerd", "Server", lambda each: each["spec"].update(port=[1]), "spec.port"),
    "misspelt fields": ("default", "Deployment", lambda each: each["spec"].update(replica=1), 'unknown field "spec.replica"'),
    "misspelt fields of a custom resource": ("monitoring", "ServiceMonitor", lambda each: each["spec"].update(endpoint=1), 'unknown field "spec.endpoint"'),
    "kinds without a CRD": ("gateway", "GRPCRoute", lambda each: each.update(kind="GRPCRoad"), 'no matches for kind "GRPCRoad"'),
    "Pod Security of pods": ("sandbox", "Pod", lambda each: each["spec"].update(hostNetwork=True), "violates PodSecurity"),
    "Pod Security of what makes pods": (
        "default",
        "Deployment",
        lambda each: each["spec"]["template"]["spec"].update(hostPID=True),
        "would violate PodSecurity",
    ),
    "warnings": (
        "default",
        "Deployment",
        lambda each: each["spec"]["template"]["spec"]["containers"][0].update(env=[{"name": "A", "value": "1"}] * 2),
        "Warning: spec.template.spec.containers[0].env[1]: hides previous definition",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_it_sees(server: ApiServer, name):
    values, kind, spoil, words = SPOILT[name]
    (file,) = (each for each in ci_values() if each.stem == f"{values}-values")
    objects = manifests(file)
    spoil(next(each for each in objects if each["kind"] == kind))
    assert words in server.says(objects)

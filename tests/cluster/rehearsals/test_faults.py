"""What an operator sees of a mistake: the words of docs/kubernetes.md, "When something is wrong"."""

import re
import subprocess

import pytest
from support.cluster import CHART, REGISTRY, applied, until
from support.load import SERVICE, Load
from support.namespace import NAME, RELEASE, Namespace

# As the page has it: `… (from …): …; allowed: …`.
LINE = r"server\.drain_timeout \(from .*XPANDER_PROXY_SERVER__DRAIN_TIMEOUT\): .*; allowed: "


def bad_setting(namespace: Namespace) -> dict:
    """A ConfigMap with one, and the values that bring it in past schema and guards."""
    metadata = {"name": "environment", "namespace": namespace.name}
    data = {"XPANDER_PROXY_SERVER__DRAIN_TIMEOUT": "soon"}
    applied({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    return {"extraEnvFrom": [{"configMapRef": {"name": "environment"}}]}


def waiting(namespace: Namespace) -> dict[str, str]:
    """The pods whose container does not run, and why."""
    reasons = {}
    for pod in namespace.replicas():
        for container in pod["status"].get("containerStatuses", []):
            if "waiting" in container["state"]:
                reasons[pod["metadata"]["name"]] = container["state"]["waiting"]["reason"]
    return reasons


def test_a_bad_setting_stops_the_new_pod_alone(namespace: Namespace):
    namespace.install()
    load = Load(namespace, SERVICE)
    before = set(namespace.restarts())
    namespace.helm("upgrade", RELEASE, str(CHART), "--reuse-values", values=bad_setting(namespace))
    until("a pod is in CrashLoopBackOff", lambda: "CrashLoopBackOff" in waiting(namespace).values())
    (broken,) = waiting(namespace)
    last = namespace.logs(broken).strip().splitlines()[-1]
    assert re.search(LINE, last), last
    load.goes_on()
    namespace.helm("rollback", RELEASE)
    namespace.rolled_out()
    assert set(namespace.restarts()) == before, "the old pods went on"
    account = load.end("a bad setting, rolled back, over the Service")
    assert account["failed"] == {}, account


def test_a_failed_upgrade_is_rolled_back_by_helm(namespace: Namespace):
    namespace.install()
    before = namespace.restarts()
    words = ("upgrade", RELEASE, str(CHART), "--reuse-values", "--rollback-on-failure", "--timeout=60s")
    with pytest.raises(AssertionError, match="rolled back"):
        namespace.helm(*words, values=bad_setting(namespace))
    until("the new pod is gone", lambda: namespace.restarts() == before)
    assert "extraEnv" not in namespace.helm("get", "values", RELEASE)


def test_a_missing_secret_is_told_and_mended(namespace: Namespace):
    namespace.helm(
        "install",
        RELEASE,
        str(CHART),
        values={"image": {"registry": REGISTRY}, "credentials": {"existingSecret": "forgotten"}},
    )

    def events() -> list[str]:
        return [f"{each['reason']}: {each['message']}" for each in namespace.found("events")["items"]]

    until(
        "FailedMount is among the events",
        lambda: any(each.startswith("FailedMount: ") and "forgotten" in each for each in events()),
    )
    until("both wait for it", lambda: list(waiting(namespace).values()) == ["ContainerCreating"] * 2)
    namespace.secret("forgotten", {"api-key": "key-of-the-sandbox", "organization-id": "org-sandbox"})
    namespace.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=600s")


def test_restricted_pod_security_is_enforced(namespace: Namespace):
    """Else that no rehearsal was refused would say nothing."""
    spec = {"containers": [{"name": "rash", "image": "any", "securityContext": {"privileged": True}}]}
    metadata = {"name": "rash", "namespace": namespace.name}
    with pytest.raises((AssertionError, subprocess.CalledProcessError), match="violates PodSecurity"):
        applied({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

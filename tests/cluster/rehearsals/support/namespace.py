"""A namespace of its own for each rehearsal: restricted, with a platform and with the proxy, as Helm installs it."""

import json
import subprocess
from typing import Any

from .cluster import CHART, REGISTRY, VERSION, applied, found, kubectl, run, until

PLATFORM = "http://platform:9016"
RELEASE = "proxy"
NAME = "proxy-xpander-grpc-proxy"
# What the platform, callers and the store may do: nothing, as Pod Security's restricted standard wants it.
RESTRICTED = {
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "terminationGracePeriodSeconds": 1,
}
UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
# All that is no replica is on one node, so that the other one can be lost.
BESIDE_THE_PLATFORM = {
    "podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "platform"}}}
        ]
    }
}


class Namespace:
    def __init__(self, name: str, accounts: list[tuple[str, Any]]) -> None:
        """The accounts of those who called there go into a list of the test's."""
        self.name, self.accounts = name, accounts

    def make(self) -> None:
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        applied({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}})

    def delete(self) -> None:
        kubectl("delete", "namespace", self.name, "--ignore-not-found", "--wait=false")

    def kubectl(self, *words: str, **others: str) -> str:
        return kubectl("--namespace", self.name, *words, **others)

    def found(self, *words: str) -> Any:
        return found("--namespace", self.name, *words)

    def helm(self, *words: str, values: dict | None = None) -> str:
        given = ["--values=-"] if values is not None else []
        return run("helm", *words, "--namespace", self.name, *given, given=json.dumps(values))

    # The platform, and whatever else is one pod and perhaps a Service.

    def pod(self, name: str, container: dict, port: int | None = None, **spec: Any) -> None:
        container = {"name": name, "securityContext": UNPRIVILEGED, **container}
        if port:
            # Patient: once it is there it stays in its Service, however busy the machine is.
            patience = {"periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 60}
            container["readinessProbe"] = {"tcpSocket": {"port": port}, **patience}
        metadata = {"name": name, "namespace": self.name, "labels": {"app": name}}
        spec = {**RESTRICTED, "restartPolicy": "Always" if port else "Never", "containers": [container], **spec}
        applied({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        if port:
            service = {"selector": {"app": name}, "ports": [{"port": port}]}
            applied({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service})
            self.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=300s")

    def platform(self) -> None:
        """The embedded platform, as a pod, and the Secret with a key to it."""
        arguments = {"command": ["/xpander-grpc-proxy"], "args": ["sandbox", "--listen=0.0.0.0:9016"]}
        self.pod("platform", {"image": f"{REGISTRY}/xpander-grpc-proxy:{VERSION}", **arguments}, port=9016)
        self.secret("xpander", {"api-key": "key-of-the-sandbox", "organization-id": "org-sandbox"})

    def secret(self, name: str, data: dict[str, str]) -> None:
        metadata = {"name": name, "namespace": self.name}
        applied({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

    # The release.

    def install(self, **values: Any) -> None:
        """By Helm, ready; drained sooner than by default, so that streams are told to go elsewhere."""
        own = {
            "image": {"registry": REGISTRY},
            "credentials": {"existingSecret": "xpander"},
            "drain": {"timeoutSeconds": 5},
            "config": {"platform": {"base_url": PLATFORM}},
        }
        self.helm("install", RELEASE, str(CHART), "--wait", "--timeout=10m", values=merged(own, values))

    def upgrade(self, **values: Any) -> None:
        """By Helm, to the end of the rollout and of the old replicas."""
        self.helm("upgrade", RELEASE, str(CHART), "--reuse-values", values=values)
        self.rolled_out()

    def rolled_out(self) -> None:
        self.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=900s")
        until("the old replicas have ended", lambda: len(self.replicas()) == self.deployment()["spec"]["replicas"])

    def deployment(self) -> dict:
        return self.found("deployment", NAME)

    def replicas(self) -> list[dict]:
        """The pods, those that end too."""
        pods = self.found(
            "pods", f"--selector=app.kubernetes.io/name=xpander-grpc-proxy,app.kubernetes.io/instance={RELEASE}"
        )
        return sorted(pods["items"], key=lambda pod: pod["metadata"]["creationTimestamp"])

    def restarts(self) -> dict[str, int]:
        """How often the container of each pod was started again."""
        return {
            pod["metadata"]["uid"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
            for pod in self.replicas()
        }

    def addresses(self) -> set[str]:
        """The pods that the Service leads to, by name."""
        slices = self.found("endpointslices", f"--selector=kubernetes.io/service-name={NAME}")["items"]
        endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or []]
        return {each["targetRef"]["name"] for each in endpoints if each["conditions"].get("ready")}

    def logs(self, pod: str, *words: str) -> str:
        return self.kubectl("logs", pod, *words)

    def watched(self, *words: str) -> subprocess.Popen:
        """kubectl that goes on in the background, and prints what changes."""
        command = ["kubectl", "--namespace", self.name, *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def merged(one: dict, other: dict) -> dict:
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], dict)}
    return {**one, **other, **both}


def is_ready(pod: dict) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

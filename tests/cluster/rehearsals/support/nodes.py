"""What happens to processes and nodes."""

from .cluster import REGISTRY, applied, kubectl, run, until
from .namespace import Namespace

NAMESPACE = "rehearsal-signals"


def tell(pod: dict, signal: str) -> None:
    """Sends the proxy of this pod a signal, from a privileged pod of the same node that sees all its processes."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    applied({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    name = f"{signal.lower()}-{pod['metadata']['uid'][:8]}"
    container = {
        "name": "signal",
        "image": f"{REGISTRY}/caller:1",
        "args": ["/load/tell.py", pod["metadata"]["uid"], signal],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    spec = {"hostPID": True, "nodeName": pod["spec"]["nodeName"], "restartPolicy": "Never", "containers": [container]}
    metadata = {"name": name, "namespace": NAMESPACE}
    applied({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def phase() -> str:
        return kubectl("--namespace", NAMESPACE, "get", "pod", name, "--output=jsonpath={.status.phase}")

    ended = until("the signal is sent", lambda: phase() in ("Succeeded", "Failed") and phase())
    said = kubectl("--namespace", NAMESPACE, "logs", name)
    kubectl("--namespace", NAMESPACE, "delete", "pod", name, "--wait=false")
    assert ended == "Succeeded", said


def node_of(namespace: Namespace, pod: str) -> str:
    return namespace.found("pod", pod)["spec"]["nodeName"]


def other_node(namespace: Namespace) -> str:
    """One with a replica and without the platform."""
    platform = node_of(namespace, "platform")
    others = {pod["spec"]["nodeName"] for pod in namespace.replicas()} - {platform}
    assert others, f"all replicas are on {platform}"
    return min(others)


def link(node: str, state: str) -> None:
    """Cuts a node of the project's own cluster off, or takes it back: `up` or `down`."""
    run("ip", "link", "set", node, state)

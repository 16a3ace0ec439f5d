"""Callers that show the tokens which Kubernetes makes for their pods. What only an issuer can make, an expired token
and one of a new key, takes the project's own cluster, whose keys are at hand."""

import base64
import json
import os
import signal
import time
from pathlib import Path

import pytest
from support.cluster import IS_OWN, kubectl, run, until
from support.load import SERVICE, Load
from support.namespace import PLATFORM, Namespace

AUDIENCE = "xpander-grpc-proxy"
FILE = "/var/run/secrets/xpander/token"
ONLY_OWN = pytest.mark.skipif(not IS_OWN, reason="the issuer is not ours: only `tests/cluster/up` makes one that is")


def projected() -> dict:
    """A pod of the service account `orders`, with its token."""
    token = {"path": "token", "audience": AUDIENCE, "expirationSeconds": 600}
    volume = {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}}
    return {
        "spec": {"serviceAccountName": "orders"},
        "volume": volume,
        "mount": {"name": "token", "mountPath": str(Path(FILE).parent)},
    }


def installed(namespace: Namespace) -> Load:
    """A proxy that believes the cluster, and callers of the service account `orders` alone that may invoke."""
    issuer = json.loads(kubectl("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
    namespace.kubectl("create", "serviceaccount", "orders")
    name = f"system:serviceaccount:{namespace.name}:orders"
    namespace.install(
        jwt={"issuer": issuer, "audience": AUDIENCE, "keys": {"fromCluster": True}},
        config={"platform": {"base_url": PLATFORM}, "auth": {"agents": {name: ["echo", "slow"]}}},
    )
    return Load(namespace, SERVICE, f"--token-file={FILE}", projected=projected())


def token(namespace: Namespace, audience: str = AUDIENCE) -> str:
    return namespace.kubectl("create", "token", "orders", f"--audience={audience}").strip()


def said_to(load: Load, shown: str) -> str:
    return load.python("/load/ask.py", SERVICE, shown).strip()


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def parts(shown: str) -> list[dict]:
    return [json.loads(base64.urlsafe_b64decode(each + "==")) for each in shown.split(".")[:2]]


def signed(header: dict, claims: dict, key: Path, folder: Path) -> str:
    text = ".".join(part(json.dumps(each).encode()) for each in (header, claims))
    (folder / "text").write_text(text)
    run("openssl", "dgst", "-sha256", "-sign", str(key), "-out", str(folder / "signature"), str(folder / "text"))
    return f"{text}.{part((folder / 'signature').read_bytes())}"


def test_callers_show_the_tokens_of_their_pods(namespace: Namespace, tmp_path: Path):
    load = installed(namespace)
    good = token(namespace)
    assert said_to(load, good) == "NOT_FOUND"
    assert said_to(load, token(namespace, "another-proxy")) == "UNAUTHENTICATED"
    assert said_to(load, token(namespace, "https://kubernetes.default.svc.cluster.local")) == "UNAUTHENTICATED"
    # Another issuer: in its own name, and in the cluster's.
    header, claims = parts(good)
    key = tmp_path / "key"
    run("openssl", "genrsa", "-out", str(key), "2048")
    assert said_to(load, signed(header, {**claims, "iss": "https://login.acme.io"}, key, tmp_path)) == "UNAUTHENTICATED"
    assert said_to(load, signed(header, claims, key, tmp_path)) == "UNAUTHENTICATED"
    assert said_to(load, good) == "NOT_FOUND"
    account = load.end("callers with the tokens of their pods, over the Service")
    assert account["failed"] == {}, account
    logs = "".join(namespace.logs(pod["metadata"]["name"]) for pod in namespace.replicas())
    assert f"system:serviceaccount:{namespace.name}:orders" in logs
    assert not any(each in logs for each in good.split(".")), "a token is in the log"


@ONLY_OWN
@pytest.mark.alone
def test_a_token_expires_and_the_clusters_key_is_rotated(namespace: Namespace, tmp_path: Path):
    own = Path(os.environ["CLUSTER_OWN"])
    load = installed(namespace)
    header, claims = parts(token(namespace))
    now = int(time.time())
    late = {**claims, "exp": now + 3600}
    assert said_to(load, signed(header, late, own / "accounts.key", tmp_path)) == "NOT_FOUND", (
        "we sign as the cluster does"
    )
    over = {**claims, "iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    assert said_to(load, signed(header, over, own / "accounts.key", tmp_path)) == "UNAUTHENTICATED"

    # As operators do it: the API server signs with the new key, and believes both.
    old = token(namespace)
    key = tmp_path / "new.key"
    run("openssl", "genrsa", "-out", str(key), "2048")
    new = run("openssl", "rsa", "-in", str(key), "-pubout")
    (own / "accounts.pub").write_text(new + (own / "accounts.pub").read_text())
    (own / "accounts.key").write_text(key.read_text())
    os.kill(int((own / "kube-apiserver.pid").read_text()), signal.SIGKILL)

    def is_renewed() -> bool:
        try:
            return parts(token(namespace))[0]["kid"] != header["kid"]
        except AssertionError:
            # It starts.
            return False

    until("the API server signs with the new key", is_renewed)
    until("a token of the new key is good", lambda: said_to(load, token(namespace)) == "NOT_FOUND")
    assert said_to(load, old) == "NOT_FOUND"
    # An API server that was away for long may have taken them for dead.
    kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=300s")
    until("both replicas are in the Service", lambda: len(namespace.addresses()) == 2)
    account = load.end("the cluster's key rotated, over the Service")
    assert account["failed"] == {}, account

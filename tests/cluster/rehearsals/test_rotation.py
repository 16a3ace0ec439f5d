"""The platform's key, a caller's token and the certificate are exchanged, under load and without a restart: all three
by changing the Secrets that they stand in, as docs/operations.md says."""

import hashlib
from pathlib import Path

from support.certificates import Authority
from support.cluster import REGISTRY, until
from support.load import SERVICE, Load
from support.namespace import NAME, Namespace

CERTIFICATE = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], 50051)))"
ALLOW = (
    "import sys, urllib.request as u; u.urlopen(u.Request('http://front:9016/key', sys.argv[1].encode(), method='PUT'))"
)


def hashes(*tokens: str) -> dict[str, str]:
    return {"tokens": f"shop={' '.join(hashlib.sha256(token.encode()).hexdigest() for token in tokens)}\n"}


def test_key_token_and_certificate_are_rotated(namespace: Namespace, tmp_path: Path):
    authority, names = Authority(tmp_path), (NAME, "localhost")
    namespace.pod("front", {"image": f"{REGISTRY}/caller:1", "args": ["/load/front.py", "first-key"]}, port=9016)
    namespace.secret("xpander", {"api-key": "first-key", "organization-id": "org-sandbox"})
    namespace.secret("tokens", hashes("first-token"))
    namespace.secret("certificate", authority.issue(*names))
    namespace.install(
        tls={"enabled": True, "existingSecret": "certificate"},
        tokens={"existingSecret": "tokens"},
        config={"platform": {"base_url": "http://front:9016"}},
    )
    before = namespace.restarts()
    load = Load(
        namespace, SERVICE, "--authority", authority.certificate, "--token-file=/tmp/token", token="first-token"
    )

    def told(*words: str) -> set[str]:
        """What the replicas say, each by itself, to a program in the callers' pod."""
        addresses = [pod["status"]["podIP"] for pod in namespace.replicas()]
        return {load.python(*(word.replace("ADDRESS", address) for word in words)).strip() for address in addresses}

    def said_to(token: str) -> set[str]:
        return told("/load/ask.py", "ADDRESS:50051", token, authority.certificate, NAME)

    assert said_to("first-token") == {"NOT_FOUND"} and said_to("second-token") == {"UNAUTHENTICATED"}

    # For a while both keys are good, and both tokens.
    load.python("-c", ALLOW, "first-key second-key")
    renewed = authority.issue(*names)
    namespace.secret("certificate", renewed)
    namespace.secret("tokens", hashes("first-token", "second-token"))
    namespace.secret("xpander", {"api-key": "second-key", "organization-id": "org-sandbox"})
    until("the new token is good", lambda: said_to("second-token") == {"NOT_FOUND"})
    until(
        "new connections see the new certificate",
        lambda: told("-c", CERTIFICATE, "ADDRESS") == {renewed["tls.crt"].strip()},
    )
    until("the new key is in force", lambda: all(key_is_read(namespace, pod) for pod in namespace.replicas()))

    load.goes_on()
    load.shows("second-token")
    load.python("-c", ALLOW, "second-key")
    namespace.secret("tokens", hashes("second-token"))
    until("the old token is no longer good", lambda: said_to("first-token") == {"UNAUTHENTICATED"})
    account = load.end("key, token and certificate rotated, over the Service")
    assert account["failed"] == {}, account
    assert namespace.restarts() == before


def key_is_read(namespace: Namespace, pod: dict) -> bool:
    lines = namespace.logs(pod["metadata"]["name"]).splitlines()
    return any("a file has changed and is in force" in line and "platform.api_key_file" in line for line in lines)

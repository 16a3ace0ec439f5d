"""A real API server of Kubernetes and its etcd, and nothing else of a cluster: it looks at what it is shown as it would at
an install, with the CRDs' own rules, Pod Security and all admission, and runs none of it."""

import contextlib
import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .custom import FOLDERS
from .paths import REPOSITORY, tool

NAMESPACE = "shop"
# `enforce` looks at pods alone, `warn` at what makes them, too.
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass(frozen=True)
class ApiServer:
    """What kubectl says to it."""

    kubectl: list[str]

    def run(self, *arguments: str, shown: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.kubectl, *arguments], input=shown, capture_output=True, text=True, timeout=120)

    def create(self, manifests: list[dict]):
        """Really, for others to refer to."""
        done = self.run("apply", "--filename=-", shown=documents(manifests))
        assert done.returncode == 0, done.stderr

    def shown(self, manifests: list[dict]) -> tuple[list[str], list[str]]:
        """What it would take of these manifests, as `kind.group/name`, and what it says against them, warnings too."""
        flags = ("--dry-run=server", "--validate=strict", "--output=name", "--filename=-")
        done = self.run("apply", f"--namespace={NAMESPACE}", *flags, shown=documents(manifests))
        said = [line for line in done.stderr.splitlines() if line.strip()]
        assert said or done.returncode == 0, "kubectl fails and does not say why"
        return done.stdout.split(), said

    def says(self, manifests: list[dict]) -> str:
        """What it says against these manifests, nothing where it takes them."""
        return "\n".join(self.shown(manifests)[1])


def documents(manifests: list[dict]) -> str:
    """One after the other: what is in a List, kubectl would look at itself, and not have the server do it."""
    return "\n---\n".join(json.dumps(each) for each in manifests)


@contextlib.contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """One of its own, with the CRDs and a restricted namespace, for as long as the context lasts."""
    built = subprocess.run([REPOSITORY / ".ci/kubernetes", "kube-apiserver", "kubectl"], stdout=subprocess.PIPE, text=True, check=True)
    programs, token = Path(built.stdout.strip()), secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},tests,tests\n")
    key = ("openssl", "genrsa", "-out", "accounts.key", "2048")
    subprocess.run(key, cwd=folder, check=True, capture_output=True)
    with contextlib.ExitStack() as stack:
        # Kept for the API server, which may share it: bound, and listening to nothing.
        kept = stack.enter_context(socket.socket())
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        started = [
            stack.enter_context(process(folder, name, *command))
            for name, command in {
                "etcd": (tool("etcd"), *etcd_flags()),
                "kube-apiserver": (str(programs / "kube-apiserver"), *server_flags(port)),
            }.items()
        ]
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig(folder, port, token)))
        kubectl = [str(programs / "kubectl"), f"--kubeconfig={folder}/kubeconfig", f"--cache-dir={folder}/cache"]
        server = ApiServer(kubectl)
        until = time.monotonic() + 300
        while server.run("get", "--raw=/readyz").returncode:
            there = time.monotonic() < until and all(each.poll() is None for each in started)
            assert there, "it does not get ready:\n" + "\n".join(log.read_text()[-4000:] for log in folder.glob("*.log"))
            time.sleep(0.2)
        install(server)
        yield server


def install(server: ApiServer):
    files = [f"--filename={folder}" for folder in FOLDERS]
    # Not applied: the larger ones would not fit into the annotation that remembers them.
    done = server.run("create", *files)
    assert done.returncode == 0, done.stderr
    done = server.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    assert done.returncode == 0, done.stderr
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
    server.create([namespace])


def etcd_flags() -> list[str]:
    sockets = "unix://etcd.sock:0"
    return ["--data-dir=etcd", f"--listen-client-urls={sockets}", f"--advertise-client-urls={sockets}", "--listen-peer-urls=http://127.0.0.1:0"]


def server_flags(port: int) -> list[str]:
    return [
        "--etcd-servers=unix://etcd.sock:0",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--permit-port-sharing",
        "--cert-dir=certificates",
        # Nobody gets here from elsewhere; without these it looks for a network of the machine's.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=accounts.key",
        "--service-account-signing-key-file=accounts.key",
        # Who has the token may do anything, and nobody else gets in.
        "--token-auth-file=tokens.csv",
        "--anonymous-auth=false",
        "--authorization-mode=AlwaysAllow",
    ]


def kubeconfig(folder: Path, port: int, token: str) -> dict:
    # It signs its certificate itself, in its first second.
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": f"{folder}/certificates/apiserver.crt"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tests", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "current-context": "tests",
    }


@contextlib.contextmanager
def process(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen]:
    """One that ends with the context, its log in the folder."""
    with (folder / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield started
    finally:
        started.kill()
        started.wait()

"""`helm test`: the commands of its pod, run against a proxy that is set up like the release."""

import re
import subprocess

import pytest
from support import helm
from support.layout import lay
from support.paths import BINARY, ci_values
from support.certificates import certificates
from support.proxy import running
from support.rendering import containers

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)
TOKEN = "a-token"


def test_containers(rendering) -> list[tuple[dict, dict]]:
    return [(pod, container) for pod in rendering.all("Pod") for container in containers(pod)]


test_containers.__test__ = False


@FILES
def test_every_command_line_is_one_that_the_binary_knows(file):
    rendering = helm.render(None, file)
    pairs = test_containers(rendering)
    lines = [container["args"] for _, container in pairs] + [rendering.container["args"]]
    for line in lines:
        # With --help behind them all flags are read, and nothing is done.
        done = subprocess.run([BINARY, *line, "--help"], capture_output=True, text=True, timeout=20)
        known = set(re.findall(r"--[a-z-]+", done.stdout))
        flags = {word.partition("=")[0] for word in line if word.startswith("--")}
        assert done.returncode == 0 and flags <= known, (line, flags - known)


@FILES
def test_the_test_asks_the_releases_own_service(file):
    rendering = helm.render(None, file)
    service = rendering.service()
    host = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc:{service['spec']['ports'][0]['port']}"
    for _, container in test_containers(rendering):
        assert any(word.endswith(f"://{host}") for word in container["args"]), container["args"]


@FILES
def test_the_tests_pod_ends_by_itself_and_goes_away(file):
    for pod in helm.render(None, file).all("Pod"):
        assert pod["spec"]["restartPolicy"] == "Never"
        annotations = pod["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "test"
        assert "before-hook-creation" in annotations["helm.sh/hook-delete-policy"]


def try_out(values: dict, root, brought=None) -> list[str]:
    """Runs the proxy as the release would, then each container of the test; what each printed."""
    rendering = helm.render(values)
    said = []
    with running(lay(rendering, root / "proxy", brought=brought)) as proxy:
        for number, (pod, container) in enumerate(test_containers(rendering)):
            client = lay(rendering, root / str(number), pod, container, brought)
            arguments = [re.sub(r"(https?://)[^/]+", rf"\g<1>{proxy.grpc}", word) for word in client.arguments]
            done = client.run(*arguments, timeout=60)
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
            said.append(done.stdout)
    return said


def test_a_sandbox_is_asked_for_health_and_an_invocation(tmp_path):
    health, invocation = try_out(helm.SANDBOX, tmp_path)
    assert health and "hello" in invocation


def test_a_sandbox_with_mtls_and_tokens_is_tested_too(tmp_path):
    folder = certificates(tmp_path / "certificates")
    brought = {name: (folder / name).read_text() for name in ("ca.crt", "tls.crt", "tls.key")} | {"token": TOKEN}
    import hashlib

    values = {
        "sandbox": {"enabled": True},
        "tls": {
            "enabled": True,
            "existingSecret": "certificate",
            "clientCa": {"enabled": True, "existingSecret": "certificate"},
        },
        "tokens": {"hashes": {"test": hashlib.sha256(TOKEN.encode()).hexdigest()}},
        "tests": {"tlsSecret": "certificate", "serverName": "proxy.test", "tokenSecret": "token"},
    }
    health, invocation = try_out(values, tmp_path, brought)
    assert health and "hello" in invocation


def test_a_proxy_that_does_not_serve_fails_the_test(tmp_path):
    rendering = helm.sandboxed()
    pod, container = test_containers(rendering)[0]
    client = lay(rendering, tmp_path, pod, container)
    nobody = [re.sub(r"(http://)[^/]+", r"\g<1>127.0.0.1:1", word) for word in client.arguments]
    assert client.run(*nobody, timeout=60).returncode != 0

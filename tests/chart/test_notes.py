"""What an install prints, tried out: its commands work against a proxy that is set up like that install."""

import re
import shlex
import subprocess

import pytest
from support import helm
from support.layout import lay
from support.paths import ci_values, tool
from support.proxy import running

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)


def commands(notes: str) -> list[list[str]]:
    """The commands of the notes, continued lines put together."""
    joined = re.sub(r"\\\n\s*", " ", notes)
    lines = [line.strip() for line in joined.splitlines() if re.match(r"\s+(kubectl|grpcurl|helm|export) ", line)]
    return [shlex.split(line.removesuffix(" &")) for line in lines]


@FILES
def test_the_notes_name_what_the_release_has(file):
    rendering = helm.render(None, file)
    service = rendering.service()
    namespace = service["metadata"]["namespace"]
    (forward,) = (each for each in commands(rendering.notes) if each[:1] == ["kubectl"] and "port-forward" in each)
    assert forward[forward.index("--namespace") + 1 if "--namespace" in forward else forward.index("-n") + 1] == namespace
    assert any(word in (f"service/{service['metadata']['name']}", f"svc/{service['metadata']['name']}") for word in forward)
    ours, theirs = forward[-1].split(":")
    assert int(theirs) == service["spec"]["ports"][0]["port"]
    calls = [each for each in commands(rendering.notes) if each[0] == "grpcurl"]
    assert calls and all(f"localhost:{ours}" in each for each in calls)


def test_the_grpcurl_lines_of_a_sandbox_work_as_they_stand(tmp_path):
    rendering = helm.sandboxed()
    calls = [each for each in commands(rendering.notes) if each[0] == "grpcurl"]
    assert calls
    with running(lay(rendering, tmp_path)) as proxy:
        for call in calls:
            done = subprocess.run(replaced(call, proxy.grpc), capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (call, done.stderr)
            assert done.stdout


def replaced(call: list[str], address: str) -> list[str]:
    words = [address if re.fullmatch(r"localhost:\d+", word) else word for word in call]
    return [tool("grpcurl"), *words[1:]]

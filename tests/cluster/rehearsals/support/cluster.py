"""kubectl and Helm, and words for what has to be seen. The machine may be slow: nothing here demands a speed."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[4]
CHART = REPOSITORY / "helm"
# The tag of the proxy's image, unless a value says otherwise.
VERSION = re.findall(r"^appVersion: (\S+)", (CHART / "Chart.yaml").read_text(), re.M)[0]
REGISTRY = os.environ["CLUSTER_REGISTRY"]
# Whether the cluster is one that `tests/cluster/up` has made, and nobody else's: its nodes may be cut off.
IS_OWN = "CLUSTER_OWN" in os.environ
PATIENCE = 300.0


def run(*words: str, given: str | None = None) -> str:
    """What a command prints. Fails as the command does."""
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    # Pod Security has nothing to say of anything that is rehearsed.
    assert "PodSecurity" not in done.stderr, done.stderr
    return done.stdout


def kubectl(*words: str, **others: str) -> str:
    return run("kubectl", *words, **others)


def applied(*objects: dict) -> None:
    kubectl("apply", "--filename=-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def found(*words: str) -> Any:
    """Objects of the cluster."""
    return json.loads(kubectl("get", "--output=json", *words))


def until(what: str, is_so: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Asks again and again until it is so, and returns what was answered."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < deadline, f"within {seconds:g} s it did not come to hold that {what}"
        time.sleep(0.5)
    return answer

"""The real Helm: renders a release as an install would, without a cluster."""

import functools
import json
import subprocess
import tempfile
from pathlib import Path

import yaml

from .paths import CHART, tool
from .rendering import Rendering

# Each is enough for an install. A sandbox has one replica, since each would have a platform of its own.
SANDBOX = {"sandbox": {"enabled": True}}
KEY = {"credentials": {"existingSecret": "key"}}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, timeout=60)


def render(values: dict | None = None, *files: Path, release: str = "proxy", namespace: str = "shop") -> Rendering:
    """The release that these values make; later files and `values` win. Fails when Helm refuses them."""
    done = install(values, *files, release=release, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return Rendering.of(json.loads(done.stdout))


def refusal(values: dict | None = None, *files: Path, release: str = "proxy") -> str:
    """What Helm says when it refuses these values. Fails when it does not."""
    done = install(values, *files, release=release)
    assert done.returncode != 0, f"Helm installs {values}"
    return done.stderr


def sandboxed(values: dict | None = None, **others) -> Rendering:
    """`render`, where the credentials do not matter."""
    return render(merged(SANDBOX, values or {}), **others)


def keyed(values: dict | None = None, **others) -> Rendering:
    """`render` with a key, where there are to be replicas."""
    return render(merged(KEY, values or {}), **others)


def merged(one: dict, other: dict) -> dict:
    """Helm's way of laying values over others: maps are merged, all else is replaced."""
    result = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def install(values: dict | None, *files: Path, release="proxy", namespace="shop") -> subprocess.CompletedProcess[str]:
    return _install(yaml.safe_dump(values or {}), files, release, namespace)


@functools.cache
def _install(values: str, files: tuple[Path, ...], release: str, namespace: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as own:
        own.write(values)
        own.flush()
        flags = [f"--values={file}" for file in (*files, own.name)]
        return run("install", release, str(CHART), "--namespace", namespace, "--dry-run=client", "--output=json", *flags)

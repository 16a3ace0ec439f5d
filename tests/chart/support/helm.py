"""Helm's own engine, its Go code as a library: renders a release as an install would, without a cluster.

XPANDER_HELM names a `helm` (4 or newer) to ask instead, the program that people have: slower, and the same."""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import helm_python
import yaml

from .paths import CHART
from .rendering import Rendering

# Each is enough for an install. A sandbox has one replica, since each would have a platform of its own.
SANDBOX = {"sandbox": {"enabled": True}}
KEY = {"credentials": {"existingSecret": "key"}}
PROGRAM = os.environ.get("XPANDER_HELM")


def render(values: dict | None = None, *files: Path, release: str = "proxy", namespace: str = "shop") -> Rendering:
    """The release that these values make; later files and `values` win. Fails when Helm refuses them."""
    done = install(values, *files, release=release, namespace=namespace)
    assert isinstance(done, Rendering), done
    return done


def refusal(values: dict | None = None, *files: Path) -> str:
    """What Helm says when it refuses these values. Fails when it does not."""
    done = install(values, *files)
    assert isinstance(done, str), f"Helm installs {values}"
    return done


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


def install(values: dict | None, *files: Path, release: str = "proxy", namespace: str = "shop") -> Rendering | str:
    """The release, or why there is none."""
    for file in reversed(files):
        values = merged(yaml.safe_load(file.read_text()) or {}, values or {})
    ask = _ask_program if PROGRAM else _ask_library
    return ask(json.dumps(values or {}), release, namespace)


@functools.cache
def _ask_library(values: str, release: str, namespace: str) -> Rendering | str:
    chart = _chart()
    try:
        # As an install does: the defaults below, then the schema, then the templates.
        chart.validate_schema(chart.merge_values(json.loads(values)))
        return Rendering.of(chart.render(json.loads(values), name=release, namespace=namespace, is_install=True))
    except helm_python.HelmError as error:
        return str(error)


@functools.cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(str(CHART))


def unguarded(values: dict) -> Rendering:
    """The release of values that the schema and the guards may refuse: what an install without them would bring."""
    return Rendering.of(_unguarded_chart().render(values, name="proxy", namespace="shop", is_install=True))


@functools.cache
def _unguarded_chart() -> helm_python.Chart:
    guards = shutil.ignore_patterns("values.schema.json", "guards.yaml")
    with tempfile.TemporaryDirectory() as folder:
        return helm_python.Chart.load(str(shutil.copytree(CHART, Path(folder) / "chart", ignore=guards)))


@functools.cache
def _ask_program(values: str, release: str, namespace: str) -> Rendering | str:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as own:
        own.write(values)
        own.flush()
        flags = ("--dry-run=client", "--output=json", f"--namespace={namespace}", f"--values={own.name}")
        done = subprocess.run([PROGRAM, "install", release, CHART, *flags], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return done.stderr
    told = json.loads(done.stdout)
    hooks = {hook["path"]: hook["manifest"] for hook in told.get("hooks") or []}
    return Rendering.of({"all": told["manifest"], **hooks, "NOTES.txt": told["info"]["notes"]})


def lint(file: Path) -> list[str]:
    """What `helm lint --strict` complains of."""
    told = helm_python.lint(str(CHART), yaml.safe_load(file.read_text()), strict=True)
    warning = 2
    return told["errors"] + [each["error"] for each in told["messages"] if each["severity"] >= warning]

"""The settings, as the proxy's own `check --reference` tells of them."""

import functools
import re
import subprocess
import tomllib
from dataclasses import dataclass

from .paths import BINARY


@dataclass(frozen=True)
class Setting:
    name: str
    words: str
    default: object  # None where there is none
    allowed: str


@functools.cache
def settings() -> dict[str, Setting]:
    """By name, `section.key`."""
    page = subprocess.run([BINARY, "check", "--reference"], capture_output=True, text=True, check=True, timeout=20).stdout
    found = {}
    for part in re.split(r"^### (?=`)", page, flags=re.MULTILINE)[1:]:
        name = re.match(r"`([a-z0-9_.]+)`\n\n(.*)\n\n- default: (.*)\n- allowed: (.*)\n", part)
        assert name, part[:200]
        setting, words, default, allowed = name.groups()
        # Sizes are told once more in MiB, behind it.
        value = None if default == "none" else tomllib.loads(f"x = {default.split('`')[1]}")["x"]
        found[setting] = Setting(setting, words, value, allowed)
    return found


def in_force(printed: str) -> dict[str, object]:
    """What `check` printed, by name; a text in parentheses for what is hidden or not set."""
    found = {}
    for line in printed.splitlines():
        name, _, value = line.partition(" = ")
        found[name] = value if value.startswith("(") else tomllib.loads(f"x = {value}")["x"]
    return found

"""The chart's README is what the values say, and each value is described where it stands."""

import re
import shutil
import subprocess

import pytest
import yaml
from support.paths import CHART, REPOSITORY, tool

VALUES = (CHART / "values.yaml").read_text()


def described(text: str) -> tuple[set[str], set[str]]:
    """The values with a `# --` comment, and all that have none and are no part of one with it."""
    lines, stack, found, bare, comment = text.splitlines(), [], set(), set(), False
    for line in lines:
        words = re.match(r"( *)(#|[\w.-]+:|- )", line)
        if words is None:
            comment = False if not line.strip() else comment
        elif words[2] == "#":
            comment = comment or line.strip().startswith("# -- ")
        elif words[2] != "- ":
            depth, key = len(words[1]), words[2][:-1]
            stack = [(at, name) for at, name in stack if at < depth] + [(depth, key)]
            path = ".".join(name for _, name in stack)
            is_part = any(path.startswith(f"{each}.") for each in found)
            if comment:
                found.add(path)
            elif not is_part:
                bare.add(path)
            comment = False
    return found, bare


def test_each_value_is_described_in_place():
    found, bare = described(VALUES)
    sections = {path for path in bare if any(each.startswith(f"{path}.") for each in found)}
    assert bare - sections == set()
    assert found, "nothing is described"


def test_a_value_without_words_would_be_seen():
    found, bare = described("# -- What it is.\none: 1\ntwo:\n  # -- What it is.\n  three: 3\n  four: 4\n")
    assert found == {"one", "two.three"} and bare == {"two", "two.four"}


def test_the_readmes_table_is_what_the_values_say(tmp_path):
    """`make docs` writes it."""
    copy = tmp_path / "helm"
    shutil.copytree(CHART, copy)
    (copy / "README.md").unlink()
    command = [tool("helm-docs"), f"--chart-search-root={copy}", "--sort-values-order=file", "--log-level=warning"]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    assert (copy / "README.md").read_text() == (CHART / "README.md").read_text(), "run `make docs`"


def test_the_readme_has_every_value():
    readme = (CHART / "README.md").read_text()
    missing = [path for path in described(VALUES)[0] if f"| {path} |" not in readme]
    assert missing == []


def test_the_charts_version_of_the_proxy_is_the_crates():
    crate = re.search(r'^version = "(.*)"', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == crate


@pytest.mark.parametrize("file", sorted((CHART / "templates").rglob("*.*")), ids=lambda file: file.name)
def test_every_template_is_short(file):
    assert len(file.read_text().splitlines()) <= 200

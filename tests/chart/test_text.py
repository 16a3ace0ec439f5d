"""What is rendered is clean: no leftovers of templates, nothing empty, nothing twice."""

import re
import subprocess
import sys
import tarfile

import helm_python
import pytest
from support import helm
from support.paths import CHART, ci_values

FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)
# In these an empty map or list says something.
MEANT = re.compile(r"\.(emptyDir|podSelector|namespaceSelector|drop|requiredAuthenticationRefs|group)$")


@FILES
def test_the_text_has_no_blank_lines_or_trailing_spaces_or_leftovers(file):
    lines = re.split(r"\n", helm.render(None, file).text)
    assert [line for line in lines if line != line.rstrip() or re.search(r"<no value>|%!|<nil>|map\[", line)] == []
    blank = [n for n in range(1, len(lines)) if not lines[n - 1].strip() and not lines[n].strip()]
    assert not blank


@FILES
def test_nothing_is_null_or_empty(file):
    empty = [place for each in helm.render(None, file).objects() for place in empties(each, each["kind"])]
    assert empty == []


def empties(value, place: str):
    if value is None or value == "" or value == {} or value == []:
        # A caller may mean an empty text in what is handed through.
        if not MEANT.search(place):
            yield place
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from empties(each, f"{place}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from empties(each, f"{place}.{number}")


def test_the_same_values_make_the_same_text():
    """Else every upgrade would seem to change something."""
    script = "import sys; from support import helm, paths; sys.stdout.write(helm.render(None, *paths.ci_values()[1:2]).text)"
    once, again = (subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2))
    assert once and again == once


def test_the_chart_packs_and_what_it_packs_is_what_an_install_needs(tmp_path):
    helm_python.package(str(CHART), destination=str(tmp_path))
    (archive,) = tmp_path.glob("*.tgz")
    names = {name.split("/", 1)[1] for name in tarfile.open(archive).getnames()}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", "templates/deployment.yaml"} <= names
    assert not [name for name in names if name.startswith(("ci/", "tests/")) or name.endswith((".gotmpl", "-values.yaml"))]

"""The metrics that the proxy has, by docs/operations.md, and those that an expression names."""

import functools
import re

from .paths import REPOSITORY

# What Prometheus, the kubelet and kube-state-metrics add, as far as the chart uses them.
OTHERS = re.compile(r"(up|ALERTS|container_[a-z_]+|kube_[a-z_]+)$")
OTHER_LABELS = {"job", "namespace", "pod", "instance", "container", "le", "image", "deployment", "resource", "unit", "phase"}
# Of a scrape that adds to the name of a metric.
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


@functools.cache
def documented() -> dict[str, set[str]]:
    """The labels of each metric of the table."""
    text = (REPOSITORY / "docs/operations.md").read_text()
    table = text.split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\|([^|]*`[^|]*)\|([^|]*)\|", table, re.MULTILINE)
    codes = functools.partial(re.findall, r"`([a-z_]+)`")
    return {name: {label for label in codes(labels)} for names, labels in rows for name in codes(names)}


def named(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics of an expression, each with the labels that it is narrowed by."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    found = []
    for name, _, matchers in re.findall(r"([a-z_:][a-z0-9_:]*)\s*(\{([^}]*)\})", plain):
        found.append((name, set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers))))
    bare = re.sub(r"(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", re.sub(r"\{[^}]*\}", "", plain))
    for name in re.findall(r"(?:xpander|rpc|http|container|kube)_[a-z_]+", bare):
        found.append((name, set()))
    return found


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups by."""
    return {label.strip() for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression) for label in labels.split(",")} - {""}

"""The Kubernetes versions that the chart supports, and what their schemas say of a manifest."""

import functools
import re

import kubernetes_validate
import kubernetes_validate.utils
import yaml

from .paths import CHART

# It reads more than a megabyte for each manifest otherwise.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)

# The groups that Kubernetes itself serves have no dot, or end like this.
BUILT_IN = re.compile(r"^([a-z]+|[a-z.]+\.k8s\.io)/")
CUSTOM = re.compile(r"^(gateway\.networking\.k8s\.io)/")


def is_built_in(manifest: dict) -> bool:
    version = manifest["apiVersion"]
    return "/" not in version or bool(BUILT_IN.match(version) and not CUSTOM.match(version))


def supported() -> tuple[str, str]:
    """The oldest, by the chart's word, and the newest that there are schemas of."""
    range_ = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    oldest = re.fullmatch(r">= ?(1\.\d+)\.0-0", range_)
    assert oldest, f"kubeVersion is {range_}: the tests read >=1.N.0-0"
    return oldest.group(1), kubernetes_validate.latest_version().rpartition(".")[0]


def problem(manifest: dict, version: str) -> str | None:
    """The first thing that this version would refuse."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(str(step) for step in error.path)}: {error.message}"
    return None

"""Where things are."""

import os
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CHART = REPOSITORY / "helm"
TOOLS = REPOSITORY / "target/tools"
BINARY = Path(os.environ.get("XPANDER_PROXY_BINARY", REPOSITORY / "target/debug/xpander-grpc-proxy"))


def tool(name: str) -> str:
    """The path of a program that `.ci/tools` installs, or that the machine has."""
    own = TOOLS / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found, f"there is no {name}: `.ci/tools` installs it"
    return found


def ci_values() -> list[Path]:
    """The values files that stand for what people install."""
    return sorted((CHART / "ci").glob("*-values.yaml"))

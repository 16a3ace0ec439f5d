"""A running proxy, started like the chart's container, on free ports of this machine."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .layout import Laid
from .paths import BINARY


@dataclass(frozen=True)
class Running:
    grpc: str
    admin: str

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10) as answer:
            return answer.read().decode()


@contextmanager
def running(laid: Laid | None = None, *arguments: str) -> Iterator[Running]:
    """Runs `serve` with the arguments of a laid-out container, or the sandbox; the ports are free ones."""
    given = laid.arguments[1:] if laid else ["--sandbox"]
    command = [str(BINARY), "serve", *given, "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--log-format=json"]
    process = subprocess.Popen(
        [*command, *arguments], env=laid.environment if laid else {}, stderr=subprocess.PIPE, text=True
    )
    try:
        yield ports(process)
    finally:
        # How it drains is for other tests to see.
        process.kill()
        process.communicate(timeout=20)


def ports(process: subprocess.Popen) -> Running:
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("{") and (told := json.loads(line)).get("message") == "serving":
            return Running(told["grpc"], told["admin"])
    raise AssertionError("".join(said))

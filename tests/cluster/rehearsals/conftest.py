"""A namespace for each rehearsal, the turns of those that share a cluster, and the accounts at the end."""

import fcntl
import re
import secrets
from collections.abc import Iterator

import pytest
from support import load
from support.cluster import REPOSITORY
from support.namespace import Namespace


@pytest.fixture
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Beside the other rehearsals, or when they have ended: a node or a key that is away is away for all."""
    folder = REPOSITORY / "target/cluster"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if request.node.get_closest_marker("alone") else fcntl.LOCK_SH)
        yield


@pytest.fixture
def unmade(turn: None, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace that is not there yet."""
    words = re.findall(r"[a-z0-9]+", request.node.name.removeprefix("test_"))
    namespace = Namespace(f"rehearsal-{'-'.join(words)[:24].rstrip('-')}-{secrets.token_hex(2)}", request.node.user_properties)
    before = request.session.testsfailed
    yield namespace
    if request.session.testsfailed > before:
        print(namespace.kubectl("get", "pods", "--output=wide"))
        print(namespace.kubectl("get", "events", "--sort-by=.metadata.creationTimestamp"))
    namespace.delete()


@pytest.fixture
def namespace(unmade: Namespace) -> Namespace:
    """A restricted one with a platform."""
    unmade.make()
    unmade.platform()
    return unmade


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed", "") for report in terminalreporter.getreports(kind)]
    accounts = [pair for report in reports if report.when == "teardown" for pair in report.user_properties]
    load.written(accounts)
    terminalreporter.write_line(load.table(accounts))

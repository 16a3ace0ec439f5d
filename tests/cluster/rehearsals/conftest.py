"""A namespace for each rehearsal, and the accounts at the end."""

import re
import secrets
from collections.abc import Iterator

import pytest
from support import load
from support.namespace import Namespace


@pytest.fixture
def unmade(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace that is not there yet."""
    words = re.findall(r"[a-z0-9]+", request.node.name.removeprefix("test_"))
    namespace = Namespace(f"rehearsal-{'-'.join(words)[:24].rstrip('-')}-{secrets.token_hex(2)}")
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
    load.written()
    terminalreporter.write_line(load.table())

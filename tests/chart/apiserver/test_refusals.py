"""What a real API server would refuse, the chart refuses before; that the chart does is also in test_values.py."""

import pytest
from support import helm
from support.api_server import ApiServer
from support.refused import BASE, REFUSED


def changed(values: dict) -> list[dict]:
    """What these values make other than what it is without them."""
    before = helm.unguarded(BASE).objects()
    return [each for each in helm.unguarded(helm.merged(BASE, values)).objects() if each not in before]


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_chart_refuses_the_server_would_refuse(server: ApiServer, name):
    assert server.says(changed(REFUSED[name])), "the server takes it: the chart need not refuse it"

import pytest
from support.api_server import ApiServer, api_server


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> ApiServer:
    with api_server(tmp_path_factory.mktemp("apiserver")) as server:
        yield server

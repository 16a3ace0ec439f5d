"""New versions, old ones again, and an autoscaler, under load: over the Service, on which callers have one connection,
and over the headless one, where they balance by themselves under the shipped service config."""

import pytest
from support.cluster import CHART, VERSION
from support.load import HEADLESS, SERVICE, Load, failed
from support.namespace import NAME, RELEASE, Namespace

WAYS = {"the Service": (SERVICE,), "the headless Service": (HEADLESS, "--service-config")}
BY_EACH_WAY = pytest.mark.parametrize("way", WAYS, ids=["service", "headless"])


def begun(namespace: Namespace, way: str, **values: object) -> Load:
    namespace.install(service={"headless": {"enabled": "headless" in way}}, **values)
    return Load(namespace, *WAYS[way])


def no_call_failed(account: dict) -> None:
    assert failed(account, "reads") == failed(account, "creates") == {}, account
    # Streams are told to go on elsewhere; and those of one connection that ends, that it has.
    assert set(failed(account, "streams")) <= {"UNAVAILABLE PROXY_DRAINING"}, account


@BY_EACH_WAY
def test_upgrade_and_rollback(namespace: Namespace, way: str):
    load = begun(namespace, way)
    namespace.helm("upgrade", RELEASE, str(CHART), "--reuse-values", "--set", "image.tag=next")
    namespace.rolled_out()
    (image,) = {pod["spec"]["containers"][0]["image"] for pod in namespace.replicas()}
    assert image.endswith(":next")
    load.goes_on()
    namespace.helm("rollback", RELEASE)
    namespace.rolled_out()
    (image,) = {pod["spec"]["containers"][0]["image"] for pod in namespace.replicas()}
    assert image.endswith(f":{VERSION}")
    no_call_failed(load.end(f"an upgrade and a rollback, over {way}"))


@BY_EACH_WAY
def test_autoscaling_is_switched_on(namespace: Namespace, way: str):
    load = begun(namespace, way, replicaCount=3)
    watched = namespace.watched("get", "deployment", NAME, "--watch", "--output=jsonpath={.spec.replicas}{'\\n'}")
    namespace.upgrade(autoscaling={"enabled": True, "minReplicas": 2})
    load.goes_on(20)
    watched.kill()
    numbers = watched.communicate()[0].split()
    assert numbers and set(numbers) == {"3"}, numbers
    no_call_failed(load.end(f"autoscaling switched on, over {way}"))
    assert len(namespace.replicas()) == 3

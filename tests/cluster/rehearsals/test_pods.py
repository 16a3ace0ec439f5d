"""A replica is lost. The creates that were under way on it are told as UNAVAILABLE and sent to no other one; their
outcome is unknown."""

from support.cluster import until
from support.load import HEADLESS, SERVICE, Load, failed
from support.namespace import PLATFORM, Namespace, is_ready
from support.nodes import tell


def only_creates_under_way_failed(account: dict, most: int = 5) -> None:
    """At most one for each caller that creates."""
    assert failed(account, "reads") == {}, account
    creates = failed(account, "creates")
    assert set(creates) <= {"UNAVAILABLE"} and sum(creates.values()) <= most, account


def test_a_pod_is_deleted(namespace: Namespace):
    namespace.install()
    load = Load(namespace, SERVICE)
    for pod in namespace.replicas():
        namespace.kubectl("delete", "pod", pod["metadata"]["name"])
        namespace.rolled_out()
        load.goes_on()
    account = load.end("each pod deleted, over the Service")
    assert failed(account, "reads") == failed(account, "creates") == {}, account


def test_a_process_is_killed(namespace: Namespace):
    namespace.install(service={"headless": {"enabled": True}})
    load = Load(namespace, HEADLESS, "--service-config")
    tell(namespace.replicas()[0], "SIGKILL")
    until("it was started again", lambda: sum(namespace.restarts().values()) == 1)
    until("both are ready", lambda: all(map(is_ready, namespace.replicas())))
    only_creates_under_way_failed(load.end("a process killed (-9)"))


def test_a_process_hangs(namespace: Namespace):
    """The liveness probe ends it after a minute; callers notice by their pings before."""
    namespace.install(service={"headless": {"enabled": True}})
    load = Load(namespace, HEADLESS, "--service-config")
    hung = namespace.replicas()[0]
    tell(hung, "SIGSTOP")
    until("the Service leads past it", lambda: hung["metadata"]["name"] not in namespace.addresses())
    until("it was started again", lambda: sum(namespace.restarts().values()) == 1)
    until("both are ready", lambda: all(map(is_ready, namespace.replicas())))
    only_creates_under_way_failed(load.end("a process that hangs (SIGSTOP)"))


def test_a_process_has_no_memory_left(namespace: Namespace):
    """The settings allow for larger answers than the memory limit does."""
    few = {"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}
    config = {"platform": {"base_url": PLATFORM}, "server": {"max_buffered_bytes": 256 << 20}}
    namespace.install(resources=few, config=config, service={"headless": {"enabled": True}})
    load = Load(namespace, HEADLESS, "--service-config")
    told = load.python("/load/heavy.py", SERVICE, "30")
    assert told.startswith("UNAVAILABLE"), told

    def is_told() -> bool:
        states = [pod["status"]["containerStatuses"][0]["lastState"] for pod in namespace.replicas()]
        return any(state.get("terminated", {}).get("reason") == "OOMKilled" for state in states)

    until("a pod says OOMKilled", is_told)
    until("both are ready", lambda: all(map(is_ready, namespace.replicas())))
    account = load.end("a process out of memory")
    # Before it ends it may be too slow for the service config's 30 s.
    assert set(failed(account, "reads")) <= {"DEADLINE_EXCEEDED"}, account
    assert set(failed(account, "creates")) <= {"UNAVAILABLE"}, account

"""One create in the fleet: three replicas that share a store of idempotency keys are lost one after the other, under callers
that ask again with the same id until there is a task, or nobody knows."""

from support.cluster import REGISTRY, until
from support.load import HEADLESS, Load
from support.namespace import BESIDE_THE_PLATFORM, NAME, Namespace, is_ready
from support.nodes import tell

REDIS = [
    "--bind",
    "0.0.0.0",
    "--protected-mode",
    "no",
    "--save",
    "",
    "--maxmemory-policy",
    "noeviction",
    "--dir",
    "/",
]


def test_no_request_id_makes_two_tasks(namespace: Namespace):
    redis = {"image": f"{REGISTRY}/caller:1", "command": ["redis-server"], "args": REDIS}
    namespace.pod("redis", redis, port=6379, affinity=BESIDE_THE_PLATFORM)
    namespace.secret("store", {"url": "redis://redis:6379"})
    namespace.install(
        replicaCount=3, service={"headless": {"enabled": True}}, deduplication={"store": {"existingSecret": "store"}}
    )
    load = Load(namespace, HEADLESS, "--service-config", "--request-ids", "--creators=5", "--followers=1")
    namespace.kubectl("rollout", "restart", f"deployment/{NAME}")
    namespace.rolled_out()
    load.goes_on()
    tell(namespace.replicas()[0], "SIGKILL")
    until("it was started again", lambda: sum(namespace.restarts().values()) == 1)
    namespace.kubectl("delete", "pod", namespace.replicas()[1]["metadata"]["name"], "--grace-period=0", "--force")
    until("all are ready", lambda: len(namespace.addresses()) == 3 and all(map(is_ready, namespace.replicas())))
    account = load.end("idempotency keys in a store: a rolling update, a process and a pod killed")
    assert set(account["failed creates"]) <= {"unknown: a task", "unknown: none"}, account
    assert account["doubled tasks"] == 0

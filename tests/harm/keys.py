"""Callers that bring platform keys of their own without end."""

from wire import OK, Connection
from world import GET_TASK, INVOKE, Attack, Platform, Proxy, attack, below, equal, ordinary

ATTACKS: dict[str, Attack] = {}
KEYS = 3000


def many(method: str, content: bytes) -> str:
    with Proxy(Platform(ordinary).url, {"auth.pass_through": "true"}) as proxy, Connection(proxy.grpc) as connection:
        for first in range(0, KEYS, 50):
            calls = [
                connection.call(method, content, [("x-api-key", f"key-{number}-{'x' * 900}"), ("x-organization-id", "org-1")])
                for number in range(first, first + 50)
            ]
            for call in calls:
                equal("a code", connection.status(call)[0], OK)
        proxy.probe()
        descriptors = below("descriptors", proxy.descriptors(), KEYS + 200)
        return f"{descriptors}, {proxy.peak()}"


@attack(ATTACKS, "keys-that-read")
def keys_that_read() -> str:
    return many("GetTask", GET_TASK)


@attack(ATTACKS, "keys-that-create")
def keys_that_create() -> str:
    return many("Invoke", INVOKE)

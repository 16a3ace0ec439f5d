"""Health and reflection, which ask for no credentials: none of it keeps a probe or a caller out."""

from wire import (
    CHECK,
    INITIAL_WINDOW_SIZE,
    OK,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    Connection,
    answer,
    field,
    frame,
    message,
    setting,
    DATA,
)
from world import GET_TASK, Attack, Platform, Proxy, attack, equal, holds, ordinary, until

ATTACKS: dict[str, Attack] = {}

WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = field(7, "")
FILE_OF_THE_API = field(4, "xpander.agent.v1.AgentService")
# `server.max_other_streams`.
SHARE = 2000


def flood(connection: Connection, path: str, content: bytes, end: bool) -> None:
    connection.send(b"".join(connection.request(path, content, end=end)[1] for _ in range(1000)))


@attack(ATTACKS, "checks-half-sent")
def checks_half_sent() -> str:
    with Proxy() as proxy:
        connections = [Connection(proxy.grpc) for _ in range(3)]
        for connection in connections:
            flood(connection, CHECK, b"xx", end=False)
        proxy.probe()
        return proxy.peak()


@attack(ATTACKS, "checks-not-taken")
def checks_not_taken() -> str:
    with Proxy() as proxy:
        connections = [Connection(proxy.grpc, settings=setting(INITIAL_WINDOW_SIZE, 0)) for _ in range(3)]
        for connection in connections:
            flood(connection, CHECK, b"", end=True)
        proxy.probe()
        return proxy.peak()


def share(path: str, content: bytes, end: bool) -> str:
    """Of 3,000 streams so many get in; the others are told, and the API is served."""
    with Proxy(Platform(ordinary).url) as proxy:
        connections = [Connection(proxy.grpc) for _ in range(3)]
        for connection in connections:
            flood(connection, path, content, end)

        def refused() -> int:
            told = [told.get("grpc-status") for connection in connections for told in list(connection.heads.values())]
            return told.count(str(RESOURCE_EXHAUSTED))

        until("those beyond the share are refused", lambda: refused() >= 3000 - SHARE)
        proxy.probe()
        equal("a caller's code", answer(proxy.grpc, "GetTask", GET_TASK)[0], OK)
        return f"{refused()} of 3,000 refused, {proxy.peak()}"


@attack(ATTACKS, "watches")
def watches() -> str:
    return share(WATCH, b"", end=True)


@attack(ATTACKS, "reflection-streams")
def reflection_streams() -> str:
    return share(REFLECTION, LIST_SERVICES, end=False)


@attack(ATTACKS, "reflection-answers")
def reflection_answers() -> str:
    """100 streams that ask for the whole API 1,000 times each and take no answer."""
    with Proxy() as proxy, Connection(proxy.grpc, settings=setting(INITIAL_WINDOW_SIZE, 0)) as connection:
        calls = [connection.call(REFLECTION, FILE_OF_THE_API, end=False) for _ in range(100)]
        asking = message(FILE_OF_THE_API) * 300
        connection.send(b"".join(frame(DATA, 0, call, asking) for call in calls))
        proxy.probe()
        return proxy.peak()


@attack(ATTACKS, "reflection-without-credentials")
def reflection_without_credentials() -> str:
    """Where callers have tokens, reflection needs one; health does not."""
    with Proxy(settings={"auth.tokens": "a=" + "ab" * 32}) as proxy:
        equal("the code of reflection", answer(proxy.grpc, REFLECTION, LIST_SERVICES)[0], UNAUTHENTICATED)
        with Connection(proxy.grpc) as connection:
            flood(connection, REFLECTION, LIST_SERVICES, end=False)
            codes = {connection.status(stream)[0] for stream in range(1, 2000, 2)}
            holds(f"none gets in: {codes}", codes == {UNAUTHENTICATED})
        proxy.probe()
        return proxy.peak()

"""Callers that take their answers a byte at a time."""

import time

from wire import DATA, INITIAL_WINDOW_SIZE, OK, WINDOW_UPDATE, Connection, answer, field, frame, setting
from world import EVENTS, GET_TASK, Attack, Platform, Proxy, attack, below, equal, named, ordinary, reply, task, until

ATTACKS: dict[str, Attack] = {}
LARGE = "r" * 2_000_000
ONE = setting(INITIAL_WINDOW_SIZE, 1)
ONE_MORE = (1).to_bytes(4, "big")


def large(method: str, path: str):
    if path.endswith("/events"):
        event = b'data: {"type":"chunk","data":"' + b"x" * 60_000 + b'"}\n\n'
        return iter([EVENTS, *[event] * 200])
    if named(path).startswith("large"):
        return reply(200, task(named(path), "completed", result=LARGE))
    return ordinary(method, path)


def crawl(proxy: Proxy, connection: Connection, calls: list[int], rounds: int) -> None:
    """One byte more for each call, again and again."""
    for _ in range(rounds):
        connection.send(b"".join(frame(WINDOW_UPDATE, 0, call, ONE_MORE) for call in calls))
        time.sleep(0.05)


@attack(ATTACKS, "answers-byte-by-byte")
def answers_byte_by_byte() -> str:
    """200 answers of 2 MB, taken twenty bytes a second: others' are served, and memory is bounded."""
    with Proxy(Platform(large).url) as proxy, Connection(proxy.grpc, settings=ONE) as connection:
        calls = [connection.call("GetTask", field(1, f"large-{number}")) for number in range(200)]
        crawl(proxy, connection, calls, 100)
        equal("a small answer's code", answer(proxy.grpc, "GetTask", GET_TASK)[0], OK)
        with Connection(proxy.grpc, settings=setting(INITIAL_WINDOW_SIZE, 1 << 24)) as other:
            equal("a large answer's code", other.answer("GetTask", field(1, "large-one"))[0], OK)
        proxy.probe()
        frames = connection.count(DATA)
        return f"{frames} frames taken, {proxy.peak()}"


@attack(ATTACKS, "events-byte-by-byte")
def events_byte_by_byte() -> str:
    """200 followers of 12 MB of events each, who take twenty bytes a second."""
    with Proxy(Platform(large).url) as proxy, Connection(proxy.grpc, settings=ONE) as connection:
        calls = [connection.call("StreamEvents", field(1, f"task-{number}")) for number in range(200)]
        crawl(proxy, connection, calls, 100)
        equal("a small answer's code", answer(proxy.grpc, "GetTask", GET_TASK)[0], OK)
        proxy.probe()
        return f"{below('seconds of a core', proxy.seconds(), 60)}, {proxy.peak()}"


@attack(ATTACKS, "bytes-of-window-one-by-one")
def bytes_of_window_one_by_one() -> str:
    """An answer of 200 KB whose window is given a byte at a time: so many frames cost no core for long."""
    with Proxy(Platform(large).url) as proxy, Connection(proxy.grpc, settings=setting(INITIAL_WINDOW_SIZE, 0)) as connection:
        call = connection.call("GetTask", field(1, "large-one"))
        before = proxy.seconds()
        for _ in range(200):
            connection.send(frame(WINDOW_UPDATE, 0, call, ONE_MORE) * 1000)
        proxy.probe()
        until("some of it has come", lambda: connection.count(DATA))
        spent = below("seconds of a core for 200,000 updates", proxy.seconds() - before, 20)
        return f"{connection.count(DATA)} frames, {spent}, {proxy.peak()}"

"""Streams: resets that are provoked, resets beside others' calls, floods of settings, bodies of refused calls."""

import signal
import struct
import threading
import time

from wire import (
    ACK,
    CANCEL,
    DATA,
    INITIAL_WINDOW_SIZE,
    OK,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    answer,
    field,
    frame,
    head,
    message,
    setting,
    took,
)
from world import GET_TASK, INVOKE, Attack, Platform, Proxy, attack, below, equal, holds, ordinary, until

ATTACKS: dict[str, Attack] = {}

# What has a server reset a stream, although no client did.
PROVOKED = {
    "window 0": lambda stream: frame(WINDOW_UPDATE, 0, stream, bytes(4)),
    "window overflow": lambda stream: frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff"),
    "data after the end": lambda stream: frame(DATA, 0, stream, b"x"),
    "itself as parent": lambda stream: frame(PRIORITY, 0, stream, struct.pack(">IB", stream, 1)),
    "short priority": lambda stream: frame(PRIORITY, 0, stream, b"abcd"),
    "reset without an error": lambda stream: frame(RST_STREAM, 0, stream, bytes(4)),
}


@attack(ATTACKS, "provoked-resets")
def provoked_resets() -> str:
    """1,500 creates that the server is made to reset: no storm of tasks at the platform."""

    def slowly(method: str, path: str) -> bytes:
        time.sleep(0.3 if method == "POST" else 0)
        return ordinary(method, path)

    figures = []
    for name, way in PROVOKED.items():
        platform = Platform(slowly)
        with Proxy(platform.url) as proxy, Connection(proxy.grpc) as connection:
            for _ in range(30):
                requests = [connection.request("Invoke", INVOKE) for _ in range(50)]
                connection.send(b"".join(request + way(stream) for stream, request in requests))
            proxy.probe()
            until("the platform hears no more", lambda: quiet(platform))
            figures.append(f"{name} {below('creates', platform.creates(), 1500 if name == 'itself as parent' else 1000)}")
            proxy.peak()
    return ", ".join(figures)


def quiet(platform: Platform) -> bool:
    before = platform.creates()
    time.sleep(1)
    return platform.creates() == before


@attack(ATTACKS, "resets-beside-an-upload")
def resets_beside_an_upload() -> str:
    """700 resets on a connection on which another caller uploads 4 MB."""
    with Proxy(Platform(ordinary).url) as proxy, Connection(proxy.grpc) as connection:
        body = message(field(1, "agent-1") + field(2, "x" * 4_000_000))
        upload = connection.stream()
        connection.send(head(connection.block("Invoke"), upload))
        storm = [connection.request("Invoke", INVOKE) for _ in range(700)]
        connection.send(b"".join(request + frame(RST_STREAM, 0, stream, CANCEL) for stream, request in storm))

        def room() -> int:
            """Bytes that the stream's window has let out so far: a mebibyte, and what was added."""
            added = [int.from_bytes(p, "big") for kind, _, of, p in connection.frames if kind == WINDOW_UPDATE and of == upload]
            return 1_048_576 + sum(added)

        def send() -> None:
            for at in range(0, len(body), 16_000):
                part = body[at : at + 16_000]
                holds("there is a window", connection.wait(lambda: at + len(part) <= room()))
                connection.send(frame(DATA, int(at + len(part) == len(body)), upload, part))
            equal("the upload's code", connection.status(upload)[0], OK)

        return below("seconds of the upload", took(send), 10)


@attack(ATTACKS, "settings-flood")
def settings_flood() -> str:
    """SETTINGS that change the windows of 1,000 streams, as fast as they go: others are served."""
    with Proxy(Platform(ordinary).url) as proxy, Connection(proxy.grpc) as connection:
        for _ in range(1000):
            connection.call("GetTask", GET_TASK, end=False)
        flood = b"".join(frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65_535 + even * 1000)) for even in (0, 1))
        over = threading.Event()

        def send() -> None:
            while not over.is_set() and connection.send(flood * 500):
                pass

        flooding = threading.Thread(target=send, daemon=True)
        flooding.start()
        calls = [took(lambda: equal("a code", answer(proxy.grpc, "GetTask", GET_TASK)[0], OK)) for _ in range(10)]
        proxy.probe()
        over.set()
        flooding.join()
        return f"{below('slowest of ten calls in seconds', max(calls), 2)}, {proxy.peak()}"


@attack(ATTACKS, "bodies-of-refused-calls")
def bodies_of_refused_calls() -> str:
    """100,000 calls on 100 connections, refused with their heads, whose bodies do not end: as they come, and at once."""
    figures = []
    for name, settings, path in (
        ("wrong token", {"auth.tokens": "a=" + "ab" * 32}, "GetTask"),
        ("unknown method", {}, "Nope"),
        ("no share", {"server.max_streams": "1"}, "StreamEvents"),
    ):
        for how in ("as they come", "at once"):
            with Proxy(Platform(ordinary).url, settings) as proxy:
                connections = [Connection(proxy.grpc, reads=False) for _ in range(100)]
                sending = [threading.Thread(target=refused, args=(connection, path)) for connection in connections]
                if how == "at once":
                    proxy.process.send_signal(signal.SIGSTOP)
                [thread.start() for thread in sending]
                time.sleep(3 if how == "at once" else 0)
                proxy.process.send_signal(signal.SIGCONT)
                slowest = max(took(proxy.probe) for _ in range(5))
                [thread.join() for thread in sending]
                left = proxy.memory("VmRSS")
                figures.append(f"{name} {how}: {proxy.peak(proxy.idle + 64)}, after it {left:.0f}, slowest probe in s {slowest:.2g}")
    return "; ".join(figures)


@attack(ATTACKS, "stops-without-an-end")
def stops_without_an_end() -> str:
    """20,000 calls of StopTask, which no limit refuses, whose messages do not come."""
    with Proxy(Platform(ordinary).url) as proxy:
        connections = [Connection(proxy.grpc, reads=False) for _ in range(40)]
        for connection in connections:
            refused(connection, "StopTask", 500)
        equal("a stop's code", answer(proxy.grpc, "StopTask", GET_TASK)[0], OK)
        proxy.probe()
        return proxy.peak(128)


def refused(connection: Connection, path: str, calls: int = 1000) -> None:
    """So many of them, and a ping behind, until that is answered."""
    block = connection.block(path)
    streams = [connection.stream() for _ in range(calls)]
    connection.send(b"".join(head(block, stream) for stream in streams) + frame(PING, 0, 0, b"the last"))
    heard = b""
    while frame(PING, ACK, 0, b"the last") not in heard:
        heard = heard[-16:] + connection.socket.recv(65_536)

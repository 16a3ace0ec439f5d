"""Heads: large ones, ones without an end, and what HPACK makes of few bytes."""

from wire import (
    CONTINUATION,
    GOAWAY,
    HEADERS,
    HEADER_TABLE_SIZE,
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    SERVICE,
    SETTINGS,
    Connection,
    frame,
    head,
    setting,
)
from world import GET_TASK, Attack, Platform, Proxy, attack, below, equal, holds, ordinary

ATTACKS: dict[str, Attack] = {}


@attack(ATTACKS, "large-heads")
def large_heads() -> str:
    """4,000 calls, each with 15 KB in one place of its head, whose bodies do not end."""
    large = "x" * 15_000
    figures = []
    for place in ("metadata", "authority", "query", "path"):
        with Proxy(Platform(ordinary).url) as proxy:
            connections = [Connection(proxy.grpc) for _ in range(4)]
            for connection in connections:
                for _ in range(1000):
                    path = {"query": f"{SERVICE}GetTask?{large}", "path": f"/{large}"}.get(place, "GetTask")
                    metadata = [("x-large", large)] if place == "metadata" else []
                    authority = large if place == "authority" else "proxy"
                    block = connection.block(path, metadata, authority)
                    connection.send(head(block, connection.stream()))
            proxy.probe()
            figures.append(f"{place} {proxy.peak()}")
    return ", ".join(figures)


@attack(ATTACKS, "heads-without-an-end")
def heads_without_an_end() -> str:
    """80 KB of a head on each of 1,000 connections: sixty-four may hold so much at once."""
    with Proxy() as proxy:
        connections = []
        for _ in range(1000):
            connection = Connection(proxy.grpc, reads=False)
            block = connection.block("GetTask", [(f"x-{number}", "y" * 15_000) for number in range(5)])
            connection.send(head(block, 1)[:-20])
            connections.append(connection)
        proxy.probe()
        return proxy.peak(proxy.idle + 64)


@attack(ATTACKS, "continuations-without-an-end")
def continuations_without_an_end() -> str:
    """Empty and small CONTINUATION frames: the connection is ended, and soon."""
    figures = []
    for size in (0, 1, 1000):
        with Proxy() as proxy, Connection(proxy.grpc) as connection:
            connection.send(frame(HEADERS, 0, 1, connection.block("GetTask")))
            one = frame(CONTINUATION, 0, 1, bytes([0x40, 1, 120, 1, 121])[:size] if size < 5 else b"\0" * size)
            sent = 0
            while sent < 1_000_000 and connection.send(one * 1000):
                sent += 1000
            holds("the connection is ended", connection.wait(lambda: connection.is_over))
            proxy.probe()
            figures.append(f"{size} bytes: over within {sent} frames, {proxy.peak(proxy.idle + 64)}")
    return ", ".join(figures)


def indexed(connection: Connection, times: int) -> bytes:
    """A head that names an entry of 4 KB of HPACK's table so many times, a byte each."""
    entry = ("x-large", "y" * 3900)
    connection.send(head(connection.block("GetTask", [entry]), connection.stream(), end=True))
    one = connection.encoder.encode([entry])
    equal("the bytes of an indexed entry", len(one), 1)
    return connection.block("GetTask") + one * times


@attack(ATTACKS, "indexed-bombs")
def indexed_bombs() -> str:
    """Heads of a few bytes that say 20 KB to 64 MB: refused alone, or, beyond 512 KiB, with their connection."""
    codes = {}
    with Proxy() as proxy:
        for times in (3, 5, 15, 25, 100, 16_000):
            with Connection(proxy.grpc) as connection:
                block = indexed(connection, times)
                stream = connection.stream()
                connection.send(head(block, stream, end=True))
                codes[times] = connection.status(stream)[0]
        holds(f"the small one is read: {codes}", codes[3] == INVALID_ARGUMENT)
        refused = (codes[5], codes[15], codes[25])
        equal("the codes of those of 20, 59 and 98 KB", refused, (RESOURCE_EXHAUSTED,) * 3)
        equal("the code of that of 390 KB", codes[100], "HTTP 431")
        equal("the code of that of 64 MB", codes[16_000], "closed")
        before = proxy.seconds()
        for _ in range(300):
            with Connection(proxy.grpc) as connection:
                connection.send(head(indexed(connection, 16_000), connection.stream(), end=True))
                holds("the connection is ended", connection.wait(lambda: connection.is_over))
        proxy.probe()
        spent = below("seconds of a core for 300 of 64 MB", proxy.seconds() - before, 10)
        return f"codes {codes}, {spent}, {proxy.peak(proxy.idle + 64)}"


@attack(ATTACKS, "indexed-heads-that-wait")
def indexed_heads_that_wait() -> str:
    """4,000 calls whose heads of 20 bytes say 15 KB, and whose bodies do not end: they count as what they say."""
    with Proxy() as proxy:
        connections = [Connection(proxy.grpc) for _ in range(4)]
        for connection in connections:
            block = indexed(connection, 4)
            streams = [connection.stream() for _ in range(1000)]
            connection.send(b"".join(head(block, stream) for stream in streams))
        proxy.probe()
        heads = [told for connection in connections for told in list(connection.heads.values())]
        refused = sum(told.get("grpc-status") == str(RESOURCE_EXHAUSTED) for told in heads)
        return f"{refused} refused, {proxy.peak()}"


@attack(ATTACKS, "table-sizes")
def table_sizes() -> str:
    """HPACK's table made small and large in each head; made too large; and a client that asks for 4 GB of table."""
    resize = b"\x20\x3f\xe1\x1f"  # To 0, and to 4,096 again.
    with Proxy() as proxy:
        with Connection(proxy.grpc) as connection:
            connection.encoder.header_table_size = 0
            fields = connection.block("GetTask")
            connection.send(b"".join(head(resize + fields, connection.stream(), end=True) for _ in range(1000)))
            last = connection.next - 2
            holds("the last of them is answered", connection.status(last)[0] != "closed")
        with Connection(proxy.grpc) as connection:
            connection.send(head(resize * 4000 + connection.block("GetTask"), 1, end=True))
            connection.wait(lambda: connection.is_over or connection.heads or connection.resets(1))
        with Connection(proxy.grpc) as connection:
            connection.send(head(b"\x3f\xff\xff\xff\x7f" + connection.block("GetTask"), 1, end=True))
            holds("a table beyond what was offered ends the connection", connection.wait(lambda: connection.is_over))
            holds("with a reason", connection.count(GOAWAY))
        with Connection(proxy.grpc, settings=setting(HEADER_TABLE_SIZE, 0xFFFF_FFFF)) as connection:
            for _ in range(500):
                connection.answer("GetTask", GET_TASK)
        with Connection(proxy.grpc) as connection:
            sizes = [0, 0xFFFF_FFFF, 4096]
            flood = b"".join(frame(SETTINGS, 0, 0, setting(HEADER_TABLE_SIZE, size)) for size in sizes)
            for _ in range(30):
                connection.send(flood * 100)
            proxy.probe()
        return proxy.peak(proxy.idle + 64)

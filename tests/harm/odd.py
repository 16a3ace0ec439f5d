"""Odd requests, each on a connection that it shares with another caller's: they may be refused, and end nobody else's call."""

from collections.abc import Callable

from wire import (
    CANCEL,
    DATA,
    END_STREAM,
    OK,
    PRIORITY,
    RST_STREAM,
    WINDOW_UPDATE,
    Connection,
    Metadata,
    frame,
    head,
    message,
)
from world import GET_TASK, Attack, Platform, Proxy, attack, equal, holds, ordinary

ATTACKS: dict[str, Attack] = {}
BODY = message(GET_TASK)
Odd = Callable[[Connection, int], bytes]


def fields(connection: Connection, metadata: Metadata) -> bytes:
    return connection.encoder.encode([(name, value, True) for name, value in metadata], huffman=False)


def beside(*metadata: tuple[str, str], body: bytes = BODY) -> Odd:
    """A good request with this metadata."""
    return lambda connection, stream: head(connection.block("GetTask", metadata), stream) + frame(DATA, END_STREAM, stream, body)


def behind(*metadata: tuple[str, str], end: bool = True) -> Odd:
    """One with these trailers."""
    return lambda connection, stream: (
        head(connection.block("GetTask"), stream)
        + frame(DATA, 0, stream, BODY)
        + head(fields(connection, metadata), stream, end)
    )


def pseudo(**names: str) -> Odd:
    """One with these pseudo-headers alone."""
    return lambda connection, stream: head(
        fields(connection, [(f":{name}", value) for name, value in names.items()] + [("content-type", "application/grpc")]),
        stream,
        end=True,
    )


def among(frames: Callable[[int], bytes]) -> Odd:
    """One with these frames between its head and its message."""
    return lambda connection, stream: (
        head(connection.block("GetTask"), stream) + frames(stream) + frame(DATA, END_STREAM, stream, BODY)
    )


ODD: dict[str, Odd] = {
    "trailers of 45 KB": behind(("x", "y" * 45_000)),
    "trailers of 100 KB": behind(("x", "y" * 100_000)),
    "trailers that end nothing": behind(("x", "y"), end=False),
    "a path in trailers": behind((":path", "/y")),
    "connection in trailers": behind(("connection", "y")),
    "a content-length too small": beside(("content-length", "3")),
    "a content-length too large": beside(("content-length", "300")),
    "two content-lengths": beside(("content-length", "3"), ("content-length", "4")),
    "a huge content-length": beside(("content-length", "9" * 20)),
    "expect": beside(("expect", "100-continue")),
    "3,000 cookies": beside(*[("cookie", "a=b")] * 3_000),
    "metadata that is no base64": beside(("x-bin", "%%%"), ("grpc-trace-bin", "!!")),
    "an unknown encoding": beside(("grpc-encoding", "br"), body=b"\1" + BODY[1:]),
    "fifty messages": beside(body=BODY * 50),
    "padding": lambda connection, stream: (
        head(connection.block("GetTask"), stream) + frame(DATA, END_STREAM | 8, stream, b"\xc8" + BODY + bytes(200))
    ),
    "20,000 windows": among(lambda stream: frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\1") * 20_000),
    "20,000 priorities": among(lambda stream: frame(PRIORITY, 0, stream, bytes(5)) * 20_000),
    "5,000 unknown frames": among(lambda stream: frame(77, 255, stream, bytes(100)) * 5_000),
    "GET": pseudo(method="GET", scheme="http", path="/x", authority="proxy"),
    "a star": pseudo(method="OPTIONS", scheme="http", path="*", authority="proxy"),
    "a path of 60 KB": pseudo(method="POST", scheme="http", path="/" + "x" * 60_000, authority="proxy"),
    "an extended CONNECT": pseudo(method="CONNECT", protocol="websocket", scheme="http", path="/x", authority="proxy"),
    "a reset at once": lambda connection, stream: head(connection.block("GetTask"), stream) + frame(RST_STREAM, 0, stream, CANCEL),
}


@attack(ATTACKS, "odd-requests")
def odd_requests() -> str:
    """Each beside another caller's requests, before and behind it."""
    with Proxy(Platform(ordinary).url) as proxy:
        for name, odd in ODD.items():
            with Connection(proxy.grpc) as connection:
                for _ in range(2):
                    equal(f"another's code beside {name}", connection.answer("GetTask", GET_TASK)[0], OK)
                    connection.send(odd(connection, connection.stream()))
                equal(f"another's code behind {name}", connection.answer("GetTask", GET_TASK)[0], OK)
                holds(f"the connection is open behind {name}", not connection.is_over)
        return f"{len(ODD)} of them, {proxy.peak(64)}"


@attack(ATTACKS, "trailers-behind-resets")
def trailers_behind_resets() -> str:
    """Trailers that were on their way when their stream was reset, of more calls than HTTP/2 remembers."""
    for path, authority, metadata in (("Nope", "proxy", ()), ("GetTask", "a|b", ()), ("GetTask", "proxy", [("x", "y" * 140_000)])):
        with Proxy(Platform(ordinary).url) as proxy, Connection(proxy.grpc) as connection:
            streams = [connection.stream() for _ in range(90)]
            connection.send(b"".join(head(connection.block(path, metadata, authority), stream) for stream in streams))
            holds("some are reset", connection.wait(lambda: connection.count(RST_STREAM) >= 58))
            connection.send(b"".join(head(fields(connection, [("x", "y")]), stream, end=True) for stream in reversed(streams)))
            equal("another's code", connection.answer("GetTask", GET_TASK)[0], OK)
    return "three kinds"

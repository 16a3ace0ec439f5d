"""HTTP/2 as bytes, so that it can be spoken wrongly, and the little of protobuf that requests need."""

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable

from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
CANCEL = struct.pack(">I", 8)
# The largest payload that a peer takes without having said so.
LARGEST = 16_384
SERVICE = "/xpander.agent.v1.AgentService/"
CHECK = "/grpc.health.v1.Health/Check"
OK, INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED = 0, 3, 7, 8, 16
# Seconds that an answer may take on a busy machine.
SOON = 60.0

Metadata = Iterable[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def setting(name: int, value: int) -> bytes:
    return struct.pack(">HI", name, value)


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: str) -> bytes:
    """A field of text."""
    content = value.encode()
    return varint(number << 3 | 2) + varint(len(content)) + content


def message(content: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(content)) + content


def split(content: bytes) -> list[bytes]:
    return [content[at : at + LARGEST] for at in range(0, len(content), LARGEST)] or [b""]


def head(block: bytes, stream: int, end: bool = False) -> bytes:
    """The frames of a head."""
    *before, last = split(block)
    kinds = [HEADERS] + [CONTINUATION] * len(before)
    flags = [END_STREAM if end else 0] + [0] * len(before)
    flags[-1] |= END_HEADERS
    parts = zip(kinds, flags, [*before, last], strict=True)
    return b"".join(frame(kind, flag, stream, part) for kind, flag, part in parts)


class Connection:
    """A client's connection; a thread collects what comes, unless nothing is to be read."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, settings: bytes = b"", reads: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SOON)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.encoder, self.decoder = Encoder(), Decoder()
        self.frames: list[tuple[int, int, int, bytes]] = []
        self.heads: dict[int, dict[str, str]] = {}
        self.is_over = False
        self.changed, self.writing = threading.Condition(), threading.Lock()
        self.next = 1
        # The connection's own window holds nothing up: streams' do.
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, b"\x70\0\0\0"))
        if reads:
            threading.Thread(target=self._read, daemon=True).start()
            self.wait(lambda: self.is_over or self.count(SETTINGS))

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, content: bytes) -> bool:
        """Whether it went out: it does not where the other side has closed."""
        try:
            with self.writing:
                self.socket.sendall(content)
        except OSError:
            return False
        return True

    def stream(self) -> int:
        self.next += 2
        return self.next - 2

    def block(self, path: str, metadata: Metadata = (), authority: str = "proxy") -> bytes:
        """An encoded head; a path without a slash is a method of the service. Only metadata stays in HPACK's table."""
        fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path if path.startswith("/") else SERVICE + path),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        never_indexed = [(name, value, True) for name, value in fields]
        return self.encoder.encode(never_indexed + list(metadata), huffman=False)

    def request(self, path: str, content: bytes, metadata: Metadata = (), end: bool = True) -> tuple[int, bytes]:
        """A call's stream and its frames, which are not sent."""
        stream = self.stream()
        *before, last = split(message(content))
        body = [frame(DATA, 0, stream, part) for part in before] + [frame(DATA, int(end), stream, last)]
        return stream, head(self.block(path, metadata), stream) + b"".join(body)

    def call(self, path: str, content: bytes, metadata: Metadata = (), end: bool = True) -> int:
        stream, frames = self.request(path, content, metadata, end)
        self.send(frames)
        return stream

    def status(self, stream: int, seconds: float = SOON) -> tuple[int | str, str]:
        """The call's code and message; a word where it has none."""
        def is_told() -> bool:
            told = self.heads.get(stream, {})
            return "grpc-status" in told or told.get(":status", "200") != "200"

        self.wait(lambda: is_told() or self.is_over or self.resets(stream), seconds)
        told = self.heads.get(stream, {})
        if "grpc-status" in told:
            return int(told["grpc-status"]), told.get("grpc-message", "")
        if told.get(":status", "200") != "200":
            return f"HTTP {told[':status']}", ""
        if self.resets(stream):
            return "reset", ""
        return "closed" if self.is_over else "nothing", ""

    def answer(self, path: str, content: bytes, metadata: Metadata = (), seconds: float = SOON) -> tuple[int | str, str]:
        return self.status(self.call(path, content, metadata), seconds)

    def resets(self, stream: int) -> list[bytes]:
        return [payload for kind, _, of, payload in list(self.frames) if kind == RST_STREAM and of == stream]

    def count(self, kind: int) -> int:
        return sum(seen == kind for seen, *_ in list(self.frames))

    def wait(self, is_so: Callable[[], object], seconds: float = SOON) -> bool:
        """Whether it came to be so in time."""
        with self.changed:
            return bool(self.changed.wait_for(is_so, seconds))

    def _receive(self, length: int) -> bytes:
        if not isinstance(self.socket, ssl.SSLSocket):
            return self.socket.recv(length)
        # Python's TLS must not be read and written at once.
        while not self.socket.pending() and not select.select([self.socket], [], [], SOON)[0]:
            pass
        with self.writing:
            return self.socket.recv(length)

    def _exactly(self, length: int) -> bytes:
        out = b""
        while len(out) < length:
            part = self._receive(length - len(out))
            if not part:
                raise EOFError
            out += part
        return out

    def _read(self) -> None:
        try:
            self.socket.settimeout(None)
            while True:
                start = self._exactly(9)
                kind, flags, stream = start[3], start[4], int.from_bytes(start[5:], "big")
                payload = self._exactly(int.from_bytes(start[:3], "big"))
                if kind in (SETTINGS, PING) and not flags & ACK:
                    self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
                with self.changed:
                    if kind == HEADERS:
                        self.heads.setdefault(stream, {}).update(dict(self.decoder.decode(payload)))
                    self.frames.append((kind, flags, stream, payload))
                    self.changed.notify_all()
        except (OSError, EOFError, ValueError):
            with self.changed:
                self.is_over = True
                self.changed.notify_all()


def answer(port: int, path: str, content: bytes = b"", metadata: Metadata = (), tls: ssl.SSLContext | None = None) -> tuple[int | str, str]:
    """Of one call, on a connection of its own."""
    with Connection(port, tls) as connection:
        return connection.answer(path, content, metadata)


def took(call: Callable[[], object]) -> float:
    """Seconds."""
    start = time.monotonic()
    call()
    return time.monotonic() - start

"""What a hostile platform answers: without an end, large, interim, and in words that are meant for a log."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

from wire import (
    ACK,
    CANCEL,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    INVALID_ARGUMENT,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    field,
    frame,
    setting,
    took,
)
from world import EVENTS, GET_TASK, Attack, Platform, Proxy, attack, below, equal, named, ordinary, reply, task, until

ATTACKS: dict[str, Attack] = {}
TWO_SECONDS = [("grpc-timeout", "2S")]


@attack(ATTACKS, "events-without-an-end")
def events_without_an_end() -> str:
    """40 streams, on each 15 MB of one event that does not end."""

    def endless(method: str, path: str) -> bytes | Iterator[bytes]:
        if path.endswith("/events"):
            return iter([EVENTS, b'data: {"type":"chunk","data":"', *[b"x" * 65_536] * 240])
        return ordinary(method, path)

    with Proxy(Platform(endless).url) as proxy, Connection(proxy.grpc) as connection:
        for number in range(40):
            connection.call("StreamEvents", field(1, f"task-{number}"))
        time.sleep(8)
        proxy.probe()
        return proxy.peak()


@attack(ATTACKS, "large-refusals")
def large_refusals() -> str:
    """30 refusals at once whose words are 30 MB."""
    refusal = reply(400, b'{"detail":"' + b"x" * (30 << 20) + b'"}')
    with Proxy(Platform(lambda *_: refusal).url) as proxy, Connection(proxy.grpc) as connection:
        calls = [connection.call("GetTask", field(1, f"task-{number}")) for number in range(30)]
        codes = {connection.status(call)[0] for call in calls}
        equal("the codes", codes, {INVALID_ARGUMENT})
        return proxy.peak()


class Interim:
    """Answers each connection's first request with 103 again and again, or with these frames, until the connection is closed."""

    def __init__(self, speaks_http2: bool, frames: bytes = b"") -> None:
        self.speaks_http2, self.frames, self.sent, self.open = speaks_http2, frames, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            threading.Thread(target=self._serve, args=self.listener.accept()[:1], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.open += 1
        one = b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n"
        with contextlib.suppress(OSError), connection:
            if self.speaks_http2:
                connection.sendall(frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))
                # Its first request has stream 1.
                one = self.frames or frame(HEADERS, END_HEADERS, 1, b"\x08\x03103")
                read = b""
                while frame(HEADERS, END_HEADERS | 1, 1)[3:] not in read:
                    read += connection.recv(65_536)
            else:
                connection.recv(65_536)
            while True:
                connection.sendall(one * 1000)
                self.sent += 1000
        self.open -= 1


@attack(ATTACKS, "interim-answers")
def interim_answers() -> str:
    """103 without an end to 20 calls with a deadline of 2 s: with the calls it ends."""
    figures = []
    for name, mode in (("HTTP/1.1", "off"), ("HTTP/2", "prior-knowledge")):
        platform = Interim(speaks_http2=mode != "off")
        with Proxy(platform.url, {"platform.http2": mode, "platform.retries": "0"}) as proxy:
            with Connection(proxy.grpc) as connection:
                calls = [connection.call("GetTask", GET_TASK, TWO_SECONDS) for _ in range(20)]
                proxy.probe()
                start = time.monotonic()
                codes = {connection.status(call)[0] for call in calls}
                late = below("seconds to the last answer", time.monotonic() - start, 10)
            until("all connections are closed", lambda: platform.open == 0)
            before = proxy.seconds()
            time.sleep(2)
            spent = below("seconds of a core in the 2 s after", proxy.seconds() - before, 0.5)
            figures.append(f"{name} {platform.sent} answers, {late}, codes {sorted(map(str, codes))}, {spent}, {proxy.peak()}")
    return ", ".join(figures)


CONTROL = {
    "PING": frame(PING, 0, 0, b"12345678"),
    "SETTINGS": frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65_535)),
    "windows": frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
    "a stream's windows": frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"),
    "unknown frames": frame(99, 0, 0, bytes(50)),
    "priorities": frame(PRIORITY, 0, 1, bytes(5)),
    "resets": frame(RST_STREAM, 0, 1, CANCEL),
    "pushes": frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x82\x86\x84"),
    "empty data": frame(DATA, 0, 1),
    "GOAWAY": frame(GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0"),
    "empty heads": frame(HEADERS, END_HEADERS, 1),
    "acknowledgements": frame(SETTINGS, ACK, 0),
}


@attack(ATTACKS, "control-frames")
def control_frames() -> str:
    """Frames without an end in place of an answer: the calls end in time, and with them the frames."""
    for name, frames in CONTROL.items():
        platform = Interim(True, frames)
        settings = {"platform.http2": "prior-knowledge", "platform.retries": "0"}
        with Proxy(platform.url, settings) as proxy, Connection(proxy.grpc) as connection:
            calls = [connection.call("GetTask", GET_TASK, TWO_SECONDS) for _ in range(3)]
            below(f"seconds to the last answer under {name}", took(lambda: [connection.status(call) for call in calls]), 10)
            until(f"all connections are closed under {name}", lambda: platform.open == 0)
            proxy.probe()
            proxy.peak(64)
    return f"{len(CONTROL)} kinds"


EVIL = "EVIL\r\n2026-01-01T00:00:00Z  INFO forged\u2028\x1b[31m"


def bare(start: str, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {start}", *headers, "", body]).encode()


HOSTILE = {
    "detail": reply(400, {"detail": EVIL}),
    "failure": reply(500, {"detail": EVIL}),
    "reason": bare("500 EVIL\x1b[31m forged", "content-length: 0"),
    "task-id": reply(200, task("EVIL\nx")),
    "cut-json": reply(200, b'{"id":"EVIL\x1b'),
    "coding": bare("200 OK", "content-type: EVIL", "content-encoding: EVIL", "content-length: 1", body="x"),
    "header": bare("200 OK", "EVIL\x01: \x02", "content-length: 1", body="x"),
    "garbage": b"EVIL\x1b[31m\n\n",
    "redirect": bare("302 X", "location: http://EVIL/", "content-length: 0"),
    "retry-after": bare("503 X", "retry-after: EVIL", "content-length: 0"),
    "status-999": bare("999 EVIL", "content-length: 0"),
    "status-199": bare("199 EVIL", "content-length: 0"),
    "chunk": bare("200 OK", "transfer-encoding: chunked", body="EVIL\r\n"),
    "two-lengths": bare("200 OK", "content-length: 5", "content-length: 6", body="EVILx"),
    "huge-length": bare("200 OK", "content-length: 99999999999999999999", body="EVIL"),
    "task-status": reply(200, task("task-1", status="EVIL\n\x1b")),
}
ODD_IDS = ["EVIL\n", "../x", "a/b", "a%2fb", "\u202e", "a" * 129, ".", "..", "", "a b", "a?b", "a#b", "é"]


def hostile(method: str, path: str) -> bytes:
    if path.endswith("/events"):
        event = json.dumps({"type": EVIL, "data": EVIL, "id": EVIL}).encode()
        return EVENTS + b"event: EVIL\x1b\nid: EVIL\x1b[31m\ndata: " + event + b"\n\ndata: EVIL{\n\nretry: EVIL\n\n"
    if "/agents/" in path:
        return ordinary(method, path)
    return HOSTILE.get(named(path), ordinary(method, path))


@attack(ATTACKS, "words-for-the-log")
def words_for_the_log() -> str:
    """Hostile answers, ids and metadata; no line of the log, in any form, has their words or a control character."""
    lines = 0
    for form, level in (("text", "debug"), ("json", "trace")):
        platform = Platform(hostile)
        with Proxy(platform.url, {"telemetry.log_format": form}, level) as proxy, Connection(proxy.grpc) as connection:
            for name in HOSTILE:
                for method in ("GetTask", "StopTask", "Invoke"):
                    prompt = field(2, "x") if method == "Invoke" else b""
                    connection.answer(method, field(1, name) + prompt, TWO_SECONDS)
            for odd in ODD_IDS:
                for method in ("GetTask", "StopTask", "StreamEvents"):
                    equal(f"the code of {method} {odd!r}", connection.answer(method, field(1, odd))[0], INVALID_ARGUMENT)
            odd_metadata = [(name, "EVIL id") for name in ("x-request-id", "traceparent", "tracestate", "baggage", "user-agent")]
            connection.answer("StreamEvents", field(1, "task-1"), TWO_SECONDS + odd_metadata)
            log = proxy.log().splitlines()
        lines += len(log)
        equal("a line with hostile words", next((line for line in log if "EVIL" in line or "\x1b" in line), None), None)
        if form == "json":
            [json.loads(line) for line in log]
        odd_paths = [path for _, path, _ in platform.seen if ".." in path or "%" in path]
        equal("odd paths at the platform", odd_paths, [])
    return f"{len(HOSTILE)} answers, {len(ODD_IDS)} ids, {lines} lines of log"

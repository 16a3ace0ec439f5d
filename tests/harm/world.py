"""The binary as a process that is measured, a platform that says what an attack has it say, and words for what has to hold."""

import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from wire import CHECK, OK, SOON, answer, field

BINARY = os.environ["XPANDER_PROXY_BINARY"]
KEY = "key-of-the-platform-0123456789"
# The memory limit of the chart, which a replica has to live in.
LIMIT_MB = 384.0
GET_TASK = field(1, "task-1")
INVOKE = field(1, "agent-1") + field(2, "hi")
PLATFORM_NEEDS = {"XPANDER_API_KEY": KEY, "XPANDER_ORGANIZATION_ID": "org-1"}

Attack = Callable[[], str]


def attack(attacks: dict[str, Attack], name: str) -> Callable[[Attack], Attack]:
    def register(function: Attack) -> Attack:
        attacks[name] = function
        return function

    return register


def holds(what: str, holds_true: object) -> None:
    if not holds_true:
        raise AssertionError(f"it does not hold that {what}")


def equal(what: str, seen: object, expected: object) -> None:
    if seen != expected:
        raise AssertionError(f"{what} is {seen!r}, not {expected!r}")


def below(what: str, seen: float, bound: float) -> str:
    """What was seen, as a figure, once it is within its bound."""
    holds(f"{what} is below {bound:g}: it is {seen:.3g}", seen < bound)
    return f"{what} {seen:.3g} (below {bound:g})"


def until(what: str, is_so: Callable[[], object], seconds: float = SOON) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        holds(f"within {seconds:g} s {what}", time.monotonic() < deadline)
        time.sleep(0.05)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Settings of the proxy by their keys, variables by their names in capitals; nothing of this process."""
    named = {}
    for name, value in settings.items():
        named[name if name.isupper() else "XPANDER_PROXY_" + name.replace(".", "__").upper()] = value
    return named


def run(arguments: list[str], settings: dict[str, str]) -> tuple[int, str]:
    """The code and all words of a command that ends."""
    command = [BINARY, *arguments]
    try:
        done = subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=SOON)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{arguments} goes on") from error
    return done.returncode, done.stdout + done.stderr


class Proxy:
    """A proxy before the sandbox, or before `platform`."""

    def __init__(self, platform: str = "", settings: dict[str, str] | None = None, level: str = "info") -> None:
        settings = settings or {}
        defaults = {"telemetry.log_filter": level, "server.drain_delay": "0s"}
        if platform:
            defaults |= {"XPANDER_BASE_URL": platform, "XPANDER_ORGANIZATION_ID": "org-1"}
            if "platform.api_key_file" not in settings:
                defaults["XPANDER_API_KEY"] = KEY
        self.log_file = tempfile.NamedTemporaryFile(prefix="harm", suffix=".log")
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        command += [] if platform else ["--sandbox"]
        self.process = subprocess.Popen(
            command, env=environment(defaults | settings), stdout=subprocess.DEVNULL, stderr=self.log_file
        )
        until("it serves", lambda: self._ports() or self.process.poll() is not None)
        holds(f"it starts: {self.log()[-300:]}", self.process.poll() is None)
        self.grpc, self.admin = self._ports()
        self.idle = self.memory("VmRSS")

    def _ports(self) -> list[int]:
        return [int(port) for port in re.findall(r'(?:grpc|admin)"?[:=]"?127\.0\.0\.1:(\d+)', self.log())[:2]]

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        code = self.process.poll()
        self.process.kill()
        self.process.wait()
        if error is None:
            equal("the code of the process, which has to be alive,", code, None)

    def log(self) -> str:
        return Path(self.log_file.name).read_text(errors="replace")

    def memory(self, what: str = "VmHWM") -> float:
        """Megabytes: the peak, or `VmRSS`, those of now."""
        found = re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024

    def seconds(self) -> float:
        """Of processor time so far."""
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metrics(self) -> str:
        return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=SOON).read().decode()

    def probe(self) -> None:
        """What Kubernetes asks has to be answered, whatever goes on."""
        equal("a probe's answer", answer(self.grpc, CHECK)[0], OK)
        urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=SOON).read()

    def peak(self, bound: float = LIMIT_MB) -> str:
        return below("peak MB", self.memory(), bound)


class Platform:
    """Speaks HTTP/1.1 over TCP: a function makes bytes, or an iterator of them, of a method and a path."""

    def __init__(self, answers: Callable[[str, str], bytes | Iterator[bytes]]) -> None:
        self.answers = answers
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def creates(self) -> int:
        return sum(method == "POST" for method, *_ in list(self.seen))

    def _accept(self) -> None:
        while True:
            threading.Thread(target=self._serve, args=self.listener.accept()[:1], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as requests:
            while line := requests.readline():
                method, path, _ = line.decode("latin1").split(" ")
                headers = {}
                while (header := requests.readline().decode("latin1").strip()):
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                requests.read(int(headers.get("content-length", 0)))
                self.seen.append((method, path, headers))
                answers = self.answers(method, path)
                for part in [answers] if isinstance(answers, bytes) else answers:
                    connection.sendall(part)


def reply(status: int, content: dict | bytes) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    start = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return start.encode() + body


EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def task(task_id: str, status: str = "executing", **fields: object) -> dict:
    known = {"id": task_id, "agent_id": "agent-1", "organization_id": "org-1", "status": status}
    return known | {"input": {"text": "hi"}, "events_streaming": True, "created_at": "2025-01-01T00:00:00Z"} | fields


def named(path: str) -> str:
    """The task or agent that a path names."""
    return re.split(r"/agents/|/agent-execution/", path)[-1].split("/")[0].split("?")[0]


def ordinary(method: str, path: str) -> bytes:
    if "/agents/" in path:
        return reply(200, {"id": named(path), "organization_id": "org-1"})
    return reply(200, task("task-1" if method == "POST" else named(path)))

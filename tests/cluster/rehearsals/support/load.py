"""The pod of callers (tests/cluster/load/callers.py): begun, seen to go on, and ended with its account."""

import json
from pathlib import Path

from .cluster import REGISTRY, REPOSITORY, until
from .namespace import BESIDE_THE_PLATFORM, NAME, UNPRIVILEGED, Namespace

SERVICE = f"{NAME}:50051"
HEADLESS = f"dns:///{NAME}-headless:50051"
WRITE = "import sys; open('/tmp/token', 'w').write(sys.argv[1])"
STOP = "import os, signal; os.kill(1, signal.SIGTERM)"


class Load:
    def __init__(self, namespace: Namespace, *arguments: str, token: str = "", projected: dict | None = None) -> None:
        """With a token, which stands in /tmp/token, or with the one of a service account."""
        self.namespace = namespace
        account = projected or {
            "spec": {},
            "volume": {"name": "none", "emptyDir": {}},
            "mount": {"name": "none", "mountPath": "/none"},
        }
        mounts = [{"name": "tmp", "mountPath": "/tmp"}, account["mount"]]
        container = {"image": f"{REGISTRY}/caller:1", "args": ["/load/callers.py", *arguments], "volumeMounts": mounts}
        first = {"name": "token", "image": f"{REGISTRY}/caller:1", "args": ["-c", WRITE, token], "volumeMounts": mounts}
        more = {"initContainers": [{**first, "securityContext": UNPRIVILEGED}]} if token else {}
        volumes = [{"name": "tmp", "emptyDir": {}}, account["volume"]]
        namespace.pod("load", container, affinity=BESIDE_THE_PLATFORM, volumes=volumes, **more, **account["spec"])
        self.goes_on()

    def shows(self, token: str) -> None:
        """From the next call on."""
        self.python("-c", WRITE, token)

    def python(self, *words: str) -> str:
        """What a program in the callers' pod prints."""
        return self.namespace.kubectl("exec", "load", "--container=load", "--", "python3", *words)

    def told(self) -> dict:
        """Its latest line."""
        lines = self.namespace.logs("load", "--tail=1").splitlines()
        phase = self.namespace.found("pod", "load")["status"]["phase"]
        assert phase in ("Pending", "Running", "Succeeded"), self.namespace.logs("load")
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    def is_begun(self) -> bool:
        pod = self.namespace.found("pod", "load")
        return pod["status"]["phase"] != "Pending" and "steps" in self.told()

    def goes_on(self, calls: int = 5) -> None:
        """Waits until each caller has done so many more calls, or seen so many more events."""
        until("the callers have begun", self.is_begun)
        before = self.told()["steps"]

        def all_go_on() -> bool:
            return all(now >= then + calls for now, then in zip(self.told()["steps"], before, strict=True))

        until(f"each caller has done {calls} more calls", all_go_on, 600)

    def end(self, name: str) -> dict:
        """Ends it, and returns its account: nothing is lost or doubled in any rehearsal, and none lied to."""
        self.goes_on()
        self.python("-c", STOP)
        account = until("the account is there", lambda: self.told().get("account"), 900)
        self.namespace.accounts.append((name, account))
        print(f"{name}: {json.dumps(account)}")
        for nothing in ("doubled tasks", "lost tasks", "doubled events", "lost events", "unfinished streams"):
            assert account.get(nothing, 0) == 0, (nothing, account)
        assert "not_created: a task" not in account["failed creates"], account
        return account


def failed(account: dict, kind: str) -> dict[str, int]:
    """The failures of reads, creates or streams, by what callers were told."""
    own = {what: count for what, count in account["failed"].items() if what.startswith(kind)}
    return {what.removeprefix(f"{kind} "): count for what, count in own.items()}


def table(accounts: list[tuple[str, dict]]) -> str:
    """The accounts, as docs/kubernetes.md has them."""
    lines = [
        "| what | seconds | reads | creates | failed | streams, resumed | events |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, account in accounts:
        calls = {what: count for what, count in account["failed"].items() if not what.startswith("streams")}
        shown = ", ".join(f"{count} {what}" for what, count in calls.items()) or "0"
        streams = f"{account.get('streams', 0)}, {account.get('resumed', 0)}"
        numbers = account["seconds"], account.get("reads", 0), account.get("creates", 0), shown, streams
        lines.append(f"| {' | '.join(map(str, (name, *numbers, account.get('events', 0))))} |")
    return "\n".join(lines)


def written(accounts: list[tuple[str, dict]]) -> None:
    folder = REPOSITORY / "target/cluster"
    folder.mkdir(parents=True, exist_ok=True)
    with Path(folder, "accounts").open("a") as file:
        file.writelines(json.dumps({name: account}) + "\n" for name, account in accounts)

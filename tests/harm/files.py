"""Files of keys, tokens and certificates that are odd, or exchanged half-way: nothing opens, nothing stops."""

import hashlib
import tempfile
import threading
import time
from pathlib import Path

from certificates import Authority, trusting
from wire import OK, UNAUTHENTICATED, answer
from world import GET_TASK, PLATFORM_NEEDS, Attack, Platform, Proxy, attack, equal, holds, ordinary, run, until

ATTACKS: dict[str, Attack] = {}


def line(name: str, token: str) -> str:
    return f"{name}={hashlib.sha256(token.encode()).hexdigest()}\n"


def code(proxy: Proxy, token: str | None) -> int | str:
    return answer(proxy.grpc, "GetTask", GET_TASK, [("authorization", f"Bearer {token}")] if token else [])[0]


@attack(ATTACKS, "odd-files-at-the-start")
def odd_files_at_the_start() -> str:
    """Files that hold no key or no token stop the start; that anybody may read them does not."""
    odd = {"empty": b"", "blank": b" \n\n", "two lines": b"key\nkey\n", "bytes": bytes(range(256)), "NUL": b"key\0"}
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder, name.replace(" ", "-")) for name in odd}
        for name, content in odd.items():
            places[name].write_bytes(content)
        places |= {"missing": Path(folder, "nothing"), "a folder": Path(folder), "a link to itself": Path(folder, "link")}
        places["a link to itself"].symlink_to(places["a link to itself"])
        for setting, given in (
            ("platform.api_key_file", {"XPANDER_ORGANIZATION_ID": "org-1"}),
            ("auth.tokens_file", PLATFORM_NEEDS),
            ("deduplication.store_file", PLATFORM_NEEDS),
        ):
            for name, place in places.items():
                ended, words = run(["check"], given | {setting: str(place)})
                equal(f"the code for {setting} that is {name} ({words[:200]})", ended, 2)
                holds(f"{setting} that is {name} is told by its name: {words}", setting in words)
        open_key = Path(folder, "open")
        open_key.write_text("key-that-anybody-may-read\n")
        open_key.chmod(0o666)
        ended, words = run(["check"], {"XPANDER_ORGANIZATION_ID": "org-1", "platform.api_key_file": str(open_key)})
        equal("the code for a file that anybody may read", ended, 0)
        holds("its content is not told", "key-that" not in words)
    return "24 refused"


@attack(ATTACKS, "tokens-exchanged-half-way")
def tokens_exchanged_half_way() -> str:
    """A file of tokens is cut, emptied, removed and made a folder, under way: the old ones stay, and nobody else gets in."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tokens")
        whole = line("a", "token-a") + line("b", "token-b")
        file.write_text(whole)
        platform = Platform(ordinary)
        with Proxy(platform.url, {"auth.tokens_file": str(file)}) as proxy:

            def nobody_else(when: str) -> None:
                for token in (None, "wrong", "token-c"):
                    equal(f"the code of {token}, {when}", code(proxy, token), UNAUTHENTICATED)

            for when, change in {
                "cut": lambda: file.write_text(whole[:40]),
                "emptied": lambda: file.write_text(""),
                "blank": lambda: file.write_text("\n \n"),
                "of comments": lambda: file.write_text("# Nobody.\n"),
                "bytes": lambda: file.write_bytes(bytes(range(256))),
                "removed": file.unlink,
                "a folder": file.mkdir,
            }.items():
                told = proxy.log().count("cannot be used")
                change()
                until(f"it is told that the file is {when}", lambda: proxy.log().count("cannot be used") > told)
                equal(f"the code of a known token, {when}", code(proxy, "token-a"), OK)
                nobody_else(when)
            file.rmdir()
            file.write_text(line("c", "token-c"))
            until("the new one is in force", lambda: code(proxy, "token-c") == OK)
            equal("the code of the old one", code(proxy, "token-a"), UNAUTHENTICATED)
        ended, _ = run(["check"], PLATFORM_NEEDS | {"auth.tokens_file": "/dev/null"})
        equal("the code of a start with an emptied file", ended, 2)
    return "7 ways"


@attack(ATTACKS, "tokens-exchanged-all-the-time")
def tokens_exchanged_all_the_time() -> str:
    """The file is written in pieces, without a rename, while a caller with a token that always stands first calls."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tokens")
        first = line("a", "token-a")
        file.write_text(first)
        over = threading.Event()

        def rewrite() -> None:
            number = 0
            while not over.wait(0.02):
                number += 1
                with file.open("w") as out:
                    for part in (first, line("b", f"token-{number}")[:30], line("b", f"token-{number}")[30:]):
                        out.write(part)
                        out.flush()
                        over.wait(0.02)

        with Proxy(Platform(ordinary).url, {"auth.tokens_file": str(file)}) as proxy:
            rewriting = threading.Thread(target=rewrite)
            rewriting.start()
            end, calls = time.monotonic() + 5, 0
            try:
                while time.monotonic() < end:
                    equal("the caller's code", code(proxy, "token-a"), OK)
                    equal("nobody's code", code(proxy, None), UNAUTHENTICATED)
                    calls += 1
            finally:
                over.set()
                rewriting.join()
    return f"{calls} calls"


@attack(ATTACKS, "key-emptied")
def key_emptied() -> str:
    """The key's file is emptied, cut and removed, under way: the old key goes on to be used."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "key")
        file.write_text("first-key")
        platform = Platform(ordinary)
        with Proxy(platform.url, {"platform.api_key_file": str(file)}) as proxy:
            for change in (lambda: file.write_text(""), lambda: file.write_bytes(b"\0\xff"), file.unlink):
                told = proxy.log().count("cannot be used")
                change()
                until("it is told", lambda: proxy.log().count("cannot be used") > told)
                equal("a code", code(proxy, None), OK)
                equal("the key", platform.seen[-1][2]["x-api-key"], "first-key")
            file.write_text("second-key")

            def second() -> bool:
                code(proxy, None)
                return platform.seen[-1][2]["x-api-key"] == "second-key"

            until("the second key is in force", second)
            holds("no key is in the log", "-key" not in proxy.log().replace("api-key", ""))
    return "3 ways"


@attack(ATTACKS, "certificates-exchanged-half-way")
def certificates_exchanged_half_way() -> str:
    """Another certificate beside the old key, half a certificate, an authority that is emptied: the old ones stay."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority()
        files = authority.server(Path(folder))
        mine = trusting(files, authority.caller("spiffe://acme.io/good"), Path(folder))
        nobody = trusting(files, None, Path(folder))
        with Proxy(Platform(ordinary).url, files.settings()) as proxy:

            def same(when: str) -> None:
                equal(f"a caller's code, {when}", answer(proxy.grpc, "GetTask", GET_TASK, tls=mine)[0], OK)
                equal(f"nobody's code, {when}", answer(proxy.grpc, "GetTask", GET_TASK, tls=nobody)[0], UNAUTHENTICATED)

            same("at first")
            other = authority.server(Path(folder, "other"))
            for when, file, content in (
                ("another certificate", files.certificate, other.certificate.read_bytes()),
                ("half a certificate", files.certificate, other.certificate.read_bytes()[:200]),
                ("an emptied certificate", files.certificate, b""),
                ("an emptied key", files.key, b""),
                ("an emptied authority", files.authority, b""),
                ("half an authority", files.authority, files.authority.read_bytes()[:200]),
            ):
                told = proxy.log().count("cannot be used")
                file.write_bytes(content)
                until(f"it is told: {when}", lambda: proxy.log().count("cannot be used") > told)
                same(when)
    return "6 ways"

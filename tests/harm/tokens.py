"""Bearer tokens that are none, odd, huge, or look like another system's."""

import base64
import hashlib
import json
import time

from wire import OK, RESOURCE_EXHAUSTED, UNAUTHENTICATED, Connection
from world import GET_TASK, Attack, Platform, Proxy, attack, below, equal, holds, ordinary

ATTACKS: dict[str, Attack] = {}
TOKEN = "right-token-of-the-tests-0123456789abcdef"
HASH = hashlib.sha256(TOKEN.encode()).hexdigest()


def jwt(algorithm: str, signature: str) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "typ": "JWT"}, {"sub": "reports", "exp": 9_999_999_999})]
    return ".".join([base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts] + [signature])


WRONG = {
    "JWT without a signature": f"Bearer {jwt('none', '')}",
    "JWT": f"Bearer {jwt('HS256', 'c2lnbmF0dXJl')}",
    "JWT around the token": f"Bearer {jwt('HS256', TOKEN)}",
    "the hash": f"Bearer {HASH}",
    "the name and the hash": f"Bearer reports={HASH}",
    "the token twice": f"Bearer {TOKEN}, Bearer {TOKEN}",
    "the token and more": f"Bearer {TOKEN}x",
    "a prefix": f"Bearer {TOKEN[:-1]}",
    "capitals": f"Bearer {TOKEN.upper()}",
    "no scheme": TOKEN,
    "Basic": "Basic " + base64.b64encode(f"reports:{TOKEN}".encode()).decode(),
    "quotes": f'Bearer "{TOKEN}"',
    "nothing": "Bearer ",
    "empty": "",
    "10 KB": "Bearer " + "z" * 10_000,
}


@attack(ATTACKS, "odd-tokens")
def odd_tokens() -> str:
    """Each is refused, reaches nobody and stands in no log."""
    platform = Platform(ordinary)
    with Proxy(platform.url, {"auth.tokens": f"reports={HASH}"}, "trace") as proxy, Connection(proxy.grpc) as connection:
        for name, shown in WRONG.items():
            code, told = connection.answer("GetTask", GET_TASK, [("authorization", shown)])
            equal(f"the code for {name}", code, UNAUTHENTICATED)
            holds(f"the message for {name} does not repeat it", not shown or shown.split(" ")[-1] not in told or shown == "Bearer ")
        twice = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")]
        for metadata in (twice, twice[::-1]):
            equal("the code for a right and a wrong one", connection.answer("GetTask", GET_TASK, metadata)[0], UNAUTHENTICATED)
        equal("what has reached the platform", platform.seen, [])
        equal("the right one's code", connection.answer("GetTask", GET_TASK, [("authorization", f"Bearer {TOKEN}")])[0], OK)
        log = proxy.log()
        for secret in (TOKEN, TOKEN[:-1], HASH, "zzzzzzzz", "eyJ"):
            holds(f"no line has {secret}", secret not in log)
    return f"{len(WRONG) + 2} refused"


@attack(ATTACKS, "huge-tokens")
def huge_tokens() -> str:
    """Tokens of 20 to 400 KB, and 5,000 of 15 KB: refused as requests, and cheap."""
    with Proxy(settings={"auth.tokens": f"reports={HASH}"}) as proxy, Connection(proxy.grpc) as connection:
        codes = {}
        for size in (20_000, 60_000, 400_000):
            codes[size] = connection.answer("GetTask", GET_TASK, [("authorization", "Bearer " + "z" * size)])[0]
        equal("the code of 20 KB", codes[20_000], RESOURCE_EXHAUSTED)
        holds(f"none is taken: {codes}", OK not in codes.values())
    with Proxy(settings={"auth.tokens": f"reports={HASH}"}) as proxy, Connection(proxy.grpc) as connection:
        before, start = proxy.seconds(), time.monotonic()
        for first in range(0, 5000, 100):
            shown = [("authorization", "Bearer " + chr(97 + first // 100 % 26) * 15_000)]
            calls = [connection.call("GetTask", GET_TASK, shown) for _ in range(100)]
            equal("the codes", {connection.status(call)[0] for call in calls}, {UNAUTHENTICATED})
        spent = below("seconds of a core for 5,000", proxy.seconds() - before, 30)
        proxy.probe()
        return f"codes {codes}, {spent}, {proxy.peak()}"

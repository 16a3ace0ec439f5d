"""Secrets in settings: what `check`, `--help`, wrong settings and the log at its most say of them."""

import base64
import tempfile
import time
from pathlib import Path

from wire import OK, answer
from world import GET_TASK, PLATFORM_NEEDS, Attack, Platform, Proxy, attack, equal, holds, ordinary, run

ATTACKS: dict[str, Attack] = {}
SECRET = "hunter2-S3cret"
ENCODED = base64.b64encode(f"me:{SECRET}".encode()).decode()
COMMANDS = ["serve", "demo", "sandbox", "check", "invoke", "events", "get", "wait", "stop", "agents", "tasks", "activity", "health"]

URL = f"http://me:{SECRET}@127.0.0.1:1"


def hides(what: str, words: str) -> None:
    found = next((line for line in words.splitlines() if SECRET in line or ENCODED in line), None)
    equal(f"a line with a secret, of {what},", found, None)


@attack(ATTACKS, "help")
def shows_help() -> str:
    """`--help` of each command, with a secret in every variable that is read."""
    names = ["SERVER", "TOKEN", "TOKEN_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE"]
    secret = {f"XPANDER_GRPC_{name}": SECRET for name in names}
    secret |= {"XPANDER_API_KEY": SECRET, "XPANDER_BASE_URL": URL, "deduplication.store": f"redis://:{SECRET}@h"}
    for command in COMMANDS:
        for flag in ("--help", "-h"):
            code, words = run([command, flag], secret)
            equal(f"the code of {command} {flag}", code, 0)
            hides(f"{command} {flag}", words)
    return f"{len(COMMANDS)} commands"


@attack(ATTACKS, "check")
def check() -> str:
    """`check` prints all settings in force, and none of these."""
    secret = PLATFORM_NEEDS | {
        "XPANDER_API_KEY": SECRET,
        "deduplication.store": f"redis://me:{SECRET}@127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": URL,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRET}",
        "HTTPS_PROXY": URL,
    }
    code, words = run(["check"], secret)
    hides("check", words)
    equal(f"the code ({words[-300:]})", code, 0)
    for name in ("api_key", "store"):
        holds(f"{name} is among them", name in words)
    return f"{len(words.splitlines())} lines"


WRONG = {
    "a name with a slip": {"platform.api_keys": SECRET},
    "a token in place of its hash": {"auth.tokens": f"reports={SECRET}"},
    "a token alone": {"auth.tokens": SECRET},
    "a key of two lines": {"XPANDER_API_KEY": f"{SECRET}\n{SECRET}"},
    "a key with a control character": {"XPANDER_API_KEY": f"{SECRET}\x01"},
    "a key that is no ASCII": {"XPANDER_API_KEY": f"{SECRET}é"},
    "a platform with a password": {"XPANDER_BASE_URL": f"https://me:{SECRET}@"},
    "a platform with a password and a path": {"XPANDER_BASE_URL": f"https://me:{SECRET}@h/?x#y"},
    "a platform of another scheme": {"XPANDER_BASE_URL": f"ftp://me:{SECRET}@h"},
    "a platform that is none": {"XPANDER_BASE_URL": f"https://me:{SECRET}@ h"},
    "a store of another scheme": {"deduplication.store": f"http://me:{SECRET}@h"},
    "a store that is none": {"deduplication.store": f"redis://me:{SECRET}@h:port"},
    "a password alone as store": {"deduplication.store": SECRET},
    "a collector that is none": {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:{SECRET}@:x"},
    "a collector's headers": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:1", "OTEL_EXPORTER_OTLP_HEADERS": f"a b={SECRET}\x01"},
    "an attribute": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:1", "OTEL_RESOURCE_ATTRIBUTES": f"{SECRET}"},
    "a proxy that is none": {"HTTPS_PROXY": f"http://me:{SECRET}@:x"},
    "a proxy of another scheme": {"HTTPS_PROXY": f"socks5://me:{SECRET}@h:1"},
    "a key file by its content": {"platform.api_key_file": SECRET},
}
# Of a settings file: TOML's own errors like to show the line.
WRONG_FILES = {
    "a text without an end": f'[platform]\napi_key = "{SECRET}\n',
    "a text without quotes": f"[platform]\napi_key = {SECRET}\n",
    "a key twice": f'[platform]\napi_key = "{SECRET}"\napi_key = "{SECRET}"\n',
    "a list": f'[platform]\napi_key = ["{SECRET}"]\n',
    "a table": f'[platform.api_key]\nvalue = "{SECRET}"\n',
    "a wrong section": f'[platfrom]\napi_key = "{SECRET}"\n',
    "a wrong name": f'[platform]\napikey = "{SECRET}"\n',
    "a hash that is none": f'[auth.tokens]\nreports = "{SECRET}"\n',
    "hashes that are none": f'[auth.tokens]\nreports = ["{SECRET}", 1]\n',
    "tokens as a text": f'[auth]\ntokens = "reports={SECRET}"\n',
    "a store that is none": f'[deduplication]\nstore = "redis://me:{SECRET}@h:port"\n',
    "no TOML": f"api_key: {SECRET}\n",
}


@attack(ATTACKS, "wrong-settings")
def wrong_settings() -> str:
    """What is wrong is told by its name, without its value, exit 2; or it starts nothing at all."""
    codes = {}
    for name, wrong in WRONG.items():
        for command in (["check"], ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]):
            code, words = run(command, PLATFORM_NEEDS | wrong)
            hides(f"{name} ({command[0]})", words)
            codes[name] = code if command == ["check"] else codes[name]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "settings.toml")
        for name, content in WRONG_FILES.items():
            file.write_text(content)
            code, words = run(["check", "--config", str(file)], {"XPANDER_ORGANIZATION_ID": "org-1"})
            hides(f"a file with {name}", words)
            codes[f"file: {name}"] = code
    taken = [name for name, code in codes.items() if code != 2]
    equal("wrong settings that are taken", taken, [])
    return f"{len(codes)} refused"


@attack(ATTACKS, "commands")
def commands() -> str:
    """Client commands whose server or token is wrong."""
    for server in (f"http://me:{SECRET}@127.0.0.1:1", f"https://{SECRET}@127.0.0.1:1", f"me:{SECRET}@:x", f"{SECRET}@ h"):
        for command in (["get", "t"], ["health"], ["stop", "t"], ["wait", "t"], ["events", "t"]):
            _, words = run(command, {"XPANDER_GRPC_SERVER": server, "XPANDER_GRPC_TOKEN": "token"})
            hides(f"{command[0]} at {server.replace(SECRET, '…')}", words)
    for token in (f"{SECRET}\n", f"{SECRET}\x01", f"{SECRET}é", SECRET):
        code, words = run(["get", "t"], {"XPANDER_GRPC_SERVER": "http://127.0.0.1:1", "XPANDER_GRPC_TOKEN": token})
        hides("get with a token", words)
        holds("it fails", code)
    return "28 commands"


@attack(ATTACKS, "telemetry-at-every-level")
def telemetry_at_every_level() -> str:
    """A collector, a proxy and a store with passwords, away and here, at each level of the log."""
    platform = Platform(ordinary)
    here = platform.url.replace("http://", f"http://me:{SECRET}@")
    lines = 0
    for level in ("info", "debug", "trace"):
        for endpoint in (URL, here):
            for protocol in ("grpc", "http/protobuf"):
                secret = {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                    "OTEL_EXPORTER_OTLP_HEADERS": f"x-token={SECRET}",
                    "OTEL_BSP_SCHEDULE_DELAY": "50",
                    "OTEL_METRIC_EXPORT_INTERVAL": "100",
                    "XPANDER_API_KEY": SECRET,
                    "HTTP_PROXY": here,
                }
                with Proxy("http://platform.test", secret, level) as proxy:
                    equal("a code", answer(proxy.grpc, "GetTask", GET_TASK)[0], OK)
                    time.sleep(0.3)
                    hides(f"the metrics at {level}", proxy.metrics())
                    log = proxy.log()
                hides(f"the log at {level}", log)
                lines += len(log.splitlines())
    return f"{lines} lines of log"

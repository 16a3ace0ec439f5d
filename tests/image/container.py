"""Programs run as the image's container would run them: its user, no capability, its root, no environment but what is given."""

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from image import only

PATIENCE_SECONDS = 30
GRPC, ADMIN = "127.0.0.1:50051", "http://127.0.0.1:9464"
PLATFORM_ADDRESS = "127.0.0.1", 9016
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# What chroot itself needs; the change of user takes it away.
FOR_CHROOT = "-all,+sys_chroot,+setuid,+setgid"


class Container:
    """An image, and a root made after it."""

    def __init__(self, image, root):
        self.user, self.root = only(image.last, "USER")[0], root
        self.entrypoint = list(only(image.last, "ENTRYPOINT"))

    def words(self, *program):
        """The command that runs this program of the image in its root."""
        setpriv, chroot = (shutil.which(name, path=SYSTEM_PATH) for name in ("setpriv", "chroot"))
        unprivileged = [setpriv, "--no-new-privs", "--inh-caps=-all", f"--bounding-set={FOR_CHROOT}"]
        group = self.user.split(":")[1]
        return [*unprivileged, chroot, f"--userspec={self.user}", f"--groups={group}", self.root, *program]

    def run(self, *arguments, env=None):
        """The binary with another command than the entry point's, to its end."""
        words = self.words(self.entrypoint[0], *arguments)
        return subprocess.run(words, env=env or {}, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    @contextlib.contextmanager
    def serving(self, *arguments, env=None):
        """The entry point, as soon as it is ready."""
        with self.started(self.words(*self.entrypoint, *arguments), env) as process:
            until_it_answers(process, f"{ADMIN}/readyz")
            yield process

    @contextlib.contextmanager
    def platform(self):
        """The embedded platform by itself."""
        words = self.words(self.entrypoint[0], "sandbox")
        with self.started(words, {}) as process:
            until_it_answers(process, "http://{}:{}/".format(*PLATFORM_ADDRESS))
            yield process

    @contextlib.contextmanager
    def started(self, words, env):
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(words, env=env or {}, stdout=log, stderr=log)
            try:
                yield process
            except Exception as error:
                log.seek(0)
                raise AssertionError(f"{error}\n{log.read()}") from error
            finally:
                process.kill()
                process.wait()


def until_it_answers(process, url):
    """Waits until there is an HTTP answer that is none of 503, whatever it is."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=PATIENCE_SECONDS).close()
            return
        except urllib.error.HTTPError as answer:
            if answer.code != 503:
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise AssertionError(f"{url} does not answer")


def call(method, **request):
    """A call by grpcurl from outside: exit code, messages, and what it says of an error."""
    words = ["grpcurl", "-plaintext", "-max-time", str(PATIENCE_SECONDS), "-d", json.dumps(request)]
    words += [GRPC, f"xpander.agent.v1.AgentService/{method}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS)
    return done.returncode, messages(done.stdout), done.stderr


def messages(text):
    """JSON objects, one behind the other."""
    found, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:].strip()
    return found


def status_of(process):
    """What the kernel says of the process, by name."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def terminate(process):
    """What SIGTERM makes it exit with."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE_SECONDS)

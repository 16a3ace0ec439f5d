"""What must hold of the image: of its Dockerfile, of its binary, and of that binary in the image's own root.

Each check is a function, named by the sentence that is printed.
"""

import contextlib
import pathlib
import re
import subprocess
import sys
import tomllib
import traceback

import world
from container import PLATFORM_ADDRESS, Container, call, status_of, terminate
from image import Image, built, defaults, only, root

KEY = {"XPANDER_API_KEY": "key-of-nobody", "XPANDER_ORGANIZATION_ID": "org-sandbox"}
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
CONFIG = "/etc/xpander-grpc-proxy/proxy.toml"
BINARY = "/xpander-grpc-proxy"
PACKAGE = tomllib.loads(pathlib.Path("Cargo.toml").read_text())["package"]
MEGABYTE = 1_000_000


class Checks:
    """The checks, and what they share."""

    def __init__(self, binary, profile):
        self.image, self.binary, self.profile = Image(), binary, profile
        self.names, self.certificates = world.Names(), world.Certificates()
        self.names.start()
        world.Front(self.certificates, PLATFORM_ADDRESS).start()

    def container(self, files=None):
        return root(self.image, self.binary, files)

    # The Dockerfile.

    def hadolint_has_nothing_to_say(self):
        done = subprocess.run(["hadolint", "Dockerfile"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def the_image_begins_empty_and_gets_the_binary_and_the_authorities(self):
        assert self.image.last[0].value == ("scratch",), self.image.last[0].value
        assert self.image.copied() == {BINARY: built(self.image), AUTHORITIES: AUTHORITIES}, self.image.copied()

    def the_build_stage_runs_the_script_that_built_this_binary(self):
        (command,) = only(self.image.build, "RUN")
        assert command == f'.ci/static {built(self.image)} "$PROFILE"', command
        assert defaults(self.image.build) == {"PROFILE": "release", "REVISION": ""}

    def what_is_copied_is_all_that_reaches_the_builder(self):
        ignored = pathlib.Path(".dockerignore").read_text().splitlines()
        patterns = [line for line in ignored if line and not line.startswith("#")]
        assert patterns[0] == "*", patterns
        assert sorted(patterns[1:]) == sorted(f"!{source}" for source in self.image.sources()), patterns

    def the_toolchain_is_pinned_can_have_a_digest_and_is_new_enough(self):
        arguments = defaults(self.image.arguments)
        version = re.fullmatch(r"docker\.io/library/rust:(\d+)\.(\d+)\.\d+-slim-\w+", arguments["RUST_IMAGE"])
        assert version, arguments
        assert tuple(map(int, version.groups())) >= tuple(map(int, PACKAGE["rust-version"].split("."))), arguments
        assert self.image.build[0].value[0] == "${RUST_IMAGE}${RUST_DIGEST:+@${RUST_DIGEST}}"

    def the_user_is_a_number_and_the_entry_point_serves(self):
        assert only(self.image.last, "USER") == ("65532:65532",)
        assert only(self.image.last, "ENTRYPOINT") == (BINARY, "serve")
        assert only(self.image.last, "EXPOSE") == ("50051", "9464")

    def the_labels_are_the_common_ones_and_the_version_is_the_packages(self):
        words = [word.strip('"') for word in only(self.image.last, "LABEL")]
        labels = dict(zip(words[::2], words[1::2]))
        names = ("title", "description", "licenses", "version", "revision", "created")
        assert sorted(labels) == sorted(f"org.opencontainers.image.{name}" for name in names), labels
        assert labels["org.opencontainers.image.licenses"] == PACKAGE["license"]
        assert defaults(self.image.last)["VERSION"] == PACKAGE["version"]

    # The binary.

    def the_binary_needs_no_loader_and_no_library(self):
        words = ["readelf", "--program-headers", "--dynamic", self.binary]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        assert "LOAD" in told and "INTERP" not in told and "NEEDED" not in told, told

    def the_binary_is_small_if_it_is_the_one_to_ship(self):
        size = self.binary.stat().st_size
        print(f"   ({size / MEGABYTE:.1f} MB, built with the profile {self.profile})")
        assert self.profile != "release" or size <= 20 * MEGABYTE, size

    # The binary in its root.

    def nobody_writes_there_not_even_root(self):
        with self.container() as folder:
            for place in ("new", BINARY[1:]):
                try:
                    (folder / place).open("ab").close()
                except OSError as refused:
                    assert "Read-only" in str(refused), refused
                else:
                    raise AssertionError(f"{place} was opened to write")

    def check_reads_the_environment_and_names_what_is_wrong(self):
        with self.container() as folder:
            container = Container(self.image, folder)
            good = container.run("check", env=KEY)
            bad = container.run("check", env={**KEY, "XPANDER_PROXY_SERVER__DRAIN_DELAY": "soon"})
        assert good.returncode == 0 and "org-sandbox" in good.stdout, good
        assert KEY["XPANDER_API_KEY"] not in good.stdout, "the key is shown"
        assert bad.returncode == 2 and "server.drain_delay" in bad.stderr, bad

    def a_mounted_file_of_settings_is_read_and_SIGTERM_ends_with_0(self):
        settings = '[server]\nlisten = "127.0.0.1:50051"\ndrain_delay = "0s"\n[agents]\ndefault_id = "echo"\n'
        with self.container({CONFIG: settings}) as folder:
            with Container(self.image, folder).serving("--sandbox", "--config", CONFIG) as process:
                code, messages, error = call("InvokeStream", invocation={"prompt": "by the file's agent"})
                assert code == 0, error
                assert messages[0]["task"]["agentId"].startswith("echo"), messages[0]
                assert terminate(process) == 0, process.returncode

    def it_serves_a_whole_stream_with_no_right_at_all(self):
        with self.container() as folder:
            with Container(self.image, folder).serving("--sandbox") as process:
                status = status_of(process)
                self.expect_a_whole_stream()
        assert set(status["Uid"].split() + status["Gid"].split() + status["Groups"].split()) == {"65532"}, status
        assert all(int(status[f"Cap{kind}"], 16) == 0 for kind in ("Inh", "Prm", "Eff", "Amb")), status
        assert status["NoNewPrivs"] == "1", status

    def the_health_check_says_from_inside_whether_it_serves(self):
        form, program, *arguments = only(self.image.last, "HEALTHCHECK")
        assert (form, program) == ("CMD", BINARY), (form, program)
        with self.container() as folder:
            container = Container(self.image, folder)
            with container.serving("--sandbox"):
                up = container.run(*arguments)
            down = container.run(*arguments)
        assert (up.returncode, up.stdout) == (0, "serving\n"), up
        assert down.returncode == 1, down

    # The platform behind TLS, found by its name.

    def the_name_is_found_in_etc_hosts(self):
        self.expect_the_platform_at(world.PLATFORM, world.ONLY_HOSTS)
        assert not self.names.asked, self.names.asked

    def the_name_is_found_by_dns(self):
        self.expect_the_platform_at(world.PLATFORM, world.ONLY_DNS)
        assert world.PLATFORM in self.names.asked, self.names.asked

    def a_short_name_is_found_in_the_search_domain_as_in_a_cluster(self):
        self.expect_the_platform_at(world.SHORT, world.ONLY_DNS)
        assert f"{world.SHORT}.{world.DOMAIN}" in self.names.asked, self.names.asked

    def a_name_that_nobody_knows_fails_the_call_and_not_the_proxy(self):
        error = self.expect_no_platform_at("nobody.test", world.ONLY_DNS, trusted=True)
        assert "nobody.test" in self.names.asked, (self.names.asked, error)

    def an_authority_that_is_not_in_the_image_is_not_trusted(self):
        self.expect_no_platform_at(world.PLATFORM, world.ONLY_HOSTS, trusted=False)

    # What the checks above are made of.

    def expect_a_whole_stream(self):
        prompt = "from an image with nothing in it"
        code, messages, error = call("InvokeStream", invocation={"agent_id": "echo", "prompt": prompt})
        assert code == 0, error
        events = [message["event"] for message in messages[1:]]
        assert "task" in messages[0], messages[0]
        assert "".join(event.get("chunk", "") for event in events) == prompt, events
        assert events[-1]["type"] == "EVENT_TYPE_TASK_FINISHED", events[-1]

    def expect_the_platform_at(self, name, files):
        with self.behind_tls(name, files, trusted=True):
            self.expect_a_whole_stream()

    def expect_no_platform_at(self, name, files, trusted):
        with self.behind_tls(name, files, trusted):
            code, messages, error = call("GetTask", task_id="any")
            assert code != 0 and "Unavailable" in error and "PLATFORM_UNREACHABLE" in error, (messages, error)
            return error

    @contextlib.contextmanager
    def behind_tls(self, name, files, trusted):
        """The proxy in front of the embedded platform, which is called this and reached over HTTPS."""
        self.names.asked.clear()
        authorities = pathlib.Path(AUTHORITIES).read_text()
        if trusted:
            authorities += self.certificates.authority.read_text()
        with self.container({**files, AUTHORITIES: authorities}) as folder:
            container = Container(self.image, folder)
            with container.platform(), container.serving(env={**KEY, "XPANDER_BASE_URL": f"https://{name}"}):
                yield


def main(binary, profile):
    world.bring_loopback_up()
    checks = Checks(pathlib.Path(binary), profile)
    sentences = [name for name in vars(Checks) if "_" in name[1:] and not name.startswith(("_", "expect_", "behind_"))]
    failed = 0
    for name in sentences:
        sentence = name.replace("_", " ")
        try:
            getattr(checks, name)()
            print(f"ok: {sentence}", flush=True)
        except Exception as error:
            failed += 1
            what = error if isinstance(error, AssertionError) else traceback.format_exc()
            print(f"FAILED: {sentence}: {what}", flush=True)
    print(f"image: {len(sentences) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

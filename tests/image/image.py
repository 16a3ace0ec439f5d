"""The image as the Dockerfile describes it, read by the builders' own parser, and a root file system made after it.

As a program it copies into a folder what the build stage copies, so that the build sees that and nothing else.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import dockerfile


class Image:
    """What the Dockerfile says, its two stages apart."""

    def __init__(self, path="Dockerfile"):
        commands = dockerfile.parse_file(path)
        first, second = (at for at, command in enumerate(commands) if command.cmd == "FROM")
        self.arguments, self.build, self.last = commands[:first], commands[first:second], commands[second:]

    def sources(self):
        """The files and folders that the build stage copies from the tree."""
        return [source for command in self.build if command.cmd == "COPY" for source in command.value[:-1]]

    def copied(self):
        """Where each file of the last stage comes from, by its place in the image."""
        copies = [command for command in self.last if command.cmd in ("COPY", "ADD")]
        return {command.value[-1]: command.value[0] for command in copies}


def only(stage, name):
    """The words of the one command of this name in the stage."""
    found = [command.value for command in stage if command.cmd == name]
    assert len(found) == 1, f"{name} is there {len(found)} times"
    return found[0]


def defaults(commands):
    """The build arguments and their defaults."""
    return dict(command.value[0].split("=", 1) for command in commands if command.cmd == "ARG")


@contextlib.contextmanager
def root(image, binary, files=None):
    """A read-only root with what the last stage copies, and what a runtime would mount there: texts by path."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=binary.parent))
    folder.chmod(0o755)
    for place, source in image.copied().items():
        # Anything but the binary comes from the base image, which is Debian as this machine is.
        put(folder, place, binary if source == built(image) else pathlib.Path(source))
    for place, text in (files or {}).items():
        write(folder, place, text)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "--options", "remount,bind,ro", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder)


def built(image):
    """Where the build stage leaves the binary."""
    return only(image.build, "RUN")[0].split()[1]


def put(folder, place, source):
    target = folder / place.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def write(folder, place, text):
    target = folder / place.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(0o644)


def copy_sources(folder):
    shutil.rmtree(folder, ignore_errors=True)
    for source in Image().sources():
        if os.path.isdir(source):
            shutil.copytree(source, folder / source)
        else:
            put(folder, source, pathlib.Path(source))


if __name__ == "__main__":
    copy_sources(pathlib.Path(sys.argv[1]))

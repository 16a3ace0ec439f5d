"""An install, by the commands of docs/kubernetes.md and of NOTES as they stand, but for namespace and registry."""

import re
import subprocess

from support.cluster import REGISTRY, REPOSITORY, until
from support.namespace import Namespace, is_ready

PAGE = (REPOSITORY / "docs/kubernetes.md").read_text()


def commands(namespace: Namespace) -> list[str]:
    """The blocks of the section on installing."""
    section = PAGE.split("\n## Install\n")[1].split("\n## ")[0]
    text = section.replace("registry.acme.io", REGISTRY)
    text = re.sub(r"(namespace[ =]|namespaces? )agents\b", rf"\g<1>{namespace.name}", text)
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def shell(text: str) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert "PodSecurity" not in done.stderr, done.stderr
    return done.stdout


def test_install_by_the_page_to_the_letter(unmade: Namespace):
    install, label = commands(unmade)
    make, rest = install.split("\n", 1)
    shell(make)
    shell(label)
    told = shell(rest)
    assert re.search(r"Phase:\s+Succeeded", told), told
    until("all replicas are ready", lambda: all(map(is_ready, unmade.replicas())))
    assert len(unmade.replicas()) == 2
    assert set(unmade.restarts().values()) == {0}


def test_notes_of_a_sandbox_as_they_stand(unmade: Namespace):
    install, label = commands(unmade)
    (helm,) = re.findall(r"(helm install .*?)\nhelm test", install, re.DOTALL)
    helm = helm.replace("--set credentials.existingSecret=xpander", "--set sandbox.enabled=true")
    notes = shell(f"kubectl create namespace {unmade.name}\n{label}\n{helm}")
    joined = re.sub(r"\\\n\s*", " ", notes)
    (forward,) = re.findall(r"^  (kubectl .*port-forward .*)$", joined, re.MULTILINE)
    (call,) = re.findall(r"^  (grpcurl .*)$", joined, re.MULTILINE)
    (test,) = re.findall(r"`(helm test .*?)`", joined)
    told = shell(test)
    assert re.search(r"Phase:\s+Succeeded", told), told
    # NOTES has two terminals for it.
    with subprocess.Popen(["bash", "-c", f"exec {forward}"], stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert "Forwarding" in forwarding.stdout.readline()
            assert "EVENT_TYPE_TASK_FINISHED" in shell(call)
        finally:
            forwarding.kill()

"""Every pod of the chart keeps to the restricted Pod Security Standard, and each rule of it is really checked."""

import copy

import pytest
from support import helm, pod_security
from support.paths import ci_values

GOOD = {
    "metadata": {"annotations": {}},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [],
        "containers": [
            {
                "name": "main",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
}
BAD_CONTAINER = {"name": "bad", "securityContext": {}}
CONTEXT = ("spec", "containers", 0, "securityContext")
POD_CONTEXT = ("spec", "securityContext")
ANNOTATION = "container.apparmor.security.beta.kubernetes.io/main"

# A rule, where the good pod is spoilt, and with what. None takes the key away.
BREACHES = [
    ("HostProcess", (*POD_CONTEXT, "windowsOptions"), {"hostProcess": True}),
    ("HostProcess", (*CONTEXT, "windowsOptions"), {"hostProcess": True}),
    ("Host Namespaces", ("spec", "hostNetwork"), True),
    ("Host Namespaces", ("spec", "hostPID"), True),
    ("Host Namespaces", ("spec", "hostIPC"), True),
    ("Privileged Containers", (*CONTEXT, "privileged"), True),
    ("Capabilities", (*CONTEXT, "capabilities"), None),
    ("Capabilities", (*CONTEXT, "capabilities"), {"drop": ["NET_RAW"]}),
    ("Capabilities", (*CONTEXT, "capabilities"), {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    ("Capabilities", (*CONTEXT, "capabilities"), {"drop": ["ALL"], "add": ["CHOWN"]}),
    ("HostPath Volumes", ("spec", "volumes", 0), {"name": "host", "hostPath": {"path": "/"}}),
    ("Host Ports", ("spec", "containers", 0, "ports"), [{"containerPort": 1, "hostPort": 1}]),
    ("Host Probes / Lifecycle Hooks", ("spec", "containers", 0, "livenessProbe"), {"httpGet": {"host": "10.0.0.1"}}),
    ("Host Probes / Lifecycle Hooks", ("spec", "containers", 0, "readinessProbe"), {"tcpSocket": {"host": "10.0.0.1"}}),
    ("Host Probes / Lifecycle Hooks", ("spec", "containers", 0, "lifecycle"), {"preStop": {"httpGet": {"host": "a"}}}),
    ("AppArmor", (*CONTEXT, "appArmorProfile"), {"type": "Unconfined"}),
    ("AppArmor", ("metadata", "annotations", ANNOTATION), "unconfined"),
    ("SELinux", (*POD_CONTEXT, "seLinuxOptions"), {"type": "spc_t"}),
    ("SELinux", (*CONTEXT, "seLinuxOptions"), {"user": "system_u"}),
    ("SELinux", (*CONTEXT, "seLinuxOptions"), {"role": "system_r"}),
    ("/proc Mount Type", (*CONTEXT, "procMount"), "Unmasked"),
    ("Sysctls", (*POD_CONTEXT, "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
    ("Volume Types", ("spec", "volumes", 0), {"name": "nfs", "nfs": {"server": "a", "path": "/"}}),
    ("Privilege Escalation", (*CONTEXT, "allowPrivilegeEscalation"), None),
    ("Privilege Escalation", (*CONTEXT, "allowPrivilegeEscalation"), True),
    ("Running as Non-root", (*POD_CONTEXT, "runAsNonRoot"), None),
    ("Running as Non-root", (*CONTEXT, "runAsNonRoot"), False),
    ("Running as Non-root user", (*POD_CONTEXT, "runAsUser"), 0),
    ("Running as Non-root user", (*CONTEXT, "runAsUser"), 0),
    ("Seccomp", (*POD_CONTEXT, "seccompProfile"), None),
    ("Seccomp", (*POD_CONTEXT, "seccompProfile"), {"type": "Unconfined"}),
    ("Seccomp", (*CONTEXT, "seccompProfile"), {"type": "Unconfined"}),
    ("Capabilities", ("spec", "initContainers"), [BAD_CONTAINER]),
    ("Privilege Escalation", ("spec", "initContainers"), [BAD_CONTAINER]),
    ("Privilege Escalation", ("spec", "ephemeralContainers"), [BAD_CONTAINER]),
]


@pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)
def test_every_pod_keeps_to_the_restricted_standard(file):
    pods = list(helm.render(None, file).pods())
    assert pods
    assert {name: pod_security.problems(pod) for name, pod in pods} == {name: [] for name, _ in pods}


def test_some_values_have_a_test_pod_and_containers_of_their_own():
    """Else the test above would not look at them."""
    pods = [pod for file in ci_values() for pod in helm.render(None, file).pods()]
    names = [name for name, _ in pods]
    assert any(name.startswith("Pod ") for name in names)
    assert any(len(pod["spec"]["containers"]) > 1 for _, pod in pods), "no ci values with extra containers"
    assert any(pod["spec"].get("initContainers") for _, pod in pods), "no ci values with init containers"


@pytest.mark.parametrize("rule, place, value", BREACHES, ids=[f"{b[0]}-{n}" for n, b in enumerate(BREACHES)])
def test_a_pod_that_breaks_a_rule_is_caught_by_it_and_named(rule, place, value):
    assert pod_security.problems(GOOD) == []
    assert any(problem.startswith(f"{rule}: ") for problem in pod_security.problems(spoilt(place, value)))


def test_each_rule_has_a_pod_that_breaks_it():
    assert {rule for rule, *_ in BREACHES} == set(pod_security.RULES)


def spoilt(place: tuple, value: object) -> dict:
    pod = copy.deepcopy(GOOD)
    *parents, last = place
    at = pod
    for key in parents:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return pod

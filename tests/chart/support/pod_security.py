"""The restricted Pod Security Standard of Kubernetes 1.37, rule by rule, with the baseline that it stands on.

Each rule takes a pod (metadata and spec) and yields what breaks it. In the order of
https://kubernetes.io/docs/concepts/security/pod-security-standards/, whose names they have.
"""

from collections.abc import Callable, Iterator

from .rendering import containers

Rule = Callable[[dict], Iterator[str]]
RULES: dict[str, Rule] = {}

SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROFILES = {"RuntimeDefault", "Localhost"}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def problems(pod: dict) -> list[str]:
    """All that breaks the standard."""
    return [f"{name}: {problem}" for name, rule in RULES.items() for problem in rule(pod)]


def rule(name: str) -> Callable[[Rule], Rule]:
    def add(checked: Rule) -> Rule:
        RULES[name] = checked
        return checked

    return add


def contexts(pod: dict) -> Iterator[tuple[str, dict]]:
    """The security contexts of the pod and of each container, by whose they are."""
    yield "the pod", pod["spec"].get("securityContext", {})
    yield from own_contexts(pod)


def own_contexts(pod: dict) -> Iterator[tuple[str, dict]]:
    for container in containers(pod):
        yield container["name"], container.get("securityContext", {})


def in_force(pod: dict, key: str) -> Iterator[tuple[str, object]]:
    """What holds for each container: its own word, or else the pod's."""
    default = pod["spec"].get("securityContext", {}).get(key)
    for name, context in own_contexts(pod):
        yield name, context.get(key, default)


@rule("HostProcess")
def host_process(pod: dict) -> Iterator[str]:
    for name, context in contexts(pod):
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield name


@rule("Host Namespaces")
def host_namespaces(pod: dict) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod["spec"].get(key):
            yield key


@rule("Privileged Containers")
def privileged(pod: dict) -> Iterator[str]:
    for name, context in own_contexts(pod):
        if context.get("privileged"):
            yield name


@rule("Capabilities")
def capabilities(pod: dict) -> Iterator[str]:
    for name, context in own_contexts(pod):
        given = context.get("capabilities", {})
        if "ALL" not in given.get("drop", []):
            yield f"{name} does not drop ALL"
        if set(given.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"{name} adds {given['add']}"


@rule("HostPath Volumes")
def host_path(pod: dict) -> Iterator[str]:
    for volume in pod["spec"].get("volumes", []):
        if "hostPath" in volume:
            yield volume["name"]


@rule("Host Ports")
def host_ports(pod: dict) -> Iterator[str]:
    for container in containers(pod):
        for port in container.get("ports", []):
            if port.get("hostPort"):
                yield container["name"]


@rule("Host Probes / Lifecycle Hooks")
def hosts_of_probes(pod: dict) -> Iterator[str]:
    for container in containers(pod):
        handlers = [container.get(probe, {}) for probe in PROBES] + list(container.get("lifecycle", {}).values())
        for handler in handlers:
            if any(handler.get(way, {}).get("host") for way in ("httpGet", "tcpSocket")):
                yield container["name"]


@rule("AppArmor")
def app_armor(pod: dict) -> Iterator[str]:
    for name, context in contexts(pod):
        if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in PROFILES:
            yield name
    for key, value in pod.get("metadata", {}).get("annotations", {}).items():
        is_ours = key.startswith("container.apparmor.security.beta.kubernetes.io/")
        if is_ours and value != "runtime/default" and not value.startswith("localhost/"):
            yield key


@rule("SELinux")
def selinux(pod: dict) -> Iterator[str]:
    for name, context in contexts(pod):
        options = context.get("seLinuxOptions", {})
        if options.get("type", "") not in SELINUX_TYPES or options.get("user") or options.get("role"):
            yield name


@rule("/proc Mount Type")
def proc_mount(pod: dict) -> Iterator[str]:
    for name, context in own_contexts(pod):
        if context.get("procMount", "Default") != "Default":
            yield name


@rule("Sysctls")
def sysctls(pod: dict) -> Iterator[str]:
    for sysctl in pod["spec"].get("securityContext", {}).get("sysctls", []):
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield sysctl["name"]


@rule("Volume Types")
def volume_types(pod: dict) -> Iterator[str]:
    for volume in pod["spec"].get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield volume["name"]


@rule("Privilege Escalation")
def escalation(pod: dict) -> Iterator[str]:
    for name, context in own_contexts(pod):
        if context.get("allowPrivilegeEscalation") is not False:
            yield name


@rule("Running as Non-root")
def non_root(pod: dict) -> Iterator[str]:
    for name, value in in_force(pod, "runAsNonRoot"):
        if value is not True:
            yield name


@rule("Running as Non-root user")
def non_root_user(pod: dict) -> Iterator[str]:
    for name, context in contexts(pod):
        if context.get("runAsUser") == 0:
            yield name


@rule("Seccomp")
def seccomp(pod: dict) -> Iterator[str]:
    for name, profile in in_force(pod, "seccompProfile"):
        if not isinstance(profile, dict) or profile.get("type") not in PROFILES:
            yield name
    pods = pod["spec"].get("securityContext", {}).get("seccompProfile", {})
    if pods.get("type") == "Unconfined":
        yield "the pod"

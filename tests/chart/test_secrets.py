"""Secrets stand in Secrets and nowhere else, and the pods have no rights that they do not need."""

import base64

import pytest
from support import helm
from support.paths import ci_values
from support.rendering import containers, secret_values

SECRET = "s3cret-that-stands-out"
CREDENTIALS = {"credentials": {"apiKey": SECRET, "organizationId": "acme"}}
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
TLS = {"tls": {"enabled": True, "certificate": "-----BEGIN CERTIFICATE-----\n", "privateKey": PEM}}
FILES = pytest.mark.parametrize("file", ci_values(), ids=lambda file: file.stem)


def test_no_secret_stands_anywhere_but_in_a_secret():
    rendering = helm.render(helm.merged(CREDENTIALS, TLS))
    assert sum(SECRET in value for value in secret_values(rendering)) == 2
    coded = base64.b64encode(SECRET.encode()).decode()
    for each in rendering.objects():
        if each["kind"] != "Secret":
            assert SECRET not in str(each) and coded not in str(each), each["kind"]
    assert SECRET not in rendering.notes


def test_the_hashes_of_tokens_are_a_secret_too():
    rendering = helm.sandboxed({"tokens": {"hashes": {"reports": "ab" * 32}}})
    found = [each["kind"] for each in rendering.objects() if "ab" * 32 in str(each)]
    assert found == [] and any("ab" * 32 in value for value in secret_values(rendering))


def test_without_secrets_of_its_own_the_chart_has_no_secret():
    assert not helm.sandboxed().has("Secret")
    assert not helm.render({"credentials": {"existingSecret": "mine"}}).has("Secret")


def test_no_secret_is_a_variable_of_the_environment():
    """A file is read again when it changes, and is in no crash report."""
    variables = helm.render(helm.merged(CREDENTIALS, TLS)).container.get("env", [])
    assert not [each["name"] for each in variables if "secretKeyRef" in each.get("valueFrom", {})]


def test_a_key_that_is_refused_is_not_repeated():
    message = helm.refusal({"credentials": {"apiKey": f"{SECRET} with spaces", "organizationId": "acme"}})
    assert "apiKey" in message and SECRET not in message


def test_a_token_in_place_of_its_hash_is_not_repeated():
    message = helm.refusal(helm.merged(helm.SANDBOX, {"tokens": {"hashes": {"reports": SECRET}}}))
    assert "tokens" in message and SECRET not in message


@FILES
def test_no_pod_has_a_token_of_the_cluster_or_the_variables_of_services(file):
    for name, pod in helm.render(None, file).pods():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name


@FILES
def test_the_service_account_has_no_token_and_no_rights(file):
    rendering = helm.render(None, file)
    for account in rendering.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not [each["kind"] for each in rendering.objects() if "Role" in each["kind"]]


@FILES
def test_no_file_system_of_the_proxy_can_be_written(file):
    for name, pod in helm.render(None, file).pods():
        for container in containers(pod):
            if container["image"] == helm.render(None, file).container["image"]:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


@FILES
def test_secrets_are_mounted_to_be_read_by_the_proxy_and_nobody_else(file):
    pod = helm.render(None, file).pod["spec"]
    for volume in pod["volumes"]:
        for kind in ("secret", "projected"):
            if kind in volume:
                mode = volume[kind].get("defaultMode")
                # Readable by the group: the kubelet gives fsGroup's to the files, and owns them itself.
                assert mode is not None and mode & 0o007 == 0, (volume["name"], mode)
                assert mode & 0o040 and pod["securityContext"]["fsGroup"]

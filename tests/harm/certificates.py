"""Certificates that name nobody, or were made by nobody that counts, and sessions that are resumed."""

import datetime
import ipaddress
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wire import OK, PERMISSION_DENIED, PREFACE, SETTINGS, UNAUTHENTICATED, answer, frame
from world import GET_TASK, Attack, Platform, Proxy, attack, equal, holds, ordinary

ATTACKS: dict[str, Attack] = {}
DAY = datetime.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
GOOD = "spiffe://acme.io/good"


@dataclass
class Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@dataclass
class Files:
    certificate: Path
    key: Path
    authority: Path

    def settings(self) -> dict[str, str]:
        return {
            "server.tls_cert_file": str(self.certificate),
            "server.tls_key_file": str(self.key),
            "server.tls_client_ca_file": str(self.authority),
        }


def pair(
    names: list[x509.GeneralName],
    issuer: Pair | None = None,
    subject: str = "x",
    begins: datetime.timedelta = -DAY,
    ends: datetime.timedelta = DAY,
    uses: tuple[x509.ObjectIdentifier, ...] = (CLIENT, SERVER),
    is_authority: bool = False,
) -> Pair:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder(issuer.certificate.subject if issuer else own, own, key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now + begins).not_valid_after(now + ends)
    builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if uses and not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def uri(text: str) -> x509.GeneralName:
    """Of any text: the builder's own check is passed by."""
    return x509.UniformResourceIdentifier._init_without_validation(text)


def dns(text: str) -> x509.GeneralName:
    return x509.DNSName._init_without_validation(text)


class Authority:
    def __init__(self) -> None:
        self.pair = pair([], subject="authority", is_authority=True)

    def caller(self, name: str) -> list[Pair]:
        return [pair([uri(name)], self.pair)]

    def server(self, folder: Path) -> Files:
        folder.mkdir(exist_ok=True)
        server = pair([x509.DNSName("localhost")], self.pair)
        files = Files(folder / "server.pem", folder / "server.key", folder / "authority.pem")
        files.certificate.write_bytes(server.pem())
        files.key.write_bytes(server.key_pem())
        files.authority.write_bytes(self.pair.pem())
        return files


def trusting(files: Files, chain: list[Pair] | None, folder: Path) -> ssl.SSLContext:
    """A client that trusts the server, and shows this chain."""
    context = ssl.create_default_context(cadata=files.authority.read_text())
    context.set_alpn_protocols(["h2"])
    if chain:
        shown = folder / "shown.pem"
        shown.write_bytes(chain[0].key_pem() + b"".join(one.pem() for one in chain))
        context.load_cert_chain(shown)
    return context


ODD_URIS = {
    "a scheme in capitals": ["SPIFFE://acme.io/good"],
    "a domain in capitals": ["spiffe://ACME.io/good"],
    "a port": ["spiffe://acme.io:1/good"],
    "a user": ["spiffe://u@acme.io/good"],
    "a query": ["spiffe://acme.io/good?x"],
    "a fragment": ["spiffe://acme.io/good#x"],
    "percent": ["spiffe://acme.io/%67ood"],
    "dots": ["spiffe://acme.io/x/../good"],
    "a slash at the end": ["spiffe://acme.io/good/"],
    "two slashes": ["spiffe://acme.io//good"],
    "a domain alone": ["spiffe://acme.io"],
    "two": [GOOD, "spiffe://acme.io/evil"],
    "another URI beside": ["https://acme.io", GOOD],
    "3 KB": ["spiffe://acme.io/" + "g" * 3000],
    "a line end": ["spiffe://acme.io/good\nx"],
    "NUL": ["spiffe://acme.io/good\0"],
    "a blank": [" spiffe://acme.io/good"],
}
ODD_HOSTS = ["*.acme.io", "good.acme.io\0.evil", "good.acme.io ", "spiffe://acme.io/good", "a" * 300]


def refused(authority: Pair) -> dict[str, list[Pair]]:
    good = [uri(GOOD)]
    leaf, middle = pair(good, authority), pair([], authority, "middle", is_authority=True)
    chains = {
        "signed by itself": [pair(good)],
        "an authority of the same name": [pair(good, pair([], subject="authority", is_authority=True))],
        "expired": [pair(good, authority, begins=-2 * DAY, ends=-DAY)],
        "not yet": [pair(good, authority, begins=DAY, ends=2 * DAY)],
        "a server's": [pair(good, authority, uses=(SERVER,))],
        "a leaf as authority": [pair(good, leaf, "below"), leaf],
        "the middle left out": [pair(good, middle)],
        "the authority itself": [authority],
        "a common name": [pair([], authority, "good")],
        "an address": [pair([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))], authority)],
        "an e-mail address": [pair([x509.RFC822Name("good@acme.io")], authority)],
    }
    chains |= {f"a SPIFFE id with {name}": [pair([uri(text) for text in texts], authority)] for name, texts in ODD_URIS.items()}
    return chains | {f"a host {name!r:.20}": [pair([dns(name)], authority)] for name in ODD_HOSTS}


@attack(ATTACKS, "odd-certificates")
def odd_certificates() -> str:
    """Each is refused, by the handshake or as a caller without a name."""
    with tempfile.TemporaryDirectory() as name:
        folder, authority, platform = Path(name), Authority(), Platform(ordinary)
        files = authority.server(folder)
        with Proxy(platform.url, files.settings()) as proxy:

            def code(chain: list[Pair]) -> int | str:
                try:
                    return answer(proxy.grpc, "GetTask", GET_TASK, tls=trusting(files, chain, folder))[0]
                except OSError:
                    return "handshake"

            chains = refused(authority.pair)
            for what, chain in chains.items():
                told = code(chain)
                allowed = {"handshake", "closed", UNAUTHENTICATED, PERMISSION_DENIED}
                holds(f"{what} is refused: {told}", told in allowed)
            equal("what has reached the platform", platform.seen, [])
            middle = pair([], authority.pair, "middle", is_authority=True)
            for good in (authority.caller(GOOD), [pair([uri(GOOD)], middle), middle], [pair([dns("good.acme.io")], authority.pair)]):
                equal("a good one's code", code(good), OK)
    return f"{len(chains)} refused"


@attack(ATTACKS, "resumed-sessions")
def resumed_sessions() -> str:
    """No session is resumed where callers have certificates."""
    with tempfile.TemporaryDirectory() as name:
        folder, authority = Path(name), Authority()
        files = authority.server(folder)
        with Proxy(settings=files.settings()) as proxy:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = trusting(files, authority.caller(GOOD), folder)
                context.minimum_version = context.maximum_version = version
                session = None
                for _ in range(3):
                    with socket.create_connection(("127.0.0.1", proxy.grpc)) as plain:
                        with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
                            secure.sendall(PREFACE + frame(SETTINGS, 0, 0))
                            secure.recv(100)
                            equal(f"whether {version.name} resumes", secure.session_reused, False)
                            session = secure.session
    return "TLS 1.2 and 1.3"

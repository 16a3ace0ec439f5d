"""What is around the image while it is tested: names, certificates, and TLS in front of the embedded platform."""

import asyncio
import contextlib
import fcntl
import pathlib
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

# What the platform is called, and where its TLS is.
PLATFORM = "platform.test"
SHORT, DOMAIN = "platform", "apps.svc.cluster.local"
ADDRESS = "127.0.0.2"
NAMESERVER = "127.0.0.53"

HOSTS = f"127.0.0.1 localhost\n{ADDRESS} {PLATFORM}\n"
RESOLV_CONF = f"nameserver {NAMESERVER}\nsearch {DOMAIN}\noptions ndots:5 timeout:1 attempts:1\n"
ONLY_HOSTS = {"/etc/hosts": HOSTS}
ONLY_DNS = {"/etc/resolv.conf": RESOLV_CONF}

REQUEST_CONF = "[req]\ndistinguished_name = name\n[name]\n"


def bring_loopback_up():
    """As `ip link set lo up` does, which not every machine has."""
    up_and_running = 0x41
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", up_and_running))


class Names(threading.Thread):
    """A DNS server that knows the platform's two names, remembers what it was asked and denies the rest."""

    def __init__(self):
        super().__init__(daemon=True)
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((NAMESERVER, 53))

    def run(self):
        while True:
            query, sender = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(query), sender)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += query[at] + 1
        name, end = ".".join(labels), at + 5
        (kind,) = struct.unpack(">H", query[at + 1 : at + 3])
        self.asked.append(name)
        known = name in (PLATFORM, f"{SHORT}.{DOMAIN}")
        record = b""
        if known and kind == 1:
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ADDRESS)
        flags = 0x8180 if known else 0x8183
        head = query[:2] + struct.pack(">HHHHH", flags, 1, bool(record), 0, 0)
        return head + query[12:end] + record


class Certificates:
    """An authority that no system knows, and the platform's certificate from it."""

    def __init__(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "conf").write_text(REQUEST_CONF)
        self.authority, self.certificate = folder / "ca.pem", folder / "platform.pem"
        self.key, authority_key = folder / "platform.key", folder / "ca.key"
        names = f"subjectAltName=DNS:{PLATFORM},DNS:{SHORT}"
        signed = ["-CA", self.authority, "-CAkey", authority_key]
        issue(folder, self.authority, authority_key, "an authority", ["basicConstraints=critical,CA:TRUE"], [])
        issue(folder, self.certificate, self.key, PLATFORM, ["basicConstraints=CA:FALSE", names], signed)


def issue(folder, certificate, key, name, extensions, signed):
    words = ["openssl", "req", "-x509", "-config", folder / "conf", "-newkey", "ec", "-pkeyopt"]
    words += ["ec_paramgen_curve:prime256v1", "-noenc", "-days", "2", "-subj", f"/CN={name}"]
    words += ["-keyout", key, "-out", certificate, *signed]
    for extension in extensions:
        words += ["-addext", extension]
    subprocess.run(words, check=True, stderr=subprocess.PIPE)


class Front(threading.Thread):
    """TLS on the platform's port, and the embedded platform behind it."""

    def __init__(self, certificates, behind):
        super().__init__(daemon=True)
        self.behind = behind
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates.certificate, certificates.key)
        # Bound here, so that it listens as soon as there is one.
        self.socket = socket.create_server((ADDRESS, 443))

    def run(self):
        asyncio.run(self.serve())

    async def serve(self):
        server = await asyncio.start_server(self.connected, sock=self.socket, ssl=self.context)
        await server.serve_forever()

    async def connected(self, reader, writer):
        inside_reader, inside_writer = await asyncio.open_connection(*self.behind)
        await asyncio.gather(pass_on(reader, inside_writer), pass_on(inside_reader, writer))


async def pass_on(reader, writer):
    """Bytes, until one of the two is done."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()

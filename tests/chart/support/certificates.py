"""Certificates, made by openssl."""

import functools
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def texts() -> dict[str, str]:
    """An authority, a certificate of its and the key, by the names of their files."""
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(Path(folder))
        return {name: (made / name).read_text() for name in ("ca.crt", "tls.crt", "tls.key")}


def certificates(folder: Path) -> Path:
    """A folder with an authority (ca.crt), and a certificate of its for the server and for callers (tls.crt, tls.key)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names").write_text("subjectAltName=DNS:proxy.test,URI:spiffe://acme.io/ns/shop/sa/test\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority")
    _openssl(folder, "req", *key, "-keyout", "tls.key", "-out", "request", "-subj", "/CN=proxy.test")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    _openssl(folder, "x509", "-req", "-in", "request", "-out", "tls.crt", *signed)
    return folder


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

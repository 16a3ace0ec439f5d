"""An authority, and certificates of it."""

from pathlib import Path

from .cluster import run

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


class Authority:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.file = self.place("ca.key"), self.place("ca.crt")
        extension = ("-addext", "keyUsage=critical,keyCertSign")
        run("openssl", "req", "-x509", *CURVE, "-keyout", self.key, "-out", self.file, "-subj", "/CN=ca", *extension)
        self.certificate = Path(self.file).read_text()

    def place(self, name: str) -> str:
        return str(self.folder / name)

    def issue(self, *names: str) -> dict[str, str]:
        """A certificate for these names, as a Secret has it."""
        request, key = self.place("request"), self.place("tls.key")
        alternatives = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
        subject = ("-subj", "/CN=proxy", "-addext", alternatives, "-addext", "extendedKeyUsage=serverAuth")
        run("openssl", "req", *CURVE, "-keyout", key, "-out", request, *subject)
        signing = ("-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-copy_extensions", "copy", "-days", "2")
        return {"tls.crt": run("openssl", "x509", "-req", "-in", request, *signing), "tls.key": Path(key).read_text()}

"""A time-stamping authority on this machine, by `openssl ts`: certificates made for it, and answers to requests."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = """\
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[stamps]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[pages]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,serverAuth
[tsa]
default_tsa = one
[one]
serial = %(place)s/serial
signer_cert = %(place)s/signer.pem
signer_key = %(place)s/signer.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Authority:
    """An authority, whose files lie in a directory."""

    place: Path

    @property
    def root(self) -> bytes:
        """Its root certificate, in PEM."""
        return (self.place / "root.pem").read_bytes()

    @classmethod
    def make(cls, place: Path) -> Authority:
        """Make an authority with its certificates."""
        place.mkdir()
        (place / "config").write_text(CONFIG % {"place": place})
        (place / "serial").write_text("01\n")
        found = cls(place)
        found.openssl("req", "-x509", *_KEY, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=root",
                      "-days", "30", "-config", "config", "-extensions", "root")  # fmt: skip
        found.openssl("req", *_KEY, "-keyout", "signer.key", "-out", "signer.csr", "-subj", "/CN=signer",
                      "-config", "config")  # fmt: skip
        found.certify("stamps", days=20)
        return found

    def certify(self, use: str, *, days: int) -> None:
        """Give the signer a certificate that ends in some days, or has ended before."""
        self.openssl("x509", "-req", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
                     "-days", str(days), "-extfile", "config", "-extensions", use, "-out", "signer.pem")  # fmt: skip

    def send(self, request: bytes) -> bytes:
        """Answer a request."""
        (self.place / "request").write_bytes(request)
        self.openssl("ts", "-reply", "-config", "config", "-queryfile", "request", "-out", "response")
        return (self.place / "response").read_bytes()

    def verifies(self, data: bytes, response: bytes, request: bytes | None = None) -> bool:
        """Return whether OpenSSL takes a time stamp for one of these bytes, or one that answers a request."""
        (self.place / "data").write_bytes(data if request is None else request)
        (self.place / "given").write_bytes(response)
        about = ("-data", "data") if request is None else ("-queryfile", "data")
        done = self.run("ts", "-verify", *about, "-in", "given", "-CAfile", "root.pem")
        return done.returncode == 0

    def signed_apart(self, response: bytes) -> bytes:
        """Return an answer that says the same, signed with the signer's certificate whatever that is for."""
        (self.place / "given").write_bytes(response)
        self.openssl("ts", "-reply", "-in", "given", "-token_out", "-out", "token")
        self.openssl("cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", "token", "-out", "said")
        self.openssl("cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4",
                     "-in", "said", "-signer", "signer.pem", "-inkey", "signer.key", "-outform", "DER",
                     "-out", "token")  # fmt: skip
        token = b"\x30\x03\x02\x01\x00" + (self.place / "token").read_bytes()
        return b"\x30\x82" + len(token).to_bytes(2, "big") + token

    def openssl(self, *words: str) -> None:
        """Run OpenSSL."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["openssl", *words], cwd=self.place, capture_output=True, check=False)

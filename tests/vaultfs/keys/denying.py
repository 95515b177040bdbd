"""What a vault of suite fips must do without: called from a module of this project it is an error, from others not."""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import blake3
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ed448, mlkem, x448, x25519
from cryptography.hazmat.primitives.ciphers import aead, algorithms
from cryptography.hazmat.primitives.kdf import argon2, scrypt

Place = tuple[Any, str]

_OWN = "vaultfs"
_HASHES = {name.replace("-", "_") for name in hashlib.algorithms_guaranteed}
PLACES: list[Place] = [
    (blake3, "blake3"),
    *((hashlib, name) for name in sorted({*_HASHES, "new", "pbkdf2_hmac", "scrypt", "file_digest"})),
    *((hmac, name) for name in ("new", "digest", "HMAC")),
    *((argon2, name) for name in ("Argon2d", "Argon2i", "Argon2id")),
    (scrypt, "Scrypt"),
    *((one, "__init__") for one in (hashes.MD5, hashes.SHA1, hashes.SM3, hashes.BLAKE2b, hashes.BLAKE2s)),
    *((aead, name) for name in ("ChaCha20Poly1305", "AESGCMSIV", "AESSIV", "AESOCB3")),
    (algorithms.ChaCha20, "__init__"),
    *((hpke, name) for name in ("MLKEM768X25519PublicKey", "MLKEM768X25519PrivateKey")),
    *(
        (getattr(module, f"{name}{half}"), how)
        for module, name in ((x25519, "X25519"), (x448, "X448"), (ed448, "Ed448"), (mlkem, "MLKEM768"))
        for half, ways in (
            ("PublicKey", ("from_public_bytes",)),
            ("PrivateKey", ("generate", "from_seed_bytes" if module is mlkem else "from_private_bytes")),
        )
        for how in ways
    ),
]
"""Functions and classes that are not approved, or do not ask the provider, by what they are attributes of."""


class Denied(BaseException):
    """A module of this project has called what a vault of suite fips must do without. Nothing catches it."""


def _guarded(place: Place, denied: list[str]) -> Callable[..., Any]:
    owner, name = place
    function = getattr(owner, name)

    def call(*args: Any, **more: Any) -> Any:
        caller = sys._getframe(1).f_globals["__name__"]
        if caller.partition(".")[0].startswith(_OWN):
            denied.append(f"{name} by {caller}")
            raise Denied(denied[-1])
        return function(*args, **more)

    return call


@contextmanager
def denying() -> Iterator[list[str]]:
    """Deny what is not approved; yield what was asked for all the same."""
    denied: list[str] = []
    modules = [module for name, module in sys.modules.items() if name.startswith(_OWN)]
    patches = []
    for owner, name in PLACES:
        function, guard = getattr(owner, name), _guarded((owner, name), denied)
        static = isinstance(owner, type) and name != "__init__"
        patches.append(mock.patch.object(owner, name, staticmethod(guard) if static else guard))
        patches += [
            mock.patch.object(module, known, guard)
            for module in modules
            for known, value in vars(module).items()
            if value is function
        ]
    for patch in patches:
        patch.start()
    try:
        yield denied
    finally:
        for patch in reversed(patches):
            patch.stop()

"""Libraries of envelope encryption, each set up as its makers recommend for keys that are held in the process.

What they do differs from a vault's frame: neither compresses, keeps a record's entries apart, or checks where in an
archive a record lies. The AWS Encryption SDK commits to its key, as a vault does, and signs each message, which a vault
does for a segment; Tink's envelope does neither.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from importlib import import_module
from importlib.metadata import version
from typing import Any

from bench.peers.peer import Missing

_ABOUT = b"the record"


class Kit(ABC):
    """A way to seal a record under a key of its own, which is sealed in turn under one that is kept.

    Making it is not measured. It raises `Missing` where the library is not installed.
    """

    name: str

    @abstractmethod
    def version(self) -> str:
        """Return the version that is measured."""

    @abstractmethod
    def seal(self, data: bytes) -> bytes:
        """Return a record sealed, with all that is needed to open it but the kept key."""

    @abstractmethod
    def open(self, sealed: bytes) -> bytes:
        """Return the record."""


class AwsEncryptionSdk(Kit):
    """The AWS Encryption SDK: two raw AES keyrings, and its default suite, which commits and signs (ECDSA, P-384)."""

    name = "AWS Encryption SDK"

    def __init__(self) -> None:
        sdk = _module("aws_encryption_sdk", "aws-encryption-sdk")
        providers = "aws_cryptographic_material_providers.mpl"
        mpl = _module(providers, "aws-cryptographic-material-providers")
        models, config = import_module(f"{providers}.models"), import_module(f"{providers}.config")
        materials = mpl.AwsCryptographicMaterialProviders(config=config.MaterialProvidersConfig())
        rings = [
            materials.create_raw_aes_keyring(
                input=models.CreateRawAesKeyringInput(
                    key_namespace="bench",
                    key_name=name,
                    wrapping_key=os.urandom(32),
                    wrapping_alg=models.AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
                )
            )
            for name in ("one", "two")
        ]
        both = models.CreateMultiKeyringInput(generator=rings[0], child_keyrings=rings[1:])
        self._keyring = materials.create_multi_keyring(input=both)
        policy = sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
        self._client = sdk.EncryptionSDKClient(commitment_policy=policy)
        self._context = {"about": _ABOUT.decode()}

    def version(self) -> str:
        return f"{version('aws-encryption-sdk')}, providers {version('aws-cryptographic-material-providers')}"

    def seal(self, data: bytes) -> bytes:
        sealed, _ = self._client.encrypt(source=data, keyring=self._keyring, encryption_context=self._context)
        return bytes(sealed)

    def open(self, sealed: bytes) -> bytes:
        data, _ = self._client.decrypt(source=sealed, keyring=self._keyring, encryption_context=self._context)
        return bytes(data)


class Tink(Kit):
    """Tink: an envelope of AES-256-GCM whose keys are sealed by a keyset in the process."""

    name = "Tink"

    def __init__(self) -> None:
        tink = _module("tink", "tink")
        aead = import_module("tink.aead")
        aead.register()
        template = aead.aead_key_templates.AES256_GCM
        kept = tink.new_keyset_handle(template).primitive(aead.Aead)
        self._envelope = aead.KmsEnvelopeAead(template, kept)

    def version(self) -> str:
        return version("tink")

    def seal(self, data: bytes) -> bytes:
        return bytes(self._envelope.encrypt(data, _ABOUT))

    def open(self, sealed: bytes) -> bytes:
        return bytes(self._envelope.decrypt(sealed, _ABOUT))


def _module(name: str, package: str) -> Any:
    """Return a module of a package; these have no types."""
    try:
        return import_module(name)
    except ImportError:
        raise Missing(f"package {package}") from None

"""Keys of the curve P-256 (SP 800-186) as bytes: a scalar of 32 bytes, a point of 65."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultfs_format.layout import Buffer
from vaultfs_format.sealing import Random

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
SCALAR = 32
POINT = 65
"""Bytes of a point that is not compressed: 04, then both coordinates (SEC 1 section 2.3.3)."""

_DRAWN = SCALAR + 8
"""Random bytes of a scalar: 64 bits more than it has, so that none of the scalars is likelier than others."""


def draw_scalar(random: Random) -> bytes:
    """Return a private key out of 40 random bytes, which always give one (FIPS 186-5 section A.2.1)."""
    return (int.from_bytes(random(_DRAWN), "big") % (ORDER - 1) + 1).to_bytes(SCALAR, "big")


def is_scalar(data: Buffer) -> bool:
    """Return whether `data` is a private key."""
    return len(data) == SCALAR and 0 < int.from_bytes(data, "big") < ORDER


def private_key(scalar: Buffer) -> EllipticCurvePrivateKey:
    """Return the private key that a scalar is."""
    # Imported where it is used, as all public-key cryptography: it is slow to import.
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

    return derive_private_key(int.from_bytes(scalar, "big"), SECP256R1())


def public_key(point: bytes) -> EllipticCurvePublicKey:
    """Return the public key that a point is.

    Raises
    ------
    ValueError
        It is none: of another length or form, or not on the curve.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    if len(point) != POINT:
        raise ValueError("a point has 65 bytes")
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)


def point_of(scalar: Buffer) -> bytes:
    """Return the public key of a private key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private_key(scalar).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

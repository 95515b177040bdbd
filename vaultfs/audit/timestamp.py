"""Time stamps (RFC 3161) over checkpoints: the word of an authority that the log was as large at a time.

What is stamped are the bytes of a file with a checkpoint, by their SHA-256, so that any other program verifies the two
files, too. Needs the extra ``vaultfs[tsa]``. How the request gets to the authority is the host's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING

from vaultfs_format.limits import KIB, MIB

from vaultfs.errors import LimitExceeded, NotAuthentic, VaultError
from vaultfs.keys.errors import Extra, ExtraMissing

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

MAX_REQUEST = 1 * KIB
MAX_RESPONSE = 64 * KIB
MAX_AUTHORITIES = 1 * MIB
_MAX_CERTIFICATES = 64
_SHA_256 = "2.16.840.1.101.3.4.2.1"
_GRANTED = 0


class StampFlaw(Enum):
    """What is wrong with a time stamp."""

    MALFORMED = 1
    MESSAGE = 2
    NONCE = 3
    SIGNER = 4
    AUTHORITIES = 5


class TimestampInvalid(NotAuthentic):
    """The time stamp is none of these bytes, or not by an authority that was given."""

    code = 2678
    advice = (
        "By the flaw: malformed, get another one; message, it is of another checkpoint; nonce, it answers another"
        " request, or that has none; signer, it was changed, or the certificate is not for time stamps, was not valid"
        " then, or leads to none that was given; authorities, give certificates in PEM."
    )


class TimestampRefused(VaultError):
    """The authority has not granted a time stamp."""

    code = 2679
    advice = (
        "Look up the status in RFC 3161 section 2.4.2; ask whoever runs the authority. Status 0 alone is taken: 1,"
        " granted with changes, is not what was asked for."
    )


@dataclass(frozen=True, slots=True)
class Stamped:
    """What a time stamp says.

    Parameters
    ----------
    time
        When the bytes were there.
    serial
        Number of the time stamp at its authority.
    """

    time: datetime
    serial: int


def make_request(data: bytes) -> bytes:
    """Return a request (TimeStampReq in DER) for bytes: SHA-256, a nonce, and the certificate of the signer asked for.

    Raises
    ------
    ExtraMissing
    """
    _need_client()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build().as_bytes()


def stamp(data: bytes, send: Callable[[bytes], bytes], authorities: bytes) -> tuple[bytes, Stamped]:
    """Have bytes stamped.

    Parameters
    ----------
    send
        Gives a request to the authority, by custom as ``application/timestamp-query`` over HTTP; returns the answer.
    authorities
        As of `verify`.

    Returns
    -------
    tuple
        The answer, which is to be kept beside the bytes, and what it says.

    Raises
    ------
    TimestampRefused, TimestampInvalid, LimitExceeded, ExtraMissing
        And what `send` raises.
    """
    request = make_request(data)
    response = send(request)
    return response, verify(data, response, authorities, request)


def verify(data: bytes, response: bytes, authorities: bytes, request: bytes | None = None) -> Stamped:
    """Return what a time stamp says of bytes.

    The certificates must have been valid at the time that is stated. Whether one was revoked is not looked at.

    Parameters
    ----------
    response
        What the authority has answered (TimeStampResp in DER).
    authorities
        Certificates that are believed, in PEM: the roots, and those between them and the signer.
    request
        What it has answered to: it must have a nonce, and the time stamp the same.

    Raises
    ------
    TimestampRefused, TimestampInvalid, LimitExceeded, ExtraMissing
    """
    _need_client()
    for given, most in ((response, MAX_RESPONSE), (authorities, MAX_AUTHORITIES), (request or b"", MAX_REQUEST)):
        if len(given) > most:
            raise LimitExceeded(expected=most, got=len(given))
    found = _parsed(response)
    if found.status != _GRANTED:
        raise TimestampRefused(status=found.status)
    flaw = _flaw(found, data, authorities, request)
    if flaw is not None:
        raise TimestampInvalid(flaw=flaw)
    return Stamped(found.tst_info.gen_time, found.tst_info.serial_number)


def _parsed(response: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    with suppress(ValueError):
        found = decode_timestamp_response(response)
        if found.status == _GRANTED:
            _ = found.tst_info  # which is there, or refused
        return found
    raise TimestampInvalid(flaw=StampFlaw.MALFORMED)


def _flaw(found: TimeStampResponse, data: bytes, authorities: bytes, request: bytes | None) -> StampFlaw | None:
    """Return what is wrong with a time stamp."""
    imprint = found.tst_info.message_imprint
    digest = sha256(data).digest()
    if imprint.hash_algorithm.dotted_string != _SHA_256 or imprint.message != digest:
        return StampFlaw.MESSAGE
    if request is not None and not _answers(found, request):
        return StampFlaw.NONCE
    certificates = _certificates(authorities)
    if not certificates:
        return StampFlaw.AUTHORITIES
    return None if _is_signed(found, digest, certificates) else StampFlaw.SIGNER


def _answers(found: TimeStampResponse, request: bytes) -> bool:
    """Return whether a time stamp has the nonce of a request, which must have one."""
    nonce = _nonce_of(request)
    return nonce is not None and nonce == found.tst_info.nonce


def _nonce_of(request: bytes) -> int | None:
    from rfc3161_client._rust import parse_timestamp_request

    with suppress(ValueError):
        return parse_timestamp_request(request).nonce
    return None


def _certificates(authorities: bytes) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    with suppress(ValueError):
        found = list(dict.fromkeys(load_pem_x509_certificates(authorities)))
        return found if len(found) <= _MAX_CERTIFICATES else []
    return []


def _is_signed(found: TimeStampResponse, digest: bytes, certificates: list[Certificate]) -> bool:
    """Return whether a certificate for time stamps has signed it that leads to one of those that are given."""
    from rfc3161_client import VerificationError, VerifierBuilder

    with suppress(VerificationError, ValueError):
        return VerifierBuilder(roots=certificates).build().verify(found, digest)
    return False


def _need_client() -> None:
    """Refuse to go on without the library for time stamps.

    Raises
    ------
    ExtraMissing
    """
    with suppress(ImportError):
        import rfc3161_client  # noqa: F401 - whether it can be

        return
    raise ExtraMissing(extra=Extra.TSA)

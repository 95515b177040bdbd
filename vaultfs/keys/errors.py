"""What keeps a recipient from opening a vault, or from being added: 2220 to 2239 of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from vaultfs.errors import VaultError


class Extra(Enum):
    """The extras of the package, named in the facts of an error."""

    HSM = 1
    ESCROW = 2
    TSA = 3


class ExtraMissing(VaultError, ImportError):
    """The extra package of VaultFS that this takes is not installed."""

    code = 2220
    advice = "Install the extra that the facts name, in the checkout of VaultFS, as in: pip install -e '.[hsm]'."


class TokenMissing(VaultError):
    """There is no such token, or the library that leads to it cannot be loaded."""

    code = 2221
    advice = (
        "Check that the token is connected, its label, and the path of the PKCS#11 library; with two tokens of one"
        " label give the other one another."
    )


class TokenKeyMissing(VaultError, LookupError):
    """The token has no key for this that can wrap and unwrap and never leaves it."""

    code = 2222
    advice = (
        "Check that it is the token that the vault was given, and the key id. A key of a vault is AES-256, sensitive"
        " and not extractable."
    )


class PinWrong(VaultError, PermissionError):
    """The token does not take this PIN."""

    code = 2223
    advice = "Check the PIN before trying again: a token locks itself after a few wrong ones."


class PinLocked(VaultError, PermissionError):
    """The token is locked: the PIN was wrong too often, has expired, or was never set."""

    code = 2224
    advice = "Let whoever administers the token set a new PIN; another recipient of the vault may open it meanwhile."


class TokenFailed(VaultError):
    """The token, or the library that leads to it, failed or refused what it was asked for."""

    code = 2225
    advice = (
        "Check the token with the tools of its maker: that it wraps keys by CKM_AES_KEY_WRAP_PAD, or, as an epoch"
        " store, that it keeps private data objects and has room for them."
    )


class KeyServiceFailed(VaultError):
    """The key service of the host failed, or returned what cannot be."""

    code = 2226
    advice = "Look into the log of the service: what it said is withheld here, because it may hold secrets."


class ShareInvalid(VaultError, ValueError):
    """A share is not one: a word of it is wrong, misspelt or missing."""

    code = 2227
    advice = "Compare the share of the number in the facts, counted from 1, with what was written down, word by word."


class SharesMissing(VaultError):
    """The shares that were given are not enough for any escrow of this vault, or are of another one."""

    code = 2228
    advice = "Ask more of the people who have shares; `vault.keys.recipients()` lists how many of each group it takes."


class StanzaName(int):
    """The name of a stanza as a fact of an error: shown as it is listed, in 16 hexadecimal digits."""

    def __str__(self) -> str:
        return f"{int(self):016x}"


class RecipientsUnheld(VaultError):
    """Recipients would be lost with the old root key: nothing was given that makes their stanzas again."""

    code = 2229
    advice = (
        "Of each recipient in the facts, give again what opens it, or its public key; or say that it is to be removed."
        " `vault.keys.recipients()` lists them."
    )

    @classmethod
    def of(cls, ids: Sequence[str]) -> RecipientsUnheld:
        """Return the error for these recipients, named as they are listed."""
        return cls(**{f"recipient_{number}": StanzaName(name, 16) for number, name in enumerate(ids, start=1)})

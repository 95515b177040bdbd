"""The codecs of all types of stanzas, and how a stanza is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vaultfs_format.escrowstanza import ESCROW, EscrowStanza
from vaultfs_format.hoststanza import HOST, HostStanza
from vaultfs_format.keystanza import PUBLIC_KEY, KeyStanza
from vaultfs_format.layout import Buffer, Layout
from vaultfs_format.stanza import PASSPHRASE, PBKDF2, PassphraseStanza, Stanza, StanzaType
from vaultfs_format.suite import Suite
from vaultfs_format.tokenstanza import TOKEN, TokenStanza

STANZA_ID = 8

AnyStanza = PassphraseStanza | KeyStanza | TokenStanza | EscrowStanza | HostStanza

LAYOUTS: Mapping[int, Layout] = {
    StanzaType.PASSPHRASE: PASSPHRASE,
    StanzaType.PBKDF2: PBKDF2,
    StanzaType.PUBLIC_KEY: PUBLIC_KEY,
    StanzaType.TOKEN: TOKEN,
    StanzaType.ESCROW: ESCROW,
    StanzaType.HOST: HOST,
}
"""What each type begins with."""

_DECODERS: Mapping[int, Callable[[Buffer], AnyStanza]] = {
    StanzaType.TOKEN: TokenStanza.decode,
    StanzaType.ESCROW: EscrowStanza.decode,
    StanzaType.HOST: HostStanza.decode,
}


def parsed(suite: Suite, stanza: Stanza) -> AnyStanza | None:
    """Return a stanza by its type, None where it is of a type that is not known.

    Raises
    ------
    Truncated, TrailingBytes, LimitExceeded, FieldInvalid
    """
    if stanza.takes_passphrase:
        return stanza.passphrase()
    if stanza.kind == StanzaType.PUBLIC_KEY:
        return KeyStanza.decode(suite, stanza.body)
    decoder = _DECODERS.get(stanza.kind)
    return None if decoder is None else decoder(stanza.body)


def stanza_id(suite: Suite, stanza: Stanza) -> bytes:
    """Return the 8 bytes that name a stanza: the first of its salt, or of its digest where the type is not known.

    Raises
    ------
    Truncated, TrailingBytes, LimitExceeded, FieldInvalid
    """
    found = parsed(suite, stanza)
    return (suite.digest(stanza.body) if found is None else found.seal.salt)[:STANZA_ID]

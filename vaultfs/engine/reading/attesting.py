"""The event that opens a session: who acts, why and in which context, with the acting person's signature."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from vaultfs_format import limits
from vaultfs_format.events.codec import encode_event
from vaultfs_format.events.session import PersonSignature, SessionOpened, statement_of

from vaultfs.audit.events import Outcome
from vaultfs.context import Attest, Context, ContextTokens
from vaultfs.engine.engine import View
from vaultfs.keys.chain import KeyChain
from vaultfs.model import Principal, check_text


def tokens_of(chain: KeyChain, context: Context) -> ContextTokens:
    """Return what stands for a context in audit events of the present epoch."""

    def token(name: str, text: str | None) -> bytes | None:
        return None if text is None else chain.context_token(name, text.encode())

    return ContextTokens(token("encounter", context.encounter), token("order", context.order))


def session_event(
    engine: View,
    session_id: bytes,
    principal: Principal,
    purpose: str,
    *,
    strict: bool,
    context: Context,
    attest: Attest | None,
) -> SessionOpened:
    """Return what the log says of a session; that it failed where a person should have signed, and did not.

    Raises
    ------
    ArgumentInvalid
    """
    check_text(purpose, limits.MAX_PURPOSE)
    event = SessionOpened(
        *(engine.options.clock(), session_id, principal.id, tuple(sorted(principal.roles)), purpose, bool(strict)),
        *(context.care_setting, *tokens_of(engine.chain, context)),
    )
    return event if attest is None else _attested(engine.vault_id, event, attest)


def _attested(vault_id: bytes, event: SessionOpened, attest: Attest) -> SessionOpened:
    """Return the event with the person's signature; one that failed where none was given that can be kept."""
    with suppress(Exception):  # of the host
        signature = attest(statement_of(vault_id, event))
        signed = msgspec.structs.replace(event, signature=signature)
        encode_event(signed)
        if isinstance(signature, PersonSignature):
            return signed
    return msgspec.structs.replace(event, outcome=Outcome.FAILED)

"""PKCS#11 as far as vaults need it: a session in a token, and a secret wrapped and unwrapped by an AES key in it.

Every use logs in and out again, and one thread of one process has a session at a time: no handle is kept, so none can
survive a fork, and a login ends with what it was made for. A forked process initialises the library anew, as PKCS#11
demands of it. Errors of the library are converted here, and are not even the context of ours: they can hold paths.

A PIN that a token has refused is not tried again by this process, whoever brings it: a few wrong ones lock a token.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vaultfs_format.suite import KEY

from vaultfs.errors import ArgumentInvalid, VaultError
from vaultfs.keys.errors import Extra, ExtraMissing, PinLocked, PinWrong, TokenFailed, TokenMissing
from vaultfs.vfs import path_lock

if TYPE_CHECKING:
    from pkcs11 import Attribute, Mechanism, PKCS11Error, Session, Token
    from pkcs11._pkcs11 import lib

T = TypeVar("T")

Pin = bytes | bytearray | Callable[[], bytes | bytearray]
"""A PIN, or what returns it whenever it is needed."""


_PATIENCE = 5.0
"""Seconds for which other processes are waited for."""


class _Process:
    """What this process, and no other, has of the libraries.

    Parameters
    ----------
    inherited
        The libraries that the process from which this one was forked has initialised.
    refused
        The PINs that tokens have refused, each with the serial number of the token.
    """

    def __init__(self, inherited: set[str], refused: set[tuple[bytes, str]]) -> None:
        self.number = os.getpid()
        self.lock = threading.Lock()
        self.libraries: set[str] = set()
        self.inherited = inherited
        self.refused = refused


_processes = [_Process(set(), set())]


def _own() -> _Process:
    """Return the state of this process."""
    last = _processes[0]
    if last.number != os.getpid():
        _processes[0] = _Process(last.libraries | last.inherited, set(last.refused))
    return _processes[0]


def used(module: str, label: str, pin: Pin, act: Callable[[Session], T], *, writes: bool = False) -> T:
    """Return what `act` returns in a session that is logged in.

    Raises
    ------
    ExtraMissing, ArgumentInvalid, TokenMissing, PinWrong, PinLocked, TokenFailed
    """
    _need_pkcs11()
    from pkcs11 import PKCS11Error

    text = _text(pin() if callable(pin) else pin)
    own = _own()
    failure: VaultError
    with own.lock, _alone(module):
        library = _library(own, module)
        try:
            with closing(_login(own, library.get_token(token_label=label), text, writes=writes)) as session:
                return act(session)
        except PKCS11Error as error:
            failure = _coded(error)
    raise failure


def make_key(session: Session, key_id: bytes) -> bool:
    """Make an AES-256 key in the token that never leaves it; return whether there was none of this id."""
    from pkcs11 import Attribute, KeyType, MechanismFlag

    if list(session.get_objects({Attribute.ID: key_id})):
        return False
    session.generate_key(
        KeyType.AES,
        8 * KEY,
        id=key_id,
        label="vaultfs",
        store=True,
        capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )
    return True


def wrap(session: Session, key_id: bytes, secret: bytes) -> bytes | None:
    """Return `secret` wrapped by a key; None where the token has no such key."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    key = _key(session, key_id)
    if key is None:
        return None
    about = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.GENERIC_SECRET}
    plain = session.create_object(about | _passing() | {Attribute.VALUE: secret})
    return bytes(key.wrap_key(plain, mechanism=_mechanism(session)))


def unwrap(session: Session, key_id: bytes, wrapped: bytes) -> bytes | None:
    """Return the secret, empty where this key has not wrapped it; None where the token has no such key."""
    from pkcs11 import Attribute, GeneralError, KeyType, ObjectClass, WrappedKeyInvalid, WrappedKeyLenRange

    key = _key(session, key_id)
    if key is None:
        return None
    # SoftHSM has a general error for what its key has not wrapped.
    with suppress(WrappedKeyInvalid, WrappedKeyLenRange, GeneralError):
        plain = key.unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.GENERIC_SECRET,
            wrapped,
            mechanism=_mechanism(session),
            template=_passing(),
        )
        secret = bytes(plain[Attribute.VALUE])
        return secret if len(secret) == KEY else b""
    return b""


def _passing() -> dict[Attribute, bool]:
    """Return what makes an object one of this session alone that can be read."""
    from pkcs11 import Attribute

    return {Attribute.TOKEN: False, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}


def _key(session: Session, key_id: bytes) -> Any:
    """Return the AES-256 key of an id that wraps and unwraps and cannot leave the token; None where there is none.

    What a key can do is in no type of the library: it depends on the key.
    """
    from pkcs11 import Attribute, KeyType, ObjectClass

    wanted = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.ID: key_id,
        Attribute.TOKEN: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.WRAP: True,
        Attribute.UNWRAP: True,
    }
    found = list(session.get_objects(wanted))
    return next((key for key in found if key[Attribute.VALUE_LEN] == KEY), None)


def _mechanism(session: Session) -> Mechanism:
    """Return what a token calls AES-KWP: some, as SoftHSM, by the older name that others have for something else."""
    from pkcs11 import Mechanism

    offered = session.token.slot.get_mechanisms()
    return next((one for one in (Mechanism.AES_KEY_WRAP_KWP,) if one in offered), Mechanism.AES_KEY_WRAP_PAD)


def _need_pkcs11() -> None:
    with suppress(ImportError):
        import pkcs11  # noqa: F401 - whether it can be

        return
    raise ExtraMissing(extra=Extra.HSM)


def _text(pin: bytes | bytearray) -> str:
    """Return a PIN as the library takes it."""
    with suppress(UnicodeDecodeError):
        return pin.decode()
    raise ArgumentInvalid(length=len(pin))


def _library(own: _Process, module: str) -> lib:
    """Return a library that this process has initialised.

    Raises
    ------
    TokenMissing
    """
    import pkcs11

    with suppress(pkcs11.PKCS11Error):
        library = pkcs11.lib(module)
        if module in own.inherited:
            _restarted(library)
            own.inherited.discard(module)
        own.libraries.add(module)
        return library
    raise TokenMissing


def _restarted(library: lib) -> None:
    """Initialise a library that was inherited: what it had belongs to the process from which this one was forked."""
    from pkcs11 import PKCS11Error

    with suppress(PKCS11Error):
        library.finalize()
    library.initialize()


@contextmanager
def _alone(module: str) -> Iterator[None]:
    """Keep other processes from the library, as far as they ask: SoftHSM fails where two log in at the same time.

    Whoever can read the library could hold the lock for good, so nobody waits for it for long.
    """
    with ExitStack() as stack:
        with suppress(VaultError):
            stack.enter_context(path_lock(Path(module), exclusive=True, wait=_PATIENCE))
        yield


def _login(own: _Process, token: Token, pin: str, *, writes: bool) -> Session:
    """Return a session. Where the host is logged in already, in this process, its login serves, and stays."""
    from pkcs11 import PinIncorrect, PinInvalid, PinLenRange, UserAlreadyLoggedIn

    if (token.serial, pin) in own.refused:
        raise PinIncorrect
    try:
        return token.open(rw=writes, user_pin=pin)
    except UserAlreadyLoggedIn:
        return token.open(rw=writes)
    except (PinIncorrect, PinInvalid, PinLenRange):
        own.refused.add((token.serial, pin))
        raise


def _coded(error: PKCS11Error) -> VaultError:
    """Return the coded error for one of the library."""
    import pkcs11

    if isinstance(error, (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange)):
        return PinWrong()
    if isinstance(error, (pkcs11.PinLocked, pkcs11.PinExpired, pkcs11.UserPinNotInitialized)):
        return PinLocked()
    if isinstance(error, (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned)):
        return TokenMissing()
    return TokenFailed()

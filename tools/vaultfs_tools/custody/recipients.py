"""Recipients on the command line: which the options name, and how those of a vault are shown."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from vaultfs.errors import ArgumentInvalid
from vaultfs.keys import Passphrase, RecipientInfo, RecipientKey, Token
from vaultfs.keys.succession import Given
from vaultfs_tools import cli, unlocking

_MAX_PUBLIC = 65_536
"""Largest file with a public key or a list of ids that is read, in bytes."""


def add_new_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name new recipients."""
    group = parser.add_argument_group("who is to open the vault, one of these")
    _add_options(group, "to")
    group.add_argument(
        "--to-token",
        dest="tokens",
        metavar=("MODULE", "LABEL", "PIN-FILE", "KEY-ID"),
        nargs=4,
        action="append",
        default=[],
        help="a token with this AES key",
    )


def add_staying_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that give again who stays."""
    group = parser.add_argument_group("who stays, beside what opens the vault; each may be repeated")
    _add_options(group, "staying")
    group.add_argument(
        "--staying-token",
        dest="tokens",
        metavar=("MODULE", "LABEL", "PIN-FILE"),
        nargs=3,
        action="append",
        default=[],
        help="a token",
    )
    group.add_argument(
        "--staying-shares",
        dest="share_files",
        metavar="FILE",
        action="append",
        help="file with escrow shares; of all files together enough, and those that are out stay good",
    )


def _add_options(group: argparse._ArgumentGroup, prefix: str) -> None:
    group.add_argument(
        f"--{prefix}-passphrase",
        dest="passphrases",
        metavar="FILE",
        action="append",
        default=[],
        help="file with a passphrase, readable by you alone",
    )
    group.add_argument(
        f"--{prefix}-key",
        dest="public_keys",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="file with a public key",
    )


def new_ones(args: argparse.Namespace) -> list[Passphrase | RecipientKey | Token]:
    """Return the recipients that the options name.

    Raises
    ------
    ArgumentInvalid
        A file holds no public key, or an id is none.
    PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    return [
        *(Passphrase(cli.secret_of_file(path)) for path in args.passphrases),
        *(RecipientKey(key) for path in args.public_keys for key in ids_in(path)),
        *(_token(*words) for words in args.tokens),
    ]


def staying_ones(args: argparse.Namespace) -> list[Given]:
    """Return who stays. Errors are those of `new_ones`."""
    shares = [unlocking.shares_of(args.share_files)] if args.share_files else []
    return [*new_ones(args), *shares]


def _token(module: str, label: str, pin_file: str, key_id: str = "") -> Token:
    return Token(module, label, cli.secret_of_file(pin_file), id_of(key_id))


def ids_in(path: Path) -> list[bytes]:
    """Return what a file holds in hexadecimal digits, an item a line.

    Raises
    ------
    ArgumentInvalid
    """
    with path.open("rb") as file:
        data = file.read(_MAX_PUBLIC + 1)
    if len(data) > _MAX_PUBLIC:
        raise ArgumentInvalid(length=len(data))
    return [id_of(line) for line in data.decode("ascii", "replace").split()]


def id_of(text: str) -> bytes:
    """Return the bytes of hexadecimal digits.

    Raises
    ------
    ArgumentInvalid
    """
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ArgumentInvalid(length=len(text)) from None


def as_json(one: RecipientInfo) -> dict[str, object]:
    """Return what is public about a recipient."""
    return {"id": one.id, "type": _type(one), **one.about}


def as_text(one: RecipientInfo) -> str:
    """Return the same as a line."""
    return f"{one.id} {_type(one)}" + "".join(_about(one))


def _about(one: RecipientInfo) -> Iterator[str]:
    for name, value in one.about.items():
        shown = " ".join(f"{needed}/{there}" for needed, there in value) if isinstance(value, list) else value
        yield f", {name.replace('_', ' ')} {shown}"


def _type(one: RecipientInfo) -> str:
    name = getattr(one.type, "name", "")
    return str(name).lower().replace("_", " ") or f"type {one.type}"

"""Ways to open a vault from the command line: never by an argument or the environment, which others can see.

A passphrase or a private key takes the format alone; shares and tokens load the engine's recipients, on demand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.superblock import Superblock
from vaultfs_format.unlocking import by_passphrase, by_private_key

from vaultfs_tools import cli

if TYPE_CHECKING:
    from vaultfs.keys import Shares, Unlocker

Opener = Callable[[Superblock], Buffer]
"""Returns the root key of a vault, or raises what keeps it from that."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the ways to open a vault, of which one is used: a passphrase unless another is named."""
    cli.add_passphrase_options(parser)
    group = parser.add_argument_group("instead of a passphrase")
    ways = group.add_mutually_exclusive_group()
    ways.add_argument("--key", metavar="FILE", help="file with a private key, readable by you alone")
    ways.add_argument(
        "--shares",
        metavar="FILE",
        action="append",
        help="file with escrow shares, one a line, readable by you alone; repeat it for each file",
    )
    ways.add_argument(
        "--module", metavar="FILE", type=Path, help="PKCS#11 library of a token; the passphrase is its PIN"
    )
    group.add_argument("--token", metavar="LABEL", default="", help="label of the token")


def is_given(args: argparse.Namespace) -> bool:
    """Return whether the options name a way to open a vault, so that nobody need be asked whether there is one."""
    ways = args.passphrase_file, args.passphrase_fd, args.key, args.shares, args.module
    return any(way is not None for way in ways)


def unlocker(args: argparse.Namespace) -> Unlocker:
    """Return what the options say; with a token the passphrase is its PIN.

    Raises
    ------
    PassphraseMissing, PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    from vaultfs.keys import Passphrase, PrivateKey, Token

    if args.key is not None:
        return PrivateKey(_private_key(args.key))
    if args.shares is not None:
        return shares_of(args.shares)
    secret = cli.need_passphrase(args)
    return Passphrase(secret) if args.module is None else Token(args.module, args.token, secret)


def opener(args: argparse.Namespace) -> Opener:
    """Return the same for who must not need the engine, which only shares and tokens load.

    Raises
    ------
    PassphraseMissing, PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    if args.key is not None:
        return partial(by_private_key, private=_private_key(args.key))
    if args.shares is not None or args.module is not None:
        return unlocker(args).unlock
    return partial(by_passphrase, passphrase=cli.need_passphrase(args))


def shares_of(paths: Sequence[str]) -> Shares:
    """Return the shares in files that the caller alone may read, one a line.

    Raises
    ------
    PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    from vaultfs.keys import Shares

    lines = [line for path in paths for line in cli.secret_of_file(path).decode("ascii", "replace").splitlines()]
    return Shares([line for line in lines if line.strip()])


def _private_key(path: str) -> Secret:
    """Return the private key in a file; nothing where it holds none, which opens no vault."""
    try:
        return Secret.fromhex(cli.secret_of_file(path).decode("ascii"))
    except ValueError:
        return Secret()

"""Ways to open a vault from the command line: never by an argument or the environment, which others can see."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaultfs_format.secret import Secret

import vaultfs
from vaultfs.keys import PrivateKey, Shares, Token, Unlocker
from vaultfs_tools import cli


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the ways to open a vault, of which one is used: a passphrase unless another is named."""
    cli.add_passphrase_options(parser)
    group = parser.add_argument_group("instead of a passphrase")
    group.add_argument("--key", metavar="FILE", help="file with a private key, readable by you alone")
    group.add_argument("--shares", metavar="FILE", help="file with escrow shares, one a line, readable by you alone")
    group.add_argument("--module", metavar="FILE", type=Path, help="PKCS#11 library of a token; its PIN is asked for")
    group.add_argument("--token", metavar="LABEL", default="", help="label of the token")


def unlocker(args: argparse.Namespace) -> Unlocker:
    """Return what the options say; with a token the passphrase is its PIN.

    Raises
    ------
    PassphraseMissing, PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    if args.key is not None:
        text = cli.secret_of_file(args.key)
        return PrivateKey(Secret.fromhex(text.decode("ascii", "replace")) if is_hexadecimal(text) else b"")
    if args.shares is not None:
        lines = cli.secret_of_file(args.shares).decode("ascii", "replace").splitlines()
        return Shares([line for line in lines if line.strip()])
    secret = cli.need_passphrase(args)
    if args.module is not None:
        return Token(args.module, args.token, secret)
    return vaultfs.Passphrase(secret)


def is_hexadecimal(text: bytes | bytearray) -> bool:
    """Return whether text is nothing but pairs of hexadecimal digits."""
    return len(text) % 2 == 0 and all(digit in b"0123456789abcdefABCDEF" for digit in text)

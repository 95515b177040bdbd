"""The options of `vaultfs-keys`, by command."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaultfs_tools.custody import recipients
from vaultfs_tools.opening import TOKEN_STORE, add_vault


def adding(parser: argparse.ArgumentParser) -> None:
    """Add those of `add`."""
    add_vault(parser)
    recipients.add_new_options(parser)


def rotating(parser: argparse.ArgumentParser) -> None:
    """Add those of `rotate`: a new root key, for who stays."""
    add_vault(parser)
    recipients.add_staying_options(parser)
    parser.set_defaults(id=())


def removing(parser: argparse.ArgumentParser) -> None:
    """Add those of `remove`."""
    rotating(parser)
    parser.add_argument("id", metavar="ID", nargs="+", help="who is to be removed, as `list` shows it")


def turning(parser: argparse.ArgumentParser) -> None:
    """Add those of `epoch turn`."""
    add_vault(parser)
    parser.add_argument("--dispose", metavar="FILE", type=Path, help="file with subjects to dispose of, an id a line")
    parser.add_argument("--new-signer", action="store_true", help="sign with new keys from now on")


def splitting(parser: argparse.ArgumentParser) -> None:
    """Add those of `escrow split`."""
    add_vault(parser)
    _add_shares(parser, required=True)


def resharing(parser: argparse.ArgumentParser) -> None:
    """Add those of `escrow reshare`."""
    rotating(parser)
    _add_shares(parser, required=False)
    parser.add_argument("--escrow", metavar="ID", help="which escrow, where the vault has several")


def _add_shares(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="a new directory, for a file a share")
    parser.add_argument(
        "--group",
        metavar="M/N",
        action="append",
        required=required,
        type=_group,
        help="M of N shares; repeat it for each group" + ("" if required else "; default: as before"),
    )
    parser.add_argument(
        "--groups-needed",
        metavar="M",
        type=int,
        help="how many groups; default: 1" + ("" if required else ", or as before"),
    )


def _group(text: str) -> tuple[int, int]:
    needed, _, there = text.partition("/")
    if not (needed.isdecimal() and there.isdecimal()):
        raise argparse.ArgumentTypeError("two numbers, as in 2/3")
    return int(needed), int(there)


def drilling(parser: argparse.ArgumentParser) -> None:
    """Add those of `escrow drill`."""
    add_vault(parser)
    parser.add_argument("share", metavar="SHARE", nargs="+", help="file with shares, one a line, readable by you alone")


def copies(parser: argparse.ArgumentParser) -> None:
    """Add those of `copies`."""
    add_vault(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--confirm", metavar="ID", help="say that the bundle lies with this copy")
    group.add_argument("--give-up", metavar="ID", help="wait for this copy no more: it will not be opened again")
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="with --confirm: the key bundle, which must be of the present epoch"
    )


def making(parser: argparse.ArgumentParser) -> None:
    """Add those of `make`."""
    parser.add_argument(
        "out", type=Path, metavar="FILE", help="a new file: the private key; FILE.pub is the public one"
    )
    parser.add_argument("--suite", choices=("default", "fips"), default="default", help="as the vault's")


def keeping(parser: argparse.ArgumentParser) -> None:
    """Add those of `keep`."""
    add_vault(parser)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--in-directory", metavar="DIR", type=Path, help="a directory, best on a medium of its own")
    group.add_argument("--in-token", metavar=TOKEN_STORE, nargs=3, help="a token")

"""The options of `vaultfs-keys`, by command."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaultfs_tools import unlocking
from vaultfs_tools.custody import recipients

_TOKEN_STORE = ("MODULE", "LABEL", "PIN-FILE")


def vault(parser: argparse.ArgumentParser) -> None:
    """Add those of a vault, its epoch stores, and what opens it."""
    parser.add_argument("vault", type=Path, metavar="VAULT", help="the vault's directory")
    parser.add_argument(
        "--epoch-store",
        type=Path,
        metavar="DIR",
        action="append",
        help="epoch store; repeat it to use several; default: VAULT.epoch",
    )
    parser.add_argument(
        "--epoch-token",
        metavar=_TOKEN_STORE,
        nargs=3,
        action="append",
        default=[],
        help="epoch store in a token; repeat it to use several, beside those in directories",
    )
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another writer")
    parser.add_argument(
        "--accept-risk",
        action="store_true",
        help="go on by a recipient that is suspended, compromised or past its date, which is recorded",
    )
    unlocking.add_options(parser)


def adding(parser: argparse.ArgumentParser) -> None:
    """Add those of `add`."""
    vault(parser)
    recipients.add_new_options(parser)


def rotating(parser: argparse.ArgumentParser) -> None:
    """Add those of `rotate`: a new root key, for who stays."""
    vault(parser)
    recipients.add_staying_options(parser)
    parser.set_defaults(id=())


def removing(parser: argparse.ArgumentParser) -> None:
    """Add those of `remove`."""
    rotating(parser)
    parser.add_argument("id", metavar="ID", nargs="+", help="who is to be removed, as `list` shows it")


def turning(parser: argparse.ArgumentParser) -> None:
    """Add those of `epoch turn`."""
    vault(parser)
    parser.add_argument("--dispose", metavar="FILE", type=Path, help="file with subjects to dispose of, an id a line")
    parser.add_argument("--new-signer", action="store_true", help="sign with new keys from now on")


def splitting(parser: argparse.ArgumentParser) -> None:
    """Add those of `escrow split`."""
    vault(parser)
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
    vault(parser)
    parser.add_argument("share", metavar="SHARE", nargs="+", help="file with shares, one a line, readable by you alone")


def copies(parser: argparse.ArgumentParser) -> None:
    """Add those of `copies`."""
    vault(parser)
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
    vault(parser)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--in-directory", metavar="DIR", type=Path, help="a directory, best on a medium of its own")
    group.add_argument("--in-token", metavar=_TOKEN_STORE, nargs=3, help="a token")

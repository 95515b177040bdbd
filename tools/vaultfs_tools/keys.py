"""``vaultfs-keys``: who can open a vault, its epochs, and the copies that wait for them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import vaultfs
from vaultfs.engine.lives import KeyRef
from vaultfs.engine.turning import Turned, lagging, pending
from vaultfs.errors import ArgumentInvalid
from vaultfs.keys import Escrow, PrivateKey, Recipient, RecipientInfo, RecipientKey, Shares, Token, Unlocker
from vaultfs.keys.lifecycle import NEVER
from vaultfs.storage.copies import confirm_keys, copies_of, give_up
from vaultfs_tools import cli, unlocking
from vaultfs_tools.keyless.durable import write

PROG = "vaultfs-keys"
EPILOG = """\
Exit codes: 0 done; 1 done, and something waits (an old secret for a copy of the vault); 4 something is damaged; 8
nothing could be done; 16 wrong usage; 130 interrupted. Nothing that is printed is a secret: shares go into files.
"""
OVERVIEW = """\
list VAULT; add VAULT; turn VAULT; status VAULT; split VAULT OUT; drill VAULT; copies VAULT; make FILE.
Each tells its options with --help.
"""
_PRIVATE = 0o600


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in _COMMANDS:
        about, options, body = _COMMANDS[words[0]]
        parser = cli.Parser(f"{PROG} {words[0]}", about, epilog=EPILOG)
        options(parser)
        return cli.run(body, parser, words[1:])
    parser = cli.Parser(PROG, "Say who can open a vault, and change it.", epilog=OVERVIEW)
    parser.add_argument("command", metavar="COMMAND", help=", ".join(_COMMANDS))
    parser.parse_args(words)
    return parser.error(f"COMMAND is one of {', '.join(_COMMANDS)}")


# Options. ----------------------------------------------------------------------------------------------------------


def _vault(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vault", type=Path, metavar="VAULT", help="the vault's directory")
    parser.add_argument(
        "--epoch-store",
        type=Path,
        metavar="DIR",
        action="append",
        help="epoch store, or several; default: VAULT.epoch",
    )
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another writer")
    unlocking.add_options(parser)


def _recipients(parser: argparse.ArgumentParser) -> None:
    _vault(parser)
    group = parser.add_argument_group("recipients; each may be repeated")
    group.add_argument("--to-passphrase", metavar="FILE", action="append", default=[], help="file with a passphrase")
    group.add_argument("--to-key", metavar="FILE", action="append", default=[], help="file with a public key")
    group.add_argument(
        "--to-token", metavar=("MODULE", "LABEL", "KEY-ID", "PIN-FILE"), nargs=4, action="append", default=[],
        help="a token with this AES key",
    )  # fmt: skip


def _turning(parser: argparse.ArgumentParser) -> None:
    _vault(parser)
    parser.add_argument("--dispose", metavar="FILE", type=Path, help="file with subjects to dispose of, an id a line")


def _splitting(parser: argparse.ArgumentParser) -> None:
    _vault(parser)
    parser.add_argument("out", type=Path, metavar="OUT", help="a new directory, for a file a share")
    parser.add_argument(
        "--group", metavar="M/N", action="append", required=True, type=_group, help="M of N shares; repeat for groups"
    )
    parser.add_argument("--groups-needed", metavar="M", type=int, default=1, help="how many groups; default: 1")


def _group(text: str) -> tuple[int, int]:
    needed, _, there = text.partition("/")
    if not (needed.isdecimal() and there.isdecimal()):
        raise argparse.ArgumentTypeError("two numbers, as in 2/3")
    return int(needed), int(there)


def _drilling(parser: argparse.ArgumentParser) -> None:
    _vault(parser)
    parser.add_argument("--try-shares", metavar="FILE", required=True, help="file with shares, one a line")


def _copies(parser: argparse.ArgumentParser) -> None:
    _vault(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--confirm", metavar="ID", help="say that today's key bundle lies with this copy")
    group.add_argument("--give-up", metavar="ID", help="wait for this copy no more: it will not be opened again")


def _making(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out", type=Path, metavar="FILE", help="a new file: the private key; FILE.pub is the public one"
    )
    parser.add_argument("--suite", default="default", help="default or fips; as the vault's")


# Running. ----------------------------------------------------------------------------------------------------------


def _opened(args: argparse.Namespace) -> tuple[vaultfs.Vault, Unlocker]:
    unlock = unlocking.unlocker(args)
    stores = [vaultfs.DirectoryStore(one) for one in args.epoch_store or ()]
    return vaultfs.open(args.vault, unlock=unlock, epoch_stores=stores, wait=args.wait), unlock


def _run_list(args: argparse.Namespace) -> int:
    vault, _ = _opened(args)
    with vault:
        found = vault.keys.recipients()
    cli.emit(args, {"recipients": [_shown(one) for one in found]}, map(_line, found))
    return cli.Exit.DONE


def _run_add(args: argparse.Namespace) -> int:
    new = _named(args)
    vault, unlock = _opened(args)
    with vault:
        added = [vault.keys.add(one, unlock=unlock) for one in new]
    cli.emit(args, {"added": [_shown(one) for one in added]}, (f"added: {_line(one)}" for one in added))
    return cli.Exit.DONE


def _run_turn(args: argparse.Namespace) -> int:
    vault, unlock = _opened(args)
    with vault:
        turned = vault.keys.turn(unlock, _subjects(args))
        left = _left(vault)
    return _emit_turn(args, turned, left, {}, iter(()))


def _emit_turn(
    args: argparse.Namespace, turned: Turned, left: dict[str, int], more: dict[str, object], lines: Iterator[str]
) -> int:
    shown = {"epoch": turned.epoch, "frames_disposed": turned.frames, "tables_written": turned.tables, **left, **more}
    text = [*lines, f"epoch {turned.epoch}: {turned.frames:,} frames disposed of, {turned.tables:,} key tables written"]
    cli.emit(args, shown, [*text, *_waiting(left)])
    return cli.Exit.ATTENTION if left["secrets_pending"] else cli.Exit.DONE


def _run_status(args: argparse.Namespace) -> int:
    vault, _ = _opened(args)
    with vault:
        engine, left = vault.engine, _left(vault)
        life = vault.lives.life(KeyRef.epoch(engine.head.epoch))
        state = life.at(engine.options.clock())
        began_at = engine.chain.turn.time
        shown: dict[str, object] = {
            "epoch": engine.head.epoch,
            "began": began_at,
            "state": state.name.lower(),
            "protect_until": life.protect_until,
            "frames_disposed": engine.chain.turn.disposed,
            **left,
        }
    ends = "" if life.protect_until == NEVER else f", protects until {_time(life.protect_until)}"
    began = f" since {_time(began_at)}" if began_at else ""
    cli.emit(args, shown, [f"epoch {shown['epoch']}{began}: {shown['state']}{ends}", *_waiting(left)])
    return cli.Exit.ATTENTION if left["secrets_pending"] else cli.Exit.DONE


def _run_split(args: argparse.Namespace) -> int:
    escrow = Escrow.draw(args.group, args.groups_needed)
    vault, unlock = _opened(args)
    with vault:
        args.out.mkdir(mode=0o700)
        for number, group in enumerate(escrow.groups, start=1):
            for share, words in enumerate(group, start=1):
                write(args.out / f"group-{number}-share-{share}.txt", words.encode() + b"\n")
        added = vault.keys.add(escrow, unlock=unlock)
        sheet = list(_sheet(vault, escrow, added))
    write(args.out / "custody-sheet.txt", "\n".join(sheet).encode() + b"\n")
    cli.emit(args, {"added": _shown(added)}, sheet)
    return cli.Exit.DONE


def _run_drill(args: argparse.Namespace) -> int:
    lines = cli.secret_of_file(args.try_shares).decode("ascii", "replace").splitlines()
    vault, _ = _opened(args)
    with vault:
        found = vault.keys.drill(Shares([line for line in lines if line.strip()]))
    cli.emit(args, {"opens": _shown(found)}, [f"the shares open the vault: {_line(found)}"])
    return cli.Exit.DONE


def _run_copies(args: argparse.Namespace) -> int:
    vault, _ = _opened(args)
    with vault:
        if args.confirm:
            confirm_keys(vault, _id(args.confirm))
        elif args.give_up:
            give_up(vault, _id(args.give_up))
        copies, left = copies_of(vault), _left(vault)
    shown = {"copies": [{"id": copy.hex(), "made": made} for copy, made in copies.items()], **left}
    cli.emit(args, shown, [*(f"{copy.hex()}: {_time(made)}" for copy, made in copies.items()), *_waiting(left)])
    return cli.Exit.ATTENTION if left["secrets_pending"] else cli.Exit.DONE


def _run_make(args: argparse.Namespace) -> int:
    key = PrivateKey.generate(args.suite)
    descriptor = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    with open(descriptor, "wb") as file:
        file.write(key.secret.hex().encode() + b"\n")
    public = args.out.with_name(f"{args.out.name}.pub")
    write(public, key.public_key.public.hex().encode() + b"\n")
    cli.emit(args, {"private": str(args.out), "public": str(public)}, [f"{args.out}: keep it; {public}: may be seen"])
    return cli.Exit.DONE


# What is given, and what is shown. -----------------------------------------------------------------------------------


def _named(args: argparse.Namespace) -> list[Recipient]:
    """Return the recipients that the options name.

    Raises
    ------
    ArgumentInvalid
        There is none.
    """
    found: list[Recipient] = [vaultfs.Passphrase(cli.secret_of_file(path)) for path in args.to_passphrase]
    found += [RecipientKey(_id(Path(path).read_text("ascii").strip())) for path in args.to_key]
    found += [
        Token(module, label, cli.secret_of_file(pin), bytes.fromhex(key)) for module, label, key, pin in args.to_token
    ]
    if not found:
        raise ArgumentInvalid(recipients=0)
    return found


def _subjects(args: argparse.Namespace) -> list[vaultfs.SubjectId]:
    lines = args.dispose.read_text("ascii").split() if args.dispose else []
    return [vaultfs.SubjectId(_id(line)) for line in lines]


def _id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ArgumentInvalid(length=len(text)) from None


def _shown(one: RecipientInfo) -> dict[str, object]:
    return {"id": one.id, "type": _type(one), **one.about}


def _type(one: RecipientInfo) -> str:
    name = getattr(one.type, "name", "")
    return str(name).lower().replace("_", " ") or f"type {one.type}"


def _line(one: RecipientInfo) -> str:
    about = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in one.about.items())
    return f"{one.id} {_type(one)}: {about}"


def _left(vault: vaultfs.Vault) -> dict[str, int]:
    return {"secrets_pending": pending(vault.engine), "copies_waiting": lagging(vault.engine)}


def _waiting(left: dict[str, int]) -> Iterator[str]:
    if left["secrets_pending"]:
        yield (
            f"{left['secrets_pending']} old secrets are kept for {left['copies_waiting']} copies of the vault: bring"
            " these up to date, or see `copies`"
        )


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).isoformat(timespec="seconds")


def _sheet(vault: vaultfs.Vault, escrow: Escrow, added: RecipientInfo) -> Iterator[str]:
    """Yield what custodians sign: who holds what, and no secret."""
    yield f"vault {vault.id.hex()}: escrow shares {added.id}, drawn {_time(vault.engine.options.clock())}"
    yield f"identifier {escrow.plan.identifier}; groups needed: {escrow.plan.group_threshold}"
    for number, group in enumerate(escrow.plan.groups, start=1):
        yield f"group {number}: {group.threshold} of {group.shares} shares open it"
        for share in range(1, group.shares + 1):
            yield f"  share {share}: holder ____________________ place ____________________ date __________"


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
_COMMANDS: dict[str, _Command] = {
    "list": ("List the recipients of a vault.", _vault, _run_list),
    "add": ("Let one more recipient open a vault.", _recipients, _run_add),
    "turn": ("Begin another epoch, and dispose of subjects.", _turning, _run_turn),
    "status": ("Tell about the epoch, and what waits for copies of the vault.", _vault, _run_status),
    "split": ("Draw escrow shares, and write each into a file.", _splitting, _run_split),
    "drill": ("Prove that escrow shares still open a vault.", _drilling, _run_drill),
    "copies": ("List the copies of a vault that are known.", _copies, _run_copies),
    "make": ("Make a key pair for a recipient.", _making, _run_make),
}

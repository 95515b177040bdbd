"""``vaultfs-keys``: who can open a vault, its epochs, the lives of its keys, escrow, and the copies that wait."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from vaultfs_format.stanza import StanzaType

import vaultfs
from vaultfs.engine.custody.turning import Turned
from vaultfs.engine.files.heads import read_heads, read_keyring
from vaultfs.engine.files.paths import Layout
from vaultfs.errors import ArgumentInvalid, FormatError, NotFound, VaultError, VaultMissing
from vaultfs.keys import Escrow, PrivateKey, RecipientInfo
from vaultfs.keys.lifecycle import NEVER, KeyRef
from vaultfs.storage.copies import confirm_keys, copies_of, give_up
from vaultfs_tools import cli, unlocking
from vaultfs_tools.custody import lives, options, recipients
from vaultfs_tools.custody.opening import code as exit_code
from vaultfs_tools.custody.opening import left as left_in
from vaultfs_tools.custody.opening import opened, waiting
from vaultfs_tools.custody.recipients import id_of
from vaultfs_tools.custody.shares import create, handed_out
from vaultfs_tools.custody.sheet import Custody
from vaultfs_tools.opening import add_vault, token_store
from vaultfs_tools.reports import time_text

PROG = "vaultfs-keys"
SHEET = "custody-sheet.txt"
TURNED = "the new epoch secret is in the stores that were named: what was copied from these to elsewhere is out of date"
EPILOG = """\
Exit codes: 0 done; 1 done, and something waits (an old secret for a copy of the vault, segments to be sealed anew); 4
something is damaged; 8 nothing could be done; 16 wrong usage; 130 interrupted. Nothing that is printed is a secret:
shares go into files.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = cli.words(argv)
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in _COMMANDS:
            about, add_options, body = _COMMANDS[name]
            parser = cli.Parser(f"{PROG} {name}", about, epilog=EPILOG)
            add_options(parser)
            return cli.run(body, parser, words[count:])
    parser = cli.Parser(PROG, "Say who can open a vault, and change it.", epilog="Each tells its options with --help.")
    parser.add_argument("command", metavar="COMMAND", nargs="+", help=", ".join(_COMMANDS))
    parser.parse_args(words)
    return parser.error(f"COMMAND is one of {', '.join(_COMMANDS)}")


# Recipients. -------------------------------------------------------------------------------------------------------


def _run_list(args: argparse.Namespace) -> int:
    vault, _ = opened(args)
    with vault:
        found = vault.keys.recipients()
    cli.emit(args, {"recipients": _shown(found)}, map(recipients.as_text, found))
    return cli.Exit.DONE


def _run_sheet(args: argparse.Namespace) -> int:
    vault, _ = opened(args)
    with vault:
        custody = Custody.of(vault)
    cli.emit(args, custody.as_json(), custody.as_text())
    return cli.Exit.DONE


def _run_add(args: argparse.Namespace) -> int:
    new = recipients.new_ones(args)
    if len(new) != 1:  # one could be added, and the command fail at the next
        raise ArgumentInvalid(recipients=len(new))
    vault, unlock = opened(args)
    with vault:
        added = vault.keys.add(new[0], unlock=unlock)
    cli.emit(args, {"added": recipients.as_json(added)}, [f"added: {recipients.as_text(added)}"])
    return cli.Exit.DONE


def _run_rekey(args: argparse.Namespace) -> int:
    staying = recipients.staying_ones(args)
    vault, unlock = opened(args)
    with vault:
        there, turned = vault.keys.rekey(unlock=unlock, staying=staying, removed=args.id)
        left = left_in(vault)
    lines = (f"recipient: {recipients.as_text(one)}" for one in there)
    return _emit_turn(args, turned, left, {"recipients": _shown(there)}, lines)


# Epochs, and the copies that wait for them. --------------------------------------------------------------------------


def _run_turn(args: argparse.Namespace) -> int:
    subjects = [vaultfs.SubjectId(one) for one in recipients.ids_in(args.dispose)] if args.dispose else []
    vault, unlock = opened(args)
    with vault:
        turned = vault.keys.turn(unlock, subjects, new_signer=args.new_signer)
        left = left_in(vault)
    return _emit_turn(args, turned, left, {}, ())


def _emit_turn(
    args: argparse.Namespace,
    turned: Turned,
    left: Mapping[str, int],
    more: Mapping[str, object],
    lines: Iterable[str],
) -> int:
    shown = {"epoch": turned.epoch, "frames_disposed": turned.frames, "tables_written": turned.tables, **left, **more}
    text = f"epoch {turned.epoch}: {turned.frames:,} frames disposed of, {turned.tables:,} key tables written"
    cli.emit(args, shown, [*lines, text, TURNED, *waiting(left)])
    return exit_code(left)


def _run_status(args: argparse.Namespace) -> int:
    vault, _ = opened(args)
    with vault:
        engine, left = vault.engine, left_in(vault)
        life = vault.lives.life(KeyRef.epoch(engine.head.epoch))
        state = life.at(engine.options.clock()).name.lower()
        turn = engine.chain.turn
    shown = {
        "epoch": engine.head.epoch,
        "began": turn.time,
        "state": state,
        "protect_until": life.protect_until,
        "frames_disposed": turn.disposed,
    }
    ends = "" if life.protect_until == NEVER else f", protects until {time_text(life.protect_until)}"
    began = f" since {time_text(turn.time)}" if turn.time else ""
    cli.emit(args, {**shown, **left}, [f"epoch {shown['epoch']}{began}: {state}{ends}", *waiting(left)])
    return exit_code(left)


def _run_keep(args: argparse.Namespace) -> int:
    store = token_store(args.in_token) if args.in_token else vaultfs.DirectoryStore(args.in_directory)
    vault, unlock = opened(args)
    with vault:
        kept, epoch = vault.keys.keep_secret(store, unlock=unlock), vault.engine.head.epoch
    shown = {"epoch": epoch, "destroyed": len(kept.receipts), "pending": kept.pending, "copies_waiting": kept.waiting}
    text = f"epoch {epoch}: kept; of earlier epochs {len(kept.receipts)} destroyed, {kept.pending} left"
    cli.emit(args, shown, [text])
    return cli.Exit.ATTENTION if kept.pending else cli.Exit.DONE


def _run_copies(args: argparse.Namespace) -> int:
    if (args.confirm is None) != (args.bundle is None):
        raise ArgumentInvalid(given=1, needed=2)
    vault, _ = opened(args)
    with vault:
        if args.confirm:
            confirm_keys(vault, id_of(args.confirm), _epoch_of(vault, args.bundle))
        elif args.give_up:
            give_up(vault, id_of(args.give_up))
        copies, left = copies_of(vault), left_in(vault)
    shown = {"copies": [{"id": copy, "made": made} for copy, made in copies.items()], **left}
    cli.emit(args, shown, [*(f"{copy.hex()}: {time_text(made)}" for copy, made in copies.items()), *waiting(left)])
    return exit_code(left)


def _epoch_of(vault: vaultfs.Vault, bundle: Path) -> int:
    """Return the epoch of a key bundle.

    Raises
    ------
    VaultMissing
        It is none, or of another vault.
    VaultDamaged, StorageFailed
    """
    layout, vfs = Layout(bundle.absolute()), vault.engine.vfs
    head, _ = read_heads(vfs, layout)[0]
    if head.vault_id != vault.id:
        raise VaultMissing
    read_keyring(vfs, layout, head)  # it is there, and whole
    return head.epoch


# Escrow, and key pairs. --------------------------------------------------------------------------------------------


def _run_split(args: argparse.Namespace) -> int:
    escrow = _drawn(args.group, _needed(args, 1))
    vault, unlock = opened(args)
    with vault:
        return _hand_out(args, vault, escrow, lambda: vault.keys.add(escrow, unlock=unlock))


def _run_reshare(args: argparse.Namespace) -> int:
    staying = recipients.staying_ones(args)
    vault, unlock = opened(args)
    with vault:
        old = _escrow_of(vault, args.escrow)
        if args.group:
            escrow = _drawn(args.group, _needed(args, 1))
        else:
            groups = cast("list[tuple[int, int]]", old.about["groups"])
            escrow = _drawn(groups, _needed(args, cast("int", old.about["group_threshold"])))
        change = partial(vault.keys.rekey, unlock=unlock, staying=staying, removed=[old.id], added=[escrow])
        return _hand_out(args, vault, escrow, change, TURNED)


def _needed(args: argparse.Namespace, default: int) -> int:
    return default if args.groups_needed is None else cast("int", args.groups_needed)


def _drawn(groups: Sequence[tuple[int, int]], needed: int) -> Escrow:
    """Return a new escrow.

    Raises
    ------
    ArgumentInvalid
        Nothing can be shared in this way.
    ExtraMissing
    """
    try:
        return Escrow.draw(groups, needed)
    except FormatError:  # of the stanza that it would make: nothing of the vault is damaged
        raise ArgumentInvalid(groups=len(groups)) from None


def _escrow_of(vault: vaultfs.Vault, named: str | None) -> RecipientInfo:
    """Return the escrow of a vault, the one that is named where there are several.

    Raises
    ------
    NotFound, ArgumentInvalid
    """
    escrows = [one for one in vault.keys.recipients() if one.type == StanzaType.ESCROW]
    found = [one for one in escrows if named in (None, one.id)]
    if not found:
        raise NotFound
    if len(found) > 1:
        raise ArgumentInvalid(recipients=len(found))
    return found[0]


def _hand_out(
    args: argparse.Namespace, vault: vaultfs.Vault, escrow: Escrow, change: Callable[[], object], *more: str
) -> int:
    """Write shares into files, let the vault take them into use, and print the custody sheet."""
    before = vault.engine.head.superblock_generation
    with handed_out(escrow, args.out, lambda: _replaced(vault, before)):
        change()
    custody, left = Custody.of(vault), left_in(vault)
    text = list(custody.as_text())
    create(args.out / SHEET, "\n".join([*text, ""]).encode())
    shares = [len(group) for group in escrow.groups]
    notice = f"{args.out} has a file for each share: hand them out, try them with `{PROG} escrow drill`, keep none here"
    cli.emit(args, {**custody.as_json(), "shares": shares, **left}, [*text, "", notice, *more, *waiting(left)])
    return exit_code(left)


def _replaced(vault: vaultfs.Vault, generation: int) -> bool:
    """Return whether a head names another VAULT than that of a generation, or none can be read."""
    try:
        heads = read_heads(vault.engine.vfs, vault.engine.layout)
    except VaultError:
        return True
    return any(head.superblock_generation != generation for head, _ in heads)


def _run_drill(args: argparse.Namespace) -> int:
    shares = unlocking.shares_of(args.share)
    vault, _ = opened(args, None if unlocking.is_given(args) else shares)
    with vault:
        found = vault.keys.drill(shares)
    cli.emit(args, {"opens": recipients.as_json(found)}, [f"the shares open the vault: {recipients.as_text(found)}"])
    return cli.Exit.DONE


def _run_make(args: argparse.Namespace) -> int:
    key = PrivateKey.generate(args.suite)
    public = args.out.parent / f"{args.out.name}.pub"
    create(args.out, key.secret.hex().encode() + b"\n")
    try:
        create(public, key.public_key.public.hex().encode() + b"\n")
    except BaseException:
        args.out.unlink()
        raise
    cli.emit(args, {"private": str(args.out), "public": str(public)}, [f"{args.out}: keep it; {public}: may be seen"])
    return cli.Exit.DONE


def _shown(found: Iterable[RecipientInfo]) -> list[dict[str, object]]:
    return [recipients.as_json(one) for one in found]


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
_COMMANDS: dict[str, _Command] = {
    "list": ("List the recipients of a vault.", add_vault, _run_list),
    "sheet": (
        "Print who can open a vault, with blanks for who has what, and where.",
        add_vault,
        _run_sheet,
    ),
    "add": ("Let one more recipient open a vault.", options.adding, _run_add),
    "remove": ("Let recipients open a vault no more: a new root key for the others.", options.removing, _run_rekey),
    "rotate": ("Put a new root key in force, for the same recipients.", options.rotating, _run_rekey),
    "epoch status": ("Tell about the epoch, and what waits for copies of the vault.", add_vault, _run_status),
    "epoch turn": ("Begin another epoch, and dispose of subjects.", options.turning, _run_turn),
    "state": ("Tell the states and dates of keys, or set those of one.", lives.add_state, lives.run_state),
    "period": ("Tell for how long keys protect, or set it.", lives.add_period, lives.run_period),
    "reencrypt": ("Seal everything anew under new keys.", lives.add_reencryption, lives.run_reencryption),
    "escrow split": ("Draw escrow shares, and write each into a file.", options.splitting, _run_split),
    "escrow drill": ("Prove that escrow shares still open a vault.", options.drilling, _run_drill),
    "escrow reshare": (
        "Draw new shares for an escrow; the old ones are void.",
        options.resharing,
        _run_reshare,
    ),
    "keep": ("Put the secret of the epoch into one more store.", options.keeping, _run_keep),
    "copies": ("List the copies of a vault that are known.", options.copies, _run_copies),
    "make": ("Make a key pair for a recipient.", options.making, _run_make),
}

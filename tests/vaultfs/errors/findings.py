"""Scenarios: what the commands refuse, and what a check of the whole vault finds."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.suite import DEFAULT

from tests.vaultfs.errors.world import PLANTED, SECRET, World, cut, fill, flip, reaches
from tests.vaultfs_tools import vaults

STRAY = "segments/main/record/none/" + "99" * 16

# The commands.


@reaches("PassphraseExposed")
def the_passphrase_file_is_readable_by_all(world: World) -> set[int]:
    option = world.passphrase()
    Path(option[1]).chmod(0o644)
    return world.fsck(*option)


@reaches("PassphraseNotRegular")
def the_passphrase_file_is_a_directory(world: World) -> set[int]:
    return world.fsck("--passphrase-file", world.hidden)


@reaches("PassphraseTooLarge")
def the_passphrase_file_is_a_picture(world: World) -> set[int]:
    return world.fsck(*world.passphrase(PLANTED.data("picture", 5000)))


@reaches("PassphraseUnreadable")
def the_passphrase_file_is_not_there(world: World) -> set[int]:
    return world.fsck("--passphrase-file", world.hidden / PLANTED.plain("nothing"))


@reaches("PassphraseMissing")
def no_passphrase_is_given_where_nobody_can_be_asked(world: World) -> set[int]:
    with open(os.devnull) as nothing, mock.patch("sys.stdin", nothing):
        return world.import_command(world.sources)


@reaches("SystemFailed")
def a_name_is_longer_than_the_system_takes(world: World) -> set[int]:
    return world.dump(world.hidden / (PLANTED.plain("name") * 20))


@reaches("InternalError")
def a_name_holds_what_no_system_takes(world: World) -> set[int]:
    return world.dump(Path(PLANTED.plain("name") + "\0"))


# Files, and what they say of each other.


@reaches("FileMissing")
def a_segment_is_lost(world: World) -> set[int]:
    world.file("*.vseg").unlink()
    return world.fsck()


@reaches("FileUnreadable")
def the_device_cannot_read_a_segment(world: World) -> set[int]:
    """The device is stood in for at the system call."""
    number, read = world.file("*.vseg").stat().st_ino, os.preadv

    def failing(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        if os.fstat(descriptor).st_ino == number:
            raise OSError(errno.EIO, "Input/output error", PLANTED.plain("path"))
        return read(descriptor, buffers, offset)

    with mock.patch("os.preadv", failing):
        return world.fsck()


@reaches("NotRegular")
def a_directory_has_taken_the_place_of_the_head(world: World) -> set[int]:
    (world.path / "head").unlink()
    (world.path / "head").mkdir()
    return world.fsck("--check-only")


@reaches("Disagreement")
def two_segments_changed_places(world: World) -> set[int]:
    one, other = sorted(world.path.rglob("*.vseg"))[:2]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return world.fsck()


@reaches("HeadsDisagree")
def two_heads_of_one_generation_differ(world: World) -> set[int]:
    vaults.put_head(world.path, vaults.changed(vaults.head_of(world.path), last_commit=1), "copies/head", unlock=SECRET)
    return world.fsck()


@reaches("CopyStale")
def one_head_was_put_back(world: World) -> set[int]:
    old = (world.path / "head").read_bytes()
    vault = world.opened()
    vault.settle()
    vault.close()
    (world.path / "copies/head").write_bytes(old)
    return world.fsck("--check-only")


@reaches("HeadOlder")
def both_heads_were_put_back(world: World) -> set[int]:
    old = (world.path / "head").read_bytes()
    with world.opened() as vault:
        vault.settle()
        fill(vault, 4)
    for path in world.path.rglob("head"):
        path.write_bytes(old)
    return world.fsck()


@reaches("SlicesDamaged")
def a_byte_of_a_segment_flips(world: World) -> set[int]:
    flip(world.file("*.vseg"), 5000)
    return world.fsck()


@reaches("SignerUnknown")
def another_signer_is_expected(world: World) -> set[int]:
    return world.fsck("--signer", "00" * 32)


def _blob_segment(world: World) -> tuple[Path, SegmentFooter]:
    row = vaults.rows_of(world.path)["BLOB"]
    path = world.file(f"{row.segment_id.hex()}.vseg")
    return path, SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])


@reaches("LeavesDamaged")
def a_leaf_hash_of_a_segment_flips(world: World) -> set[int]:
    path, footer = _blob_segment(world)
    flip(path, footer.leaves_offsets[1] + 5)
    return world.fsck()


@reaches("ParityDamaged")
def a_byte_of_parity_flips(world: World) -> set[int]:
    path, footer = _blob_segment(world)
    flip(path, footer.parity_offset + 5)
    return world.fsck()


@reaches("FooterDamaged")
def a_byte_of_a_footer_flips(world: World) -> set[int]:
    path, footer = _blob_segment(world)
    flip(path, footer.footer_offsets[0] + 5)
    return world.fsck()


@reaches("FooterLost")
def a_segment_is_something_else(world: World) -> set[int]:
    path, _ = _blob_segment(world)
    path.write_bytes(b"something else")
    return world.fsck()


@reaches("SlicesLost")
def more_is_damaged_than_parity_gives_back(world: World) -> set[int]:
    path, footer = _blob_segment(world)
    for number in range(footer.geometry.parity_slices):
        flip(path, footer.parity_offset + number * footer.geometry.slice_size)
    flip(path, 5000)
    return world.fsck()


@reaches("TreeMismatch", "LeavesMissing")
def the_head_has_forgotten_an_audit_segment(world: World) -> set[int]:
    head = vaults.head_of(world.path)
    audit = {row.segment_id for row in head.segments if row.frame_class is FrameClass.AUDIT}
    seen: set[int] = set()
    for forgotten in audit:
        rows = [row for row in head.segments if row.segment_id != forgotten]
        vaults.put_head(world.path, vaults.changed(head, segments=rows), unlock=SECRET)
        seen |= world.fsck()
    return seen


# Journals.


@reaches("JournalsFork")
def two_journals_follow_the_same_one(world: World) -> set[int]:
    last = vaults.journals_of(world.path)[-1]
    rival = last.with_name("ff" * 16 + ".vjrn")
    vaults.write(rival, last.read_bytes())
    vaults.put_header(rival, journal_id=b"\xff" * 16)
    return world.fsck()


@reaches("PredecessorMissing")
def a_journal_is_lost(world: World) -> set[int]:
    for path in vaults.both(vaults.journals_of(world.path)[0]):
        path.unlink()
    return world.fsck()


@reaches("DurableLost")
def a_byte_of_an_acknowledged_commit_flips(world: World) -> set[int]:
    last = vaults.journals_of(world.path)[-1]
    at = vaults.groups_of(last)[0] + 100
    for path in vaults.both(last):
        flip(path, at)
    return world.fsck()


@reaches("GroupsDamaged")
def a_byte_of_a_commit_that_the_mirror_has_flips(world: World) -> set[int]:
    last = vaults.journals_of(world.path)[-1]
    flip(last, vaults.groups_of(last)[0] + 100)
    return world.fsck()


@reaches("MirrorBehind")
def a_mirror_is_lost(world: World) -> set[int]:
    vaults.mirror_of(vaults.journals_of(world.path)[-1]).unlink()
    return world.fsck()


@reaches("CopiesDiffer")
def a_byte_of_a_mac_flips(world: World) -> set[int]:
    last = vaults.journals_of(world.path)[-1]
    flip(last, vaults.groups_of(last)[1] - 5)
    return world.fsck()


@reaches("TornTail")
def the_power_fails_while_a_group_is_written(world: World) -> set[int]:
    for path in vaults.both(vaults.journals_of(world.path)[-1]):
        cut(path, -3)
    return world.fsck()


@reaches("JournalOpen")
def a_process_is_killed(world: World) -> set[int]:
    """It never writes the closing record."""
    last = vaults.journals_of(world.path)[-1]
    end = vaults.groups_of(last)[-2]
    for path in vaults.both(last):
        cut(path, end)
    return world.fsck()


@reaches("JournalEmpty")
def the_power_fails_when_a_journal_was_begun(world: World) -> set[int]:
    (world.path / "journal" / ("ab" * 16 + ".vjrn")).touch()
    return world.fsck()


# What nothing names.


@reaches("SettlingUnfinished")
def a_settling_was_killed(world: World) -> set[int]:
    return _with_a_stray_table(world)


def _with_a_stray_table(world: World) -> set[int]:
    path = world.path / f"{STRAY}.vkey.1"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return world.fsck()


@reaches("CopyingUnfinished")
def a_copying_was_killed(world: World) -> set[int]:
    mark = CopyMark(DEFAULT, CopyKind.WHOLE, False, vaults.head_of(world.path).vault_id, bytes(16))
    (world.path / "copy").write_bytes(mark.encode())
    return _with_a_stray_table(world)


@reaches("NotNamed")
def the_journals_of_an_unfinished_settling_are_gone(world: World) -> set[int]:
    for journal in vaults.journals_of(world.path):
        for path in vaults.both(journal):
            path.unlink()
    return _with_a_stray_table(world)


@reaches("Superseded")
def an_older_keyring_was_left(world: World) -> set[int]:
    (world.path / "keyring.0").touch()
    return world.fsck()


@reaches("Leftover")
def a_head_was_being_written(world: World) -> set[int]:
    (world.path / "head.tmp").touch()
    return world.fsck()


@reaches("Foreign")
def somebody_keeps_letters_in_the_vault(world: World) -> set[int]:
    """The one file name that holds data is not the vault's, and must not be shown."""
    letter = world.path / f"{PLANTED.plain('letter')}.pdf"
    letter.touch()
    try:
        return world.fsck()
    finally:
        letter.unlink()


@reaches("PartHeadTorn")
def a_settling_was_cut_off_while_it_wrote_a_superblock(world: World) -> set[int]:
    flip(world.file("*.part"), 40)
    return world.fsck()


@reaches("LeftOut")
def a_damaged_vault_is_checked_with_keys(world: World) -> set[int]:
    path, _ = _blob_segment(world)
    path.write_bytes(b"something else")
    return world.fsck(keys=True)

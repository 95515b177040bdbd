"""Targets: superblock and footer of a segment, the healing of a whole file, inclusion proofs."""

from __future__ import annotations

from dataclasses import replace

from vaultfs_format import limits, merkle
from vaultfs_format.frame import FrameClass
from vaultfs_format.healing import Damage, Lost, SlicedFile, examine, find_footer, heal
from vaultfs_format.proofs import SliceProof, prove
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead
from vaultfs_format.suite import DEFAULT, DIGEST

from fuzz import forging
from fuzz.files import SAME_BYTES
from fuzz.forging import reader
from fuzz.target import CODED, KEYED, Target, allowed, must
from tests.vaultfs_format import examples

_LARGEST_FILE = 64 * 1024
_PROVED, _PROVED_FOOTER = examples.segment_bytes(FrameClass.RECORD, [examples.FRAMES[0]] * 120, (2001, 2001))
_SIGNED = (examples.RECORD_FOOTER, examples.AUDIT_FOOTER, _PROVED_FOOTER)


def _superblock(data: bytes) -> None:
    must(SegmentHead.decode(data).encode() == data[:SUPERBLOCK_SIZE], SAME_BYTES)


def _footer(data: bytes) -> None:
    footer = SegmentFooter.decode(data)
    must(footer.encode() == data, SAME_BYTES)
    first, second = footer.footer_offsets
    must(footer.leaves_offset < first < footer.parity_offset < second < footer.length, "sections follow each other")
    with allowed():
        footer.verify(examples.SIGNING.signer)
        must(footer in _SIGNED, "a footer that is signed is one that was signed")


def _healing(data: bytes) -> None:
    footer = find_footer(reader(data), len(data))
    if footer is None:
        return
    whole = bytearray(data[: footer.length].ljust(footer.length, b"\0"))
    file = SlicedFile(reader(whole), footer)
    damage = examine(file, len(data))
    lost: list[int] = []
    for one in list(heal(file, damage)):
        if isinstance(one, Lost):
            lost += one.slices
        else:
            must(0 <= one.offset <= footer.length - len(one.data), "what is healed lies within the file")
            whole[one.offset : one.offset + len(one.data)] = one.data
    _judge(damage, lost, SlicedFile(reader(whole), footer), len(whole))


def _judge(damage: Damage, lost: list[int], healed: SlicedFile, size: int) -> None:
    """A file is whole once it is healed, unless something of it is lost or its roots are not those of its slices."""
    left = examine(healed, size)
    must(damage.roots or set(lost) <= set(damage.slices), "only a slice that is damaged is lost")
    must(not left.footers and not left.length, "footers and length are always healed")
    if not lost and not damage.roots:
        must(not left, "a file of which nothing is lost is whole once it is healed")
        must(healed.right(healed.leaves), "a file that was healed has the roots of its footer")
        covered = healed.footer.head.covered
        data = healed.read_good(0, covered)
        must(len(data) == covered, "all that slices cover can be read")
        return
    for number in range(healed.geometry.slices):
        with allowed():
            at, length = healed.offset_of(number), healed.length_of(number)
            must(healed.good(number, healed.read_good(at, length)), "what is read as good has its leaf hash")


def _damaged() -> list[bytes]:
    """Return segments: whole, with slices that were changed, hashes that differ, footers that are gone, cut short."""
    found = []
    for data, footer in (
        (examples.RECORD_SEGMENT, examples.RECORD_FOOTER),
        (examples.AUDIT_SEGMENT, examples.AUDIT_FOOTER),
        examples.segment_bytes(FrameClass.RECORD, [examples.RECORD_FRAME] * 40, (2001, 2001)),
    ):
        first, second = footer.footer_offsets
        places = (100, SUPERBLOCK_SIZE + 1, footer.leaves_offset, footer.parity_offset, first, second)
        found += [data, data[: first + FOOTER_SIZE], data[:second], data + bytes(100)]
        found += [_flipped(data, at) for at in places]
        found.append(_flipped(_flipped(data, footer.leaves_offsets[0]), footer.leaves_offsets[1]))
    return found


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# An inclusion proof: number of the slice, number of hashes, the path, the slice.

_NUMBER = 8


def _proof(data: bytes) -> None:
    number, hashes = int.from_bytes(data[:_NUMBER], "little"), int.from_bytes(data[_NUMBER : _NUMBER + 1], "little")
    at, end = _NUMBER + 1, _NUMBER + 1 + DIGEST * hashes
    path = [data[start : start + DIGEST] for start in range(at, min(end, len(data)), DIGEST)]
    SliceProof(_PROVED_FOOTER, number, path).verify(data[end:], examples.SIGNING.signer)
    file = SlicedFile(reader(_PROVED), _PROVED_FOOTER)
    must(data[end:] == file.stored(number), "bytes that are proved are those of the slice")
    must(path == list(prove(file, number).path), "a slice has one path")
    leaf = merkle.slice_leaf(DEFAULT, _PROVED_FOOTER.head.segment_id, number, data[end:])
    must(leaf == file.leaves[number], "a slice that is proved has its leaf hash")


def _proofs() -> list[bytes]:
    file, found = SlicedFile(reader(_PROVED), _PROVED_FOOTER), []
    for number in range(_PROVED_FOOTER.geometry.slices):
        path = prove(file, number).path
        found.append(number.to_bytes(_NUMBER, "little") + bytes([len(path)]) + b"".join(path) + file.stored(number))
    return found


def _superblocks() -> list[bytes]:
    head = examples.RECORD_FOOTER.head
    part = replace(head, frame_class=FrameClass.BLOB, epoch=0, first_year=0, last_year=0, generation=0, covered=0)
    sizes = (5 * limits.MIB, limits.GIB, limits.MAX_COVERED)
    return [one.encode() for one in (head, part, *(replace(head, covered=size) for size in sizes))]


def _footers() -> list[bytes]:
    large = replace(examples.RECORD_FOOTER.head, covered=limits.MAX_COVERED)
    bodies = limits.MAX_COVERED - SUPERBLOCK_SIZE - examples.RECORD_FOOTER.directory_length
    largest = replace(examples.RECORD_FOOTER, head=large, bodies_length=bodies)
    return [footer.encode() for footer in (*_SIGNED, largest)]


TARGETS = [
    Target("segment-superblock", _superblock, _superblocks, forge=forging.superblock),
    Target("segment-footer", _footer, _footers, forge=forging.segment_footer),
    Target("healing", _healing, _damaged, CODED, forging.segment, longest=_LARGEST_FILE),
    Target("inclusion-proof", _proof, _proofs, KEYED),
]

"""Section 14: slices, geometry, trees, parity, proofs, healing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vaultfs_format import erasure, merkle
from vaultfs_format.errors import (
    DigestMismatch,
    SignatureInvalid,
    SlicesLost,
    Structure,
)
from vaultfs_format.healing import SlicedFile
from vaultfs_format.proofs import prove
from vaultfs_format.segment import FOOTER_SIZE
from vaultfs_format.suite import DEFAULT

from vectors import world
from vectors.case import Case, Topic
from vectors.topics.segments import LARGE
from vectors.topics.small import prefix, u32
from vectors.world import edited, flipped, seeded

# Slices.

_SIZES = (
    4097,
    5000,
    8192,
    65_536,
    65_537,
    100_000,
    1_000_000,
    (1 << 20) - 1,
    1 << 20,
    16 << 20,
    64 << 20,
    (64 << 20) + 1,
    4 << 30,
)


def slice_cases() -> list[Case]:
    """Return the scenarios of geometry, trees, parity and proofs."""
    topic = Topic("slices")
    for covered in _SIZES:
        topic.good(
            f"geometry-of-{covered}",
            f"How {covered:,} covered bytes are cut.",
            "geometry",
            "SEG-4 SEG-8",
            covered=covered,
        )
    for covered in (5000, 100_000, 1_000_000):
        topic.good(
            f"stripes-of-{covered}", f"The stripes of {covered:,} covered bytes.", "stripes", "SEG-4", covered=covered
        )
    for left, right in ((0, 7), (1, 255), (2, 128), (0x53, 0xCA), (255, 255)):
        topic.good(
            f"multiply-{left}-{right}",
            "A product in GF(2^8) by the polynomial 0x11d.",
            "field-multiply",
            left=left,
            right=right,
        )
    for element in (1, 2, 128, 255):
        topic.good(f"inverse-of-{element}", "An inverse.", "field-inverse", element=element)
    _parity(topic)
    for count in (1, 2, 3, 7, 8, 9):
        data = [seeded(f"slice {number}", 40) for number in range(count)]
        topic.good(
            f"root-of-{count}",
            f"The leaf hashes of {count} slices, and their root.",
            "slice-root",
            segment_id=seeded("id", 16),
            slices=data,
            first=0,
        )
    topic.good(
        "root-of-parity",
        "Parity slices are numbered on from the data slices.",
        "slice-root",
        segment_id=seeded("id", 16),
        slices=[bytes(64), bytes(64)],
        first=2,
    )
    _proofs(topic)
    return topic.cases


def _parity(topic: Topic) -> None:
    for k, m in ((1, 2), (2, 2), (3, 2), (13, 7), (16, 2), (16, 8)):
        pieces = [seeded(f"piece {number}", 16) for number in range(k)]
        made = erasure.encode(k, m, pieces, 16)
        topic.good(
            f"parity-{k}-{m}",
            f"The parity of a stripe of {k} + {m} pieces.",
            "parity",
            data_pieces=k,
            parity_pieces=m,
            length=16,
            pieces=pieces,
            facts={"parity": made},
        )
        lost = list(range(min(k, m)))
        present = {str(number): piece for number, piece in enumerate([*pieces, *made]) if number not in lost}
        kept = dict(list(present.items())[:k])
        topic.good(
            f"rebuild-{k}-{m}",
            f"{len(lost)} data pieces that are lost, from those that are left.",
            "rebuild",
            data_pieces=k,
            length=16,
            present=kept,
            missing=lost,
            facts={"pieces": [pieces[n] for n in lost]},
        )
    pieces = [seeded(f"piece {number}", 16) for number in range(3)]
    short = [*pieces[:2], pieces[2][:5]]
    topic.good(
        "parity-short-piece",
        "A short piece counts as if zeros filled it up.",
        "parity",
        data_pieces=4,
        parity_pieces=2,
        length=16,
        pieces=short,
    )


def _proofs(topic: Topic) -> None:
    data, footer = LARGE.data, LARGE.footer
    file = SlicedFile(lambda at, length: data[at : at + length], footer)
    given: dict[str, Any] = {"footer": data[-FOOTER_SIZE:], "signer": world.SIGNER_VALUE}
    for number in (0, 15, 16, footer.geometry.slices - 1):
        path = list(prove(file, number).path)
        topic.good(
            f"proof-{number}",
            "A slice, proved by the signed footer and a path.",
            "slice-proof",
            number=number,
            path=path,
            data=file.stored(number),
            **given,
        )
    path, stored = list(prove(file, 0).path), file.stored(0)
    segment_error = (Structure.SEGMENT,)
    for name, comment, number, hashes, content in (
        ("other-slice", "The bytes of another slice.", 0, path, file.stored(1)),
        ("other-number", "The number of another slice.", 1, path, stored),
        ("path-too-short", "A hash is missing.", 0, path[:-1], stored),
        ("path-too-long", "A hash too many.", 0, [*path, bytes(32)], stored),
        ("number-of-parity", "A number behind the data slices.", footer.geometry.slices, path, stored),
    ):
        topic.bad(
            f"proof-of-{name}",
            comment,
            "slice-proof",
            "",
            DigestMismatch,
            *segment_error,
            number=number,
            path=hashes,
            data=content,
            **given,
        )
    other = world.OTHER_SIGNING.signer.encode()
    topic.bad(
        "proof-other-signer",
        "Another signer, and wrong bytes: the signature is looked at first.",
        "slice-proof",
        "SGN-21",
        SignatureInvalid,
        *segment_error,
        number=0,
        path=path,
        data=file.stored(1),
        footer=data[-FOOTER_SIZE:],
        signer=other,
    )
    second = edited(world.SIGNER_VALUE, (0, u32(2)))
    topic.bad(
        "proof-other-number-of-signer",
        "The keys are right, the number of the signer is not.",
        "slice-proof",
        "SGN-21",
        SignatureInvalid,
        *segment_error,
        number=0,
        path=path,
        data=stored,
        footer=data[-FOOTER_SIZE:],
        signer=second,
    )


def healing_cases() -> list[Case]:
    """Return the scenarios of healing."""
    topic = Topic("healing")
    data, footer = LARGE.data, LARGE.footer
    size = footer.geometry.slice_size
    leaves, footers = footer.leaves_offsets, footer.footer_offsets
    whole = {"length": len(data), "digest": DEFAULT.digest(data)}

    def healed(name: str, comment: str, changed: bytes, holds: str = "SEG-29 SEG-30", breaks: str = "") -> None:
        topic.good(name, comment, "heal", holds, breaks=breaks, data=changed, facts={"healed": whole})

    healed("whole", "Nothing is damaged.", data, "SEG-23 SEG-29 SEG-31")
    healed("a-slice", "One bit of a slice is another.", flipped(data, 5 * size + 7))
    healed("last-slice", "One bit of the last slice, which is short.", flipped(data, footer.head.covered - 1))
    healed("a-stripe", "As many slices of one stripe as it has parity.", _zeroed(data, [0, 2, 4, 6, 8, 10, 12], size))
    healed(
        "a-run", "As many slices that follow each other as both stripes have parity.", _zeroed(data, range(4, 18), size)
    )
    healed("parity", "A slice of parity.", flipped(data, footer.parity_offset + 9))
    healed("superblock", "The superblock is all zeros, its prefix too.", _zeroed(data, [0], size))
    for place in (0, 1):
        healed(f"leaves-{place}", "One place of the leaf hashes.", flipped(data, leaves[place] + 40))
        healed(f"footer-{place}", "One of the footers.", flipped(data, footers[place] + 40))
    slice_and_leaf = flipped(flipped(data, 3 * size), leaves[0] + 3 * 32)
    healed("slice-and-leaf", "A slice, and its hash in one of the places.", slice_and_leaf)
    both = flipped(flipped(data, leaves[0] + 3 * 32), leaves[1] + 3 * 32 + 1)
    healed("leaf-twice", "A leaf hash in both places; its slice is good.", both)
    healed("leaf-twice-and-slice", "A leaf hash in both places, and its slice.", flipped(both, 3 * size))
    forged = merkle.slice_leaf(DEFAULT, footer.head.segment_id, 3, flipped(data, 3 * size)[3 * size : 4 * size])
    agreeing = edited(flipped(data, 3 * size), (leaves[0] + 96, forged))
    healed(
        "leaf-of-a-wrong-slice",
        "A slice is another, and one place has the hash that it has now: the root decides.",
        agreeing,
        breaks="SEG-29",
    )
    newer = edited(data, (footers[1], prefix("F", version=1)))
    healed("footer-newer", "The footer at the end is of version 1, the superblock is not.", newer, "SEG-20 GEN-24")
    alike = edited(agreeing, (leaves[1] + 96, forged))
    topic.good(
        "slice-and-leaves-alike",
        "A slice is another, and both places have the hash that it has now: nothing tells which slice it is.",
        "heal",
        breaks="SEG-29 SEG-30",
        data=alike,
        facts={"lost": [*range(footer.geometry.slices)]},
    )
    parity = footer.geometry.slices + 2
    doubtful = flipped(flipped(alike, leaves[0] + 32 * parity), leaves[1] + 32 * parity + 1)
    topic.good(
        "slice-and-leaves-alike-and-a-leaf",
        "The same, and a hash of the parity differs in both places; its slice is good.",
        "heal",
        breaks="SEG-29 SEG-30",
        data=doubtful,
        facts={"lost": [*range(footer.geometry.slices)]},
    )
    lost_parity = flipped(doubtful, footer.parity_offset + 2 * size)
    topic.good(
        "slice-and-leaves-alike-and-parity",
        "The same, and that slice is damaged: the roots are asked for what is known all the same.",
        "heal",
        breaks="SEG-29 SEG-30",
        data=lost_parity,
        facts={"lost": [*range(footer.geometry.slices), parity]},
    )
    healed("cut", "The file is cut in the midst of its parity.", data[: footer.parity_offset + 100], "SEG-31")
    healed("cut-behind-footer", "The file ends with its first footer.", data[: footer.parity_offset], "SEG-31")
    healed("appended", "Bytes follow the file.", data + b"more bytes", "SEG-31")
    lost = _zeroed(data, [0, 2, 4, 6, 8, 10, 12, 14], size)
    topic.good(
        "stripe-lost",
        "One slice more of a stripe than it has parity: the file stays as it is.",
        "heal",
        breaks="SEG-29 SEG-30",
        data=lost,
        facts={"lost": [0, 2, 4, 6, 8, 10, 12, 14]},
    )
    harmed = _zeroed(data, [1, 3, 5, 7, 9, 11, 13, 15, 2], size)
    topic.good(
        "one-stripe-lost",
        "One stripe is lost, of the other a slice is damaged: what is lost is told exactly.",
        "heal",
        "SEG-29",
        data=harmed,
        facts={"lost": [1, 3, 5, 7, 9, 11, 13, 15]},
    )
    footless = edited(data, (footers[0], bytes(FOOTER_SIZE)), (footers[1], bytes(FOOTER_SIZE)))
    topic.bad(
        "no-footer",
        "Both footers are zeros: nothing says where anything is.",
        "heal",
        "SEG-31",
        SlicesLost,
        Structure.SEGMENT,
        data=footless,
    )
    moved = data[:4096] + bytes(100) + data[-FOOTER_SIZE:]
    topic.bad(
        "footer-elsewhere",
        "A good footer that stands at neither of its places does not count.",
        "heal",
        "SEG-31",
        SlicesLost,
        Structure.SEGMENT,
        data=moved,
    )
    return topic.cases


def _zeroed(data: bytes, numbers: Iterable[int], size: int) -> bytes:
    return edited(data, *((number * size, bytes(size)) for number in numbers))

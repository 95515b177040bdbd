"""Flipped bits in what a vault is opened by: VAULT, keyring and key tables are healed from their copies, or refused.

In a long run every bit of the first 64 bytes flips, and one bit of each byte after them. What is checked without keys
stands in `vaultfs_tools/keyless/test_bits.py`; what only the keys find out, under digests that fit, in
`keys/test_changed_stanzas.py` and `vaultfs_format/test_sweeps.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.keyring import Compartment
from vaultfs_format.suite import SUITES, Suite

from tests.vaultfs import softhsm
from tests.vaultfs.support import PASSPHRASE, create, put
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.unlocking import Opener
from vaultfs.engine.reading.store import TableReader, load_table
from vaultfs.errors import VaultDamaged
from vaultfs.keys import Escrow, HostKey, PrivateKey
from vaultfs.vfs import Vfs


class Kms:
    """A key service that wraps by turning bytes around."""

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return secret[::-1]

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return blob[::-1]


class Made(NamedTuple):
    """A vault, the key that opens it cheaply, and the file whose bits flip, with its copy."""

    path: Path
    key: PrivateKey
    pair: tuple[Path, Path]

    def opened(self) -> object:
        """Return all that opening it gives: who can open it, the secrets in the keyring, the keys of a table."""
        layout = Layout(self.path)
        opener = Opener(Vfs(), layout, self.key, [])
        unlocked = opener.unlock()
        chain, ring = opener.keys(unlocked)
        values = [ring.open(unlocked.epoch_root, compartment) for compartment in Compartment]
        row = records_of(unlocked.head)
        table = load_table(Vfs(), layout, row)
        keys = list(TableReader(table, chain.table_key(table)).keys())
        return unlocked.superblock, unlocked.epoch_root, values, keys

    def flips(self, step: int) -> Iterator[bytes]:
        """Yield the file with a bit flipped: of the first 64 bytes one bit in `step`, of the others of one byte."""
        good = self.pair[0].read_bytes()
        later = range(64, len(good), step)
        for at, bit in [*list(product(range(64), range(8)))[::step], *((at, at % 8) for at in later)]:
            yield good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]


def records_of(head: Head) -> SegmentRow:
    """Return the segment with records."""
    return next(row for row in head.segments if row.frame_class is FrameClass.RECORD)


@pytest.fixture(scope="module", params=SUITES.values(), ids=lambda suite: suite.name)
def sealed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PrivateKey]:
    """Return a vault with a recipient of each type that its suite has, and the key that opens it."""
    suite: Suite = request.param
    path = tmp_path_factory.mktemp("flips") / "v"
    key = PrivateKey.generate(suite=suite.name)
    escrow = Escrow.draw([(2, 3), (1, 1)], iteration_exponent=0)
    recipients = [PASSPHRASE, key, softhsm.new_token(), escrow, HostKey("key", Kms())]
    with create(path, recipients=recipients, suite=suite.name) as vault:
        put(vault)
        vault.settle()
        assert [one.type for one in vault.keys.recipients()] == [suite.id, 3, 4, 5, 6]
    return path, key


@pytest.fixture(params=["VAULT", "keyring", "table"])
def made(request: pytest.FixtureRequest, sealed: tuple[Path, PrivateKey]) -> Made:
    path, key = sealed
    layout = Layout(path)
    head = Opener(Vfs(), layout, key, []).unlock().head
    file = {
        "VAULT": layout.superblock(head.superblock_generation),
        "keyring": layout.keyring(head.epoch),
        "table": layout.key_table(records_of(head)),
    }[request.param]
    return Made(path, key, (file, layout.copy_of(file)))


STEPS = pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.long)])


@STEPS
def test_a_bit_that_flips_in_both_copies_is_refused(made: Made, step: int) -> None:
    before, good = made.opened(), made.pair[0].read_bytes()
    for changed in made.flips(step):
        for file in made.pair:
            file.write_bytes(changed)
        with pytest.raises(VaultDamaged):
            made.opened()
    for file in made.pair:
        file.write_bytes(good)
    assert made.opened() == before


@STEPS
@pytest.mark.parametrize("which", [0, 1])
def test_a_bit_that_flips_in_one_copy_changes_nothing(made: Made, which: int, step: int) -> None:
    before, file = made.opened(), made.pair[which]
    good = file.read_bytes()
    for changed in made.flips(step):
        file.write_bytes(changed)
        assert made.opened() == before
    file.write_bytes(good)

"""VaultFS itself, measured like its peers."""

from __future__ import annotations

from pathlib import Path

import vaultfs
from bench.figures import QUICK, WHO
from bench.ingest import put_batch
from bench.peers.peer import Batches, Peer, Traits

_READ_AT_ONCE = 1_000


class Vault(Peer):
    """A vault: durable batches, settled in the end; the settling is part of the measured time.

    Its size is that of every file in it: audit, index, second copies and the reserve for a full disk too.
    """

    name = "VaultFS"
    traits = Traits(
        encryption="AES-256-GCM, names and dates too",
        keys="one a frame of one patient's records; can be destroyed alone",
        audit="an entry a record stored, an event a read, in a Merkle tree",
        compression="zstd with a dictionary, by patient",
        durability="fdatasync a batch",
        point_read="by id through an index; a policy decision and an audit event each",
        integrity="checked on every read; the files without a key",
    )

    def __init__(self, place: Path, batches: Batches) -> None:
        super().__init__(place, batches)
        self._vault = vaultfs.create(place / "vault", recipients=[QUICK], policy=vaultfs.PermitAll())
        self._session = self._vault.session(WHO, "HSYSADMIN")
        self._ids: list[vaultfs.RecordId] = []

    def store(self) -> None:
        for batch in self.batches:
            self._ids += put_batch(self._session, batch)
        self._vault.settle()

    def read(self, number: int) -> bytes:
        return self._session.get(self._ids[number]).data

    def restore(self) -> int:
        total = 0
        for first in range(0, len(self._ids), _READ_AT_ONCE):
            wanted = [(one, None) for one in self._ids[first : first + _READ_AT_ONCE]]
            total += sum(len(record.data) for record in self._session.get_many(wanted))
        return total

    def close(self) -> None:
        self._session.close()
        self._vault.close()

"""What a log asks of a witness (c2sp.org/tlog-witness, add-checkpoint), and how a witness judges it, without I/O.

`vaultfs_format.tlog.note.decode_signatures` parses the answer. Who keeps a witness compares the old size with the one
that was recorded, and records the new one, in one step.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import merkle
from vaultfs_format.errors import ProofInvalid, Structure
from vaultfs_format.layout import Buffer, require
from vaultfs_format.limits import MAX_NOTE, MAX_TREE_PROOF
from vaultfs_format.suite import FIPS
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.lines import bounded, hash_lines, hashes_of, number_of, parted, text_of
from vaultfs_format.tlog.note import Note

CONFLICT_TYPE = "text/x.tlog.size"
"""Media type of `encode_size`, with which a witness that has another size answers."""

_OLD = "old "
_MOST = MAX_NOTE + 64 * (MAX_TREE_PROOF + 1)
_LONGEST_SIZE = 20


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of a request.

    Parameters
    ----------
    old
        Size of the checkpoint that the witness has cosigned last, 0 for none.
    path
        The consistency proof from there.
    note
        The new checkpoint.
    """

    old: int
    path: tuple[bytes, ...]
    note: Note

    def encode(self) -> bytes:
        """Return the bytes of the body."""
        return f"{_OLD}{self.old}\n{hash_lines(self.path)}\n".encode() + self.note.encode()

    @classmethod
    def decode(cls, data: Buffer) -> AddCheckpoint:
        """Parse a body.

        Raises
        ------
        FieldInvalid, LimitExceeded, Truncated
            What a witness answers with 400.
        """
        bounded(data, _MOST, Structure.LOG_WITNESS)
        start, note = parted(data, Structure.LOG_WITNESS)
        first, *lines = text_of(start, Structure.LOG_WITNESS, 1).split("\n")[:-1]
        require(first.startswith(_OLD), Structure.LOG_WITNESS, 1)
        old = number_of(first.removeprefix(_OLD), Structure.LOG_WITNESS, 1)
        found = cls(old, hashes_of(lines, Structure.LOG_WITNESS, 2), Note.decode(note))
        require(old <= found.head.size, Structure.LOG_WITNESS, 3)
        return found

    @property
    def head(self) -> Checkpoint:
        """The new checkpoint, of which nothing is believed before its signatures were checked."""
        return Checkpoint.decode(self.note.text)

    def check(self, old_root: bytes) -> None:
        """Check that the new tree goes on from the old one, of which the witness has kept the root.

        Raises
        ------
        ProofInvalid
            What a witness answers with 422, or with 409 where the sizes are the same.
        """
        nodes, head = merkle.audit_nodes(FIPS), self.head
        if not merkle.consistent(nodes, merkle.AUDIT_EMPTY, self.old, old_root, head.size, head.root, self.path):
            raise ProofInvalid(structure=Structure.LOG_WITNESS)


def encode_size(size: int) -> bytes:
    """Return what a witness answers that has cosigned another size than the old one of a request."""
    return f"{size}\n".encode()


def decode_size(data: Buffer) -> int:
    """Parse what `encode_size` makes.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    bounded(data, _LONGEST_SIZE, Structure.LOG_WITNESS)
    text = text_of(data, Structure.LOG_WITNESS, 1)
    require(text.endswith("\n"), Structure.LOG_WITNESS, 1)
    return number_of(text[:-1], Structure.LOG_WITNESS, 1)

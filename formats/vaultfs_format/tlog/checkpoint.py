"""Checkpoints (c2sp.org/tlog-checkpoint): the text of a note that states origin, size and root of a log."""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format.errors import Structure
from vaultfs_format.layout import require
from vaultfs_format.merkle import AUDIT_EMPTY
from vaultfs_format.tlog.lines import base64_text, hash_of, number_of

_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log.

    Parameters
    ----------
    origin
        Name of the log.
    size, root
        Of its tree.
    extensions
        Further lines, which cosignatures by ML-DSA-44 do not cover. VaultFS writes none, and believes none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def encode(self) -> str:
        """Return the text of the note."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, base64_text(self.root), *self.extensions))

    @classmethod
    def decode(cls, text: str) -> Checkpoint:
        """Parse the text of a note."""
        lines = text.split("\n")
        require(len(lines) > _LINES and lines.pop() == "" and "" not in lines, Structure.CHECKPOINT, 1)
        origin, size, root, *extensions = lines
        found = cls(
            origin,
            number_of(size, Structure.CHECKPOINT, 2),
            hash_of(root, Structure.CHECKPOINT, 3),
            tuple(extensions),
        )
        require(found.size > 0 or found.root == AUDIT_EMPTY, Structure.CHECKPOINT, 4)
        return found

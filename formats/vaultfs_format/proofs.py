"""Proofs that bytes stand in a segment as it was signed, for whoever has neither the rest of it nor a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaultfs_format import merkle
from vaultfs_format.errors import DigestMismatch, SlicesLost, Structure
from vaultfs_format.healing import SlicedFile
from vaultfs_format.leaves import unpacked
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.signing import Signer


@dataclass(frozen=True, slots=True)
class SliceProof:
    """The inclusion proof of a slice (RFC 9162 section 2.1.3).

    Parameters
    ----------
    footer
        The footer of the segment: it has the root, and the signature.
    number
        Which slice of those that the segment's first tree covers.
    path
        Hashes from the leaf to the root.
    """

    footer: SegmentFooter
    number: int
    path: Sequence[bytes]

    def verify(self, data: bytes, signer: Signer) -> None:
        """Check that these are the bytes of the slice in a segment of this signer.

        Raises
        ------
        SignatureInvalid
            The signer has not signed the footer.
        DigestMismatch
            The bytes are not those of the slice, or the path is not one to the root.
        """
        self.footer.verify(signer)
        if not 0 <= self.number < self.footer.geometry.slices or not self._leads_to_root(data):
            raise DigestMismatch(structure=Structure.SEGMENT, slice=self.number)

    def _leads_to_root(self, data: bytes) -> bool:
        footer, suite = self.footer, self.footer.head.suite
        leaf = merkle.slice_leaf(suite, footer.head.segment_id, self.number, data)
        nodes = merkle.slice_nodes(suite)
        return merkle.included(nodes, footer.root, leaf, self.number, footer.geometry.slices, self.path)


def prove(file: SlicedFile, number: int) -> SliceProof:
    """Return the proof of a slice. It is not looked at itself: its neighbours' hashes are what proves it.

    Raises
    ------
    IndexError
        There is no such slice.
    SlicesLost
        The leaf hashes of the segment are damaged both times.
    """
    if not file.proved:
        raise SlicesLost(structure=Structure.SEGMENT)
    leaves = list(unpacked(file.leaves.packed(file.halves[0])))
    nodes = merkle.slice_nodes(file.footer.head.suite)
    return SliceProof(file.footer, number, merkle.inclusion_path(nodes, leaves, number))

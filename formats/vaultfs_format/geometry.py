"""The geometry of a segment: how the bytes that it covers are cut into slices, and these into stripes with parity.

It follows from the number of bytes alone. Slices are dealt out to the stripes of a zone in turn, and parity slices go
on where the data stop, so that any run of slices that follow each other falls evenly on all stripes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from vaultfs_format import limits


@dataclass(frozen=True, slots=True)
class Zone:
    """Slices that share parity.

    Parameters
    ----------
    first, slices
        Its data slices.
    first_parity
        Number of its first parity slice, counted over the parity of all zones.
    parity_pieces
        Parity slices of each stripe.
    """

    first: int
    slices: int
    first_parity: int
    parity_pieces: int

    @property
    def stripes(self) -> int:
        """Number of stripes."""
        return _stripes(self.slices)

    @property
    def data_pieces(self) -> int:
        """Data slices of the widest stripe."""
        return _data_pieces(self.slices)

    @property
    def parity_slices(self) -> int:
        """Parity slices of all stripes."""
        return self.stripes * self.parity_pieces

    def stripe_of(self, number: int) -> int:
        """Return the stripe of a data slice."""
        return (number - self.first) % self.stripes

    def stripe_of_parity(self, number: int) -> int:
        """Return the stripe of a parity slice."""
        return (self.slices + number - self.first_parity) % self.stripes

    def data(self, stripe: int) -> list[int]:
        """Return the data slices of a stripe. One that has fewer than `data_pieces` ends in pieces of zeros."""
        return list(range(self.first + stripe, self.first + self.slices, self.stripes))

    def parity(self, stripe: int) -> list[int]:
        """Return the parity slices of a stripe, in the order of their pieces."""
        start = self.first_parity + (stripe - self.slices) % self.stripes
        return list(range(start, self.first_parity + self.parity_slices, self.stripes))


def _stripes(slices: int) -> int:
    return -(-slices // limits.STRIPE_PIECES)


def _data_pieces(slices: int) -> int:
    return -(-slices // _stripes(slices))


class Zones:
    """The zones of a segment. Each is computed when it is asked for: a footer can state tens of thousands of them.

    Parameters
    ----------
    slices
        Data slices of the segment.
    large
        Whether they are large.
    """

    def __init__(self, slices: int, *, large: bool) -> None:
        self._slices = slices
        self._large = large
        self._count = -(-slices // limits.ZONE_SLICES)
        self._least = slices // self._count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: int) -> Zone:
        if not 0 <= at < self._count:
            raise IndexError("no such zone")
        first = self._first(at)
        slices = self._first(at + 1) - first
        return Zone(first, slices, self._parity_before(at), self._parity_pieces(slices))

    def __iter__(self) -> Iterator[Zone]:
        return map(self.__getitem__, range(self._count))

    def kinds(self) -> list[Zone]:
        """Return a zone of each size: there are one or two sizes, which differ by one slice."""
        sizes = {self._least, -(-self._slices // self._count)}
        return [Zone(0, size, 0, self._parity_pieces(size)) for size in sizes]

    @property
    def parity_slices(self) -> int:
        """Parity slices of all zones."""
        return self._parity_before(self._count)

    def of(self, number: int) -> Zone:
        """Return the zone of a data slice."""
        return self[(self._count * (number + 1) - 1) // self._slices]

    def of_parity(self, number: int) -> Zone:
        """Return the zone of a parity slice."""
        return self[bisect_right(range(self._count), number, key=self._parity_before) - 1]

    def _first(self, at: int) -> int:
        return self._slices * at // self._count

    def _parity_before(self, at: int) -> int:
        """Return the parity slices of the zones before one: as many of them are larger as it takes to begin there."""
        larger = self._first(at) - self._least * at
        return larger * self._parity_slices(self._least + 1) + (at - larger) * self._parity_slices(self._least)

    def _parity_slices(self, slices: int) -> int:
        return _stripes(slices) * self._parity_pieces(slices)

    def _parity_pieces(self, slices: int) -> int:
        return limits.LARGE_PARITY if self._large else max(2, -(-_data_pieces(slices) // 2))


class Geometry:
    """The geometry of a segment.

    Parameters
    ----------
    covered
        Bytes of the file that slices cover, from its beginning on.

    Attributes
    ----------
    slice_size
        Bytes of a slice; the last data slice may have less.
    slices, parity_slices
        Number of data slices, and of parity slices.
    data_pieces, parity_pieces
        Data pieces and parity pieces of the widest stripe.
    burst
        The most slices, data or parity, that follow each other in the file and may be lost together.
    """

    def __init__(self, covered: int) -> None:
        self.covered = covered
        large = covered >= limits.SMALL_SEGMENT
        self.slice_size = limits.SLICE_LARGE if large else limits.SLICE_SMALL
        self.slices = -(-covered // self.slice_size)
        self.zones = Zones(self.slices, large=large)
        self.parity_slices = self.zones.parity_slices
        kinds = self.zones.kinds()
        self.data_pieces = max(zone.data_pieces for zone in kinds)
        self.parity_pieces = max(zone.parity_pieces for zone in kinds)
        self.burst = min(zone.parity_slices for zone in kinds)

    def length_of(self, number: int) -> int:
        """Return the bytes of a data slice."""
        return min(self.slice_size, self.covered - number * self.slice_size)

    def zone_of(self, number: int) -> Zone:
        """Return the zone of a data slice."""
        return self.zones.of(number)

    def zone_of_parity(self, number: int) -> Zone:
        """Return the zone of a parity slice."""
        return self.zones.of_parity(number)


@lru_cache(256)
def geometry_of(covered: int) -> Geometry:
    """Return the geometry of a segment that covers so many bytes."""
    return Geometry(covered)

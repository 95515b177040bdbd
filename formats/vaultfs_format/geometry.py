"""The geometry of a segment: how the bytes that it covers are cut into slices, and these into stripes with parity.

It follows from the number of bytes alone. Slices are dealt out to the stripes of a zone in turn, and parity slices go
on where the data stop, so that any run of slices that follow each other falls evenly on all stripes.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import pairwise

from vaultfs_format import limits


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

    def __init__(self, first: int, slices: int, first_parity: int, parity_pieces: int | None) -> None:
        self.first = first
        self.slices = slices
        self.first_parity = first_parity
        self.stripes = -(-slices // limits.STRIPE_PIECES)
        self.data_pieces = -(-slices // self.stripes)
        self.parity_pieces = max(2, -(-self.data_pieces // 2)) if parity_pieces is None else parity_pieces

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
    """

    def __init__(self, covered: int) -> None:
        self.covered = covered
        large = covered >= limits.SMALL_SEGMENT
        self.slice_size = limits.SLICE_LARGE if large else limits.SLICE_SMALL
        self.slices = -(-covered // self.slice_size)
        count = -(-self.slices // limits.ZONE_SLICES)
        bounds = [self.slices * number // count for number in range(count + 1)]
        self.zones: list[Zone] = []
        self.parity_slices = 0
        for first, end in pairwise(bounds):
            zone = Zone(first, end - first, self.parity_slices, limits.LARGE_PARITY if large else None)
            self.zones.append(zone)
            self.parity_slices += zone.parity_slices

    @property
    def data_pieces(self) -> int:
        """Data pieces of the widest stripe."""
        return max(zone.data_pieces for zone in self.zones)

    @property
    def parity_pieces(self) -> int:
        """Parity pieces of each stripe of the widest."""
        return max(zone.parity_pieces for zone in self.zones)

    @cached_property
    def burst(self) -> int:
        """The most slices, data or parity, that follow each other in the file and may be lost together."""
        return min(zone.parity_slices for zone in self.zones)

    def length_of(self, number: int) -> int:
        """Return the bytes of a data slice."""
        return min(self.slice_size, self.covered - number * self.slice_size)

    def zone_of(self, number: int) -> Zone:
        """Return the zone of a data slice."""
        at = number * len(self.zones) // self.slices
        while self.zones[at].first + self.zones[at].slices <= number:
            at += 1
        return self.zones[at]

    def zone_of_parity(self, number: int) -> Zone:
        """Return the zone of a parity slice."""
        return next(zone for zone in reversed(self.zones) if zone.first_parity <= number)


@lru_cache(256)
def geometry_of(covered: int) -> Geometry:
    """Return the geometry of a segment that covers so many bytes."""
    return Geometry(covered)

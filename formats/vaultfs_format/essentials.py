"""What a vault carries for people whose programs are gone: a page of text, and the dictionary that records need.

Both are the same in all vaults of a version and suite, and kept in this package; `tools/essentials.py` makes the pages.
No program reads them in a vault.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from vaultfs_format.compression import DICTIONARY
from vaultfs_format.suite import Suite

README = "README.txt"
ZDICT = f"{DICTIONARY}.zdict"


@cache
def essentials(suite: Suite) -> Mapping[str, bytes]:
    """Return what lies in every vault of a suite, by its names."""
    from importlib.resources import files  # as in `compression`: seldom needed, and slow to import

    package = files("vaultfs_format")
    page = (package / "readmes" / f"{suite.name}.txt").read_bytes()
    return MappingProxyType({README: page, ZDICT: (package / "dictionaries" / ZDICT).read_bytes()})

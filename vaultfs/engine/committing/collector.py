"""Python's cyclic garbage collector, which is held back while a batch is worked on.

It looks through all young objects again for every 700 containers that are made, and through all that live whenever
these have grown by a quarter. A batch makes tens of thousands that are all needed until it is done and of which none is
part of a cycle: there is nothing to find, and the host's own objects are looked through with them. At one record a
subject that took a third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Hold the collector back; what another thread, or the host, has switched off is left alone.

    Threads whose batches overlap do not keep it off: whoever has switched it off switches it on again at their end.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

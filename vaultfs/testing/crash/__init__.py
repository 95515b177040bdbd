"""Power cuts and killed processes, simulated: what was done to the files, and every disk that may be left of it.

`RecordingVfs` notes each change, and can end its process at any of them. `Disk` makes the recorded changes one after
the other. `cuts` yields the images that a cut would leave at that moment, each to be written somewhere and opened.

The model is POSIX taken at its word. What a file holds is certain up to its last sync; what a directory lists is
certain up to the last sync of that directory, whatever was synced elsewhere. Each later change may be there or not,
whatever its order; a write may be there in some sectors alone; a file may have grown without its data, to zeros or to
what its blocks held before. One thing is taken from the file systems that journal: a name that moves to another
directory is never in neither of the two.
"""

from vaultfs.testing.crash.cuts import cuts
from vaultfs.testing.crash.disk import Disk, Image
from vaultfs.testing.crash.recording import Change, Killed, RecordingVfs

__all__ = ["Change", "Disk", "Image", "Killed", "RecordingVfs", "cuts"]

"""Copying a vault while it is written, without any key: what is copied is proved, and healed from what is good.

`Copier` brings a directory up to date with a vault; `restore` makes a vault of a copy. Both import the format and the
keyless check, nothing else, so that whoever stores a vault can back it up. `drill` is the exception: it loads the
engine on demand, to open what was restored.
"""

from vaultfs_tools.copying.copier import Copied, Copier
from vaultfs_tools.copying.restoring import restore
from vaultfs_tools.copying.turn import Options, Source

__all__ = ["Copied", "Copier", "Options", "Source", "restore"]

"""Run in a mount space of its own: a vault on ext4, which the kernel makes read-only while the vault is open.

Ends with 77 where the kernel has no way to be asked for that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vaultfs_format.events.records import RecordRead

from tests.vaultfs.support import MRN, WHO, create, events_of, put, reopen
from vaultfs.audit.report import report
from vaultfs.audit.verifying import verify
from vaultfs.errors import VaultError


def refused(act: Callable[[], object]) -> int:
    """Return the code with which a call is refused; 0 where it is not."""
    try:
        act()
    except VaultError as error:
        return error.code
    return 0


def main(device: str, place: Path) -> int:
    """Do everything; print what came of it."""
    trigger = Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error")
    mount = place / "mount"
    mount.mkdir()
    subprocess.run(["mount", device, mount], check=True)
    if not trigger.exists():
        return 77
    shown: dict[str, object] = {}
    vault = create(mount / "v")
    record = put(vault)
    session = vault.session(WHO, "TREAT", strict=True)
    shown["read"] = session.get(record).data.decode()
    loose = vault.session(WHO, "TREAT")
    trigger.write_text("1")
    shown["strict"] = refused(lambda: session.get(record))
    shown["buffered"] = refused(lambda: loose.get(record))
    shown["search"] = refused(lambda: loose.find(subject=MRN))
    shown["put"] = refused(lambda: put(vault))
    shown["report"] = refused(lambda: report(vault, 0, 1 << 62))
    refused(vault.close)
    subprocess.run(["umount", mount], check=True)
    subprocess.run(["mount", device, mount], check=True)
    with reopen(mount / "v") as vault:
        shown["reads"] = len(events_of(vault, RecordRead))
        shown["good"] = verify(vault).findings == ()
    subprocess.run(["umount", mount], check=True)
    sys.stdout.write(json.dumps(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))

"""Making a vault of a copy: proved and healed as it is made, and there only once all that the copy gives is in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vaultfs_format.act import ActKind

from vaultfs_tools.copying import admission
from vaultfs_tools.copying.copier import Copied, Copier
from vaultfs_tools.copying.errors import BundleUnfit, PlaceTaken
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.small import head_in
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.turn import Options, Source
from vaultfs_tools.keyless.acts import note
from vaultfs_tools.keyless.durable import make_directory, sync_directory
from vaultfs_tools.keyless.files import MARK, copy_name


def restore(
    copy: Path, new: Path, bundle: Path | None = None, *, signer: bytes | None = None, pace: Pace | None = None
) -> Copied:
    """Make a vault of a copy, and leave in it the act that says so.

    Of a copy that has lost something a vault is made all the same: the report names what is missing or damaged.

    Parameters
    ----------
    new
        Where the vault is to be; nothing may be there.
    bundle
        A key bundle, from which head, VAULT, keyring and key tables are taken.
    signer
        Fingerprint of the signer that the vault must have.

    Raises
    ------
    PlaceTaken, PlacesOverlap
    BundleUnfit
        The bundle is of another vault, or older than the copy.
    SignerUnknown, SignatureInvalid, FileMissing, FormatError, Unsupported
        There is no copy, or no good head, or it was not signed by whom it must be.
    OSError
        The vault cannot be written; nothing of it is left.
    """
    if new.exists() or new.is_symlink():
        raise PlaceTaken
    source = Source.of_copy(copy, bundle)
    for place in (copy, bundle or copy):
        admission.keep_apart(place, new)
    _check_bundle(source)
    make_directory(new.absolute().parent)
    building = new.absolute().with_name(f".{new.name}.{os.urandom(4).hex()}")
    try:
        target = Target(building)
        copied = Copier(source, target, Options(signer=signer), pace or Pace()).bring_up_to_date()
        for name in (MARK, copy_name(MARK)):
            target.remove(name)
        note(target.files, copied.report.suite, copied.report.vault_id, ActKind.RESTORED, count=copied.bytes)
        if new.exists() or new.is_symlink():
            raise PlaceTaken
        os.rename(building, new)
        sync_directory(new.absolute().parent)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return copied


def _check_bundle(source: Source) -> None:
    keys, files = head_in(source.keys), head_in(source.files)
    same_age = keys.head.generation == files.head.generation
    if (
        keys.head.vault_id != files.head.vault_id
        or keys.head.generation < files.head.generation
        or (same_age and keys.data != files.data)
    ):
        raise BundleUnfit(generation=keys.head.generation, copy=files.head.generation)

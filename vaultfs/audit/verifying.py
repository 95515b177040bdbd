"""The whole log of an open vault, checked: events, tree, who signed which part, and the heads of subjects."""

from __future__ import annotations

from vaultfs.audit.checking import Checking, See
from vaultfs.audit.findings import Verified
from vaultfs.audit.log import reopened
from vaultfs.engine.heads import read_superblock
from vaultfs.engine.vault import Vault


def verify(vault: Vault) -> Verified:
    """Check every event against its entry, the tree against the head, signers and the heads of subjects.

    Raises
    ------
    CommitmentMismatch
        An event, the tree, the signer of a part, or a head of a subject is not the one that was written.
    SignatureInvalid
        A signer was not named by the one before.
    VaultDamaged, FormatError, NotAuthentic, StorageFailed
        Entries or events are missing, or damaged.

    The facts of each say the first leaf that is wrong, and file and offset, so far as that can be told.
    """
    return checked(vault, lambda _, __: None)


def checked(vault: Vault, see: See) -> Verified:
    """Check the log as `verify` does, and raise as it does; `see` is given every event that was found right.

    What is appended after the check has begun is not looked at.
    """
    found = _run(vault, see)
    if found.worst is not None:
        raise found.worst.error
    return found


def check_log(vault: Vault) -> Verified:
    """Check the log as `verify` does; what is wrong is not raised, but returned with all else that is.

    Raises
    ------
    SignatureInvalid
        A signer was not named by the one before: nothing that they have signed can be told apart.
    VaultDamaged, VaultMissing, StorageFailed, Closed
        The vault cannot be read at all.
    """
    return _run(vault, lambda _, __: None)


def _run(vault: Vault, see: See) -> Verified:
    engine = vault.engine
    with engine.lock:
        engine.check()
        head = engine.head
        superblock, _ = read_superblock(engine.vfs, engine.layout, head)
        journals = [reopened(engine, live) for live in engine.live]
    try:
        superblock.check_line()
        return Checking(engine, head, superblock.handovers(), see).run(journals)
    finally:
        for live in journals:
            live.journal.close()

"""What anchors have seen of a vault, compared with a head of it: whether that is the newest, and of the same log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vaultfs_format.head import Head
from vaultfs_format.limits import MAX_NUMBER
from vaultfs_format.superblock import Superblock
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.witness import Witnessed

from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.grown import diverged
from vaultfs.errors import LimitExceeded, Structure, VaultError, WitnessSilent
from vaultfs.keys.stores import Anchor, Required
from vaultfs.metrics import Counter, Metrics
from vaultfs.vfs import Vfs


class Seen(NamedTuple):
    """What anchors have seen.

    Parameters
    ----------
    generation
        Of the newest head whose signer VAULT knows. Where the log has not grown from a checkpoint that was seen, no
        less than the generation of the head that had this checkpoint.
    older
        Whether any has seen a newer head than the one in force, or another of its generation, or another log.
    facts
        Leaves of the log, and those of a checkpoint from which it has not grown; the signer of a newer head, if VAULT
        does not know him.
    """

    generation: int
    older: bool
    facts: Mapping[str, int]


def seen_by(
    anchors: Iterable[Anchor], vfs: Vfs, layout: Layout, head: Head, superblock: Superblock, metrics: Metrics
) -> Seen:
    """Return what the anchors have seen, compared with a head.

    Raises
    ------
    WitnessSilent
        An anchor that is required has seen nothing, or cannot be reached.
    LogPrunedBefore
        The log was pruned beyond a checkpoint that one has seen: nothing tells whether it has grown from that.
    VaultDamaged
        The log, of which one has seen a checkpoint, cannot be read.
    """
    found = list(_believed(anchors, superblock, metrics))
    heads = [one for one in found if isinstance(one, Witnessed)]
    others = diverged(vfs, layout, head, [one for one in found if isinstance(one, Checkpoint)])
    generations = [one.generation for one in heads if _is_known(one, superblock)]
    generations += [head.generation + one.size for one in others]  # each head has added a leaf or more
    newer = [one for one in heads if rolled_back(head, one)]
    unknown = [one.signer for one in newer if not _is_known(one, superblock)]
    facts = {"leaves": head.tree_size, "witnessed": max(one.size for one in others)} if others else {}
    if unknown:
        facts["signer"] = max(unknown)
    return Seen(max(generations, default=0), bool(others or newer), facts)


def next_generation(head: Head, seen: int) -> int:
    """Return the generation of the head that follows one, where a newest one was seen.

    Raises
    ------
    LimitExceeded
        No head can have it.
    """
    newest = max(head.generation, seen)
    if newest >= MAX_NUMBER:
        raise LimitExceeded(structure=Structure.HEAD, size=newest)
    return newest + 1


def _believed(anchors: Iterable[Anchor], superblock: Superblock, metrics: Metrics) -> Iterator[Witnessed | Checkpoint]:
    """Yield what each anchor has seen last: heads as far as the vault's signer has signed them.

    A head of a later signer than VAULT knows cannot be checked. It counts, but for its generation, which anybody may
    have written: a VAULT that was put back does not know whom the vault has got since.
    """
    for anchor in anchors:
        found = last_seen(anchor, superblock.vault_id, metrics)
        if isinstance(found, Witnessed) and _is_known(found, superblock):
            try:
                found.verify(superblock.signer(found.signer))
            except VaultError:
                found = None
        if found is not None:
            yield found
        elif isinstance(anchor, Required):
            raise WitnessSilent


def _is_known(seen: Witnessed, superblock: Superblock) -> bool:
    """Return whether VAULT is as new as the signer of a head: whether that is signed by him can be checked."""
    return seen.signer <= superblock.signers()[-1].number


def rolled_back(head: Head, seen: Witnessed) -> bool:
    """Return whether a head is older than one that was seen, or another of its generation."""
    same = head.generation == seen.generation and head.statement() == seen.statement()
    return head.generation <= seen.generation and not same


def last_seen(anchor: Anchor, vault_id: bytes, metrics: Metrics) -> Witnessed | Checkpoint | None:
    """Return the newest head that an anchor has seen; None where it has seen none, or cannot be reached."""
    try:
        return anchor.last(vault_id)
    except Exception:  # noqa: BLE001 - a host's own anchor fails in its own ways
        metrics.add(Counter.ANCHORS_MISSED)
        return None

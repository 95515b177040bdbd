"""A witness whose system calls fail or are the last: what it has given out it never forgets, and so cosigns no fork."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from vaultfs_format import merkle
from vaultfs_format.errors import VaultError
from vaultfs_format.levels import HashLevels, consistency_proof, root_at
from vaultfs_format.schemes import ED25519
from vaultfs_format.suite import FIPS
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import KeyType, NoteSigner, VerifierKey, sign_checkpoint
from vaultfs_format.tlog.refusals import SizeConflict, WitnessRefused
from vaultfs_format.tlog.witness import AddCheckpoint
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.share import answer_all

from crash.injecting import Outcome
from crash.ledger import Broken

_ORIGIN = "crash.example/log"
_SEED = sha256(b"a log").digest()
_STEPS = (3, 7, 9)
_END = 12
_NODES = merkle.audit_nodes(FIPS)


def _tree(name: bytes) -> HashLevels:
    found = HashLevels(_NODES)
    found.extend([sha256(b"%s %d" % (name, number)).digest() for number in range(_END)])
    return found


def _request(tree: HashLevels, old: int, new: int) -> bytes:
    key = VerifierKey(_ORIGIN, KeyType.ED25519, ED25519.public(_SEED))
    signer = NoteSigner(key, lambda message: ED25519.sign(_SEED, message))
    head = Checkpoint(_ORIGIN, new, root_at(_NODES, tree, new, merkle.AUDIT_EMPTY))
    path = consistency_proof(_NODES, tree, old, new)
    return AddCheckpoint(old, tuple(path), sign_checkpoint(head, [signer], 0)).encode()


class Witnessing:
    """A program that cosigns a log as it grows, by requests in a directory, and tells what was given out."""

    def __init__(self, start: Path) -> None:
        self.start = start
        self._log, self._fork = _tree(b"log"), _tree(b"fork")
        keeper = Keeper.create(start / "witness", "crash.example/witness")
        keeper.add_log([VerifierKey(_ORIGIN, KeyType.ED25519, ED25519.public(_SEED))])
        for name in ("outbox", "inbox"):
            (start / name).mkdir()

    def play(self, place: Path, outcome: Outcome) -> str:
        """Answer one request after the other."""
        try:
            keeper, old = Keeper(place / "witness"), 0
            for size in _STEPS:
                data = _request(self._log, old, size)
                request = place / "outbox" / f"{sha256(data).hexdigest()}.request"
                request.write_bytes(data)
                list(answer_all(keeper, place / "outbox", place / "inbox"))
                outcome.write(b"%d\n" % size)
                request.unlink()
                old = size
        except (OSError, VaultError) as error:
            return f"failed: {type(error).__name__}"
        return "done"

    def judge(self, place: Path, lines: Sequence[bytes]) -> None:
        """Check that the witness knows of what it has given out, refuses the fork, and cosigns what goes on.

        Raises
        ------
        Broken
        """
        given = [int(line) for line in lines]
        given += [Checkpoint.decode(path.read_text().partition("\n\n")[0] + "\n").size for path in _shown(place)]
        keeper = Keeper(place / "witness")
        size = keeper.log(_ORIGIN).head.size
        if size < max(given, default=0):
            raise Broken(f"the witness knows of {size} leaves, and has cosigned {max(given)}")
        if size not in (0, *_STEPS):
            raise Broken(f"the witness knows of {size} leaves, which nobody has shown to it")
        self._refuses(keeper, size)
        keeper.add_checkpoint(_request(self._log, size, _END))

    def _refuses(self, keeper: Keeper, size: int) -> None:
        """Check that no fork is cosigned, from wherever it is said to begin.

        Raises
        ------
        Broken
        """
        for old in sorted({0, size} if size else set()):
            try:
                keeper.add_checkpoint(_request(self._fork, old, _END))
            except SizeConflict as conflict:
                if conflict.size != size:
                    raise Broken(f"the witness states {conflict.size} leaves, and knows of {size}") from None
            except WitnessRefused:
                continue
            else:
                raise Broken(f"a fork was cosigned from {old} leaves on")


def _shown(place: Path) -> list[Path]:
    return list((place / "inbox").glob("*.checkpoint"))

"""Policies (c2sp.org/tlog-policy): which logs a reader believes, and which witnesses must have seen their checkpoints.

Names of witnesses and groups are octets, and mean nothing outside of the policy. People write these files, so blanks,
comments and the order of lines are theirs; `encode` writes one form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vaultfs_format.errors import NotSigned, QuorumMissing, Structure
from vaultfs_format.layout import Buffer, require
from vaultfs_format.limits import MAX_POLICY, MAX_POLICY_LINES
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import COSIGNERS, LOG_KEYS, KeyType, VerifierKey, signed_by
from vaultfs_format.tlog.lines import bounded, bounded_count, number_of
from vaultfs_format.tlog.note import Note

NONE = b"none"
"""The quorum of a policy that wants no witness."""

_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_WORD = re.compile(rb"[^\t ]+")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that is believed: a key whose name is its origin, and where it is found."""

    key: VerifierKey
    url: bytes = b""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: its name in the policy, its key, and where it is found."""

    name: bytes
    key: VerifierKey
    url: bytes = b""


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A group, of which so many members must have witnessed. They are witnesses or groups before it."""

    name: bytes
    threshold: int
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy.

    Parameters
    ----------
    logs, witnesses, groups
        As they are defined.
    quorum
        Name of the witness or group that must have witnessed a checkpoint, or `NONE`.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: bytes

    def encode(self) -> bytes:
        """Return the policy as text: logs, witnesses, groups, quorum."""
        lines = [[b"log", log.key.encode().encode(), log.url] for log in self.logs]
        lines += [[b"witness", one.name, one.key.encode().encode(), one.url] for one in self.witnesses]
        lines += [[b"group", one.name, str(one.threshold).encode(), *one.members] for one in self.groups]
        lines.append([b"quorum", self.quorum])
        return b"".join(b" ".join(filter(None, line)) + b"\n" for line in lines)

    @classmethod
    def decode(cls, data: Buffer) -> Policy:
        """Parse a policy.

        Raises
        ------
        FieldInvalid, LimitExceeded
        UnsupportedFeature
            A key is of a type that is not understood.
        """
        bounded(data, MAX_POLICY, Structure.LOG_POLICY)
        octets = bytes(data)
        require(_OCTETS.fullmatch(octets) is not None and octets.endswith(b"\n"), Structure.LOG_POLICY, 1)
        reading = _Reading()
        for line in octets[:-1].split(b"\n"):
            words = _WORD.findall(line)
            if words and not words[0].startswith(b"#"):
                reading.take(words)
        return reading.policy()

    def check(self, note: Note) -> Checkpoint:
        """Check a checkpoint: that one of the logs has signed it, and a quorum of the witnesses.

        Raises
        ------
        NotSigned
        QuorumMissing
        SignatureInvalid
            A signature of a log or witness of this policy is wrong.
        FieldInvalid, AlgorithmMissing
        """
        head = Checkpoint.decode(note.text)
        logs = {log.key for log in self.logs if log.key.name == head.origin}
        signers = {one.key for one in signed_by(note, [*logs, *(one.key for one in self.witnesses)])}
        if not logs & signers:
            raise NotSigned(structure=Structure.LOG_POLICY)
        self._require_quorum(signers)
        return head

    def check_witnesses(self, note: Note) -> Checkpoint:
        """Check that a quorum of the witnesses has cosigned a checkpoint, whoever keeps the keys of its log by now.

        Raises
        ------
        QuorumMissing
        SignatureInvalid
            A signature of a witness of this policy is wrong.
        FieldInvalid, AlgorithmMissing
        """
        head = Checkpoint.decode(note.text)
        self._require_quorum({one.key for one in signed_by(note, [one.key for one in self.witnesses])})
        return head

    def _require_quorum(self, signers: AbstractSet[VerifierKey]) -> None:
        if not self.is_quorum({one.name for one in self.witnesses if one.key in signers}):
            raise QuorumMissing(structure=Structure.LOG_POLICY)

    def is_quorum(self, witnesses: set[bytes]) -> bool:
        """Return whether a checkpoint that these witnesses have cosigned has been witnessed as the policy wants."""
        seen = witnesses | {NONE}
        for group in self.groups:
            if sum(member in seen for member in group.members) >= group.threshold:
                seen.add(group.name)
        return self.quorum in seen


@dataclass(slots=True)
class _Reading:
    """A policy of which some lines have been read."""

    logs: dict[bytes, PolicyLog] = field(default_factory=dict)
    witnesses: dict[bytes, PolicyWitness] = field(default_factory=dict)
    groups: list[PolicyGroup] = field(default_factory=list)
    names: set[bytes] = field(default_factory=lambda: {NONE})
    members: set[bytes] = field(default_factory=set)
    quorum: bytes | None = None

    def take(self, words: Sequence[bytes]) -> None:
        """Take a line in."""
        match words:
            case [b"log", key, *url] if len(url) <= 1:
                self._log(_key(key, LOG_KEYS), b"".join(url))
            case [b"witness", name, key, *url] if len(url) <= 1:
                self._witness(name, _key(key, COSIGNERS), b"".join(url))
            case [b"group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case [b"quorum", name]:
                require(self.quorum is None and name in self.names, Structure.LOG_POLICY, 6)
                self.quorum = name
            case _:
                require(False, Structure.LOG_POLICY, 2)

    def _log(self, key: VerifierKey, url: bytes) -> None:
        require(key.public not in self.logs, Structure.LOG_POLICY, 3)
        self.logs[key.public] = PolicyLog(key, url)
        bounded_count(len(self.logs), MAX_POLICY_LINES, Structure.LOG_POLICY)

    def _witness(self, name: bytes, key: VerifierKey, url: bytes) -> None:
        require(key.public not in self.witnesses, Structure.LOG_POLICY, 3)
        self._define(name)
        self.witnesses[key.public] = PolicyWitness(name, key, url)
        bounded_count(len(self.witnesses), MAX_POLICY_LINES, Structure.LOG_POLICY)

    def _group(self, name: bytes, threshold: bytes, members: Sequence[bytes]) -> None:
        known = self.names - self.members - {NONE}
        require(len(set(members)) == len(members) and known.issuperset(members), Structure.LOG_POLICY, 5)
        words = {b"any": 1, b"all": len(members)}
        number = words.get(threshold) or number_of(threshold.decode("latin-1"), Structure.LOG_POLICY, 5)
        require(1 <= number <= len(members), Structure.LOG_POLICY, 5)
        self._define(name)
        self.members.update(members)
        self.groups.append(PolicyGroup(name, number, tuple(members)))
        bounded_count(len(self.groups), MAX_POLICY_LINES, Structure.LOG_POLICY)

    def _define(self, name: bytes) -> None:
        require(name not in self.names, Structure.LOG_POLICY, 4)
        self.names.add(name)

    def policy(self) -> Policy:
        """Return what was read."""
        require(self.quorum is not None, Structure.LOG_POLICY, 6)
        logs, witnesses = tuple(self.logs.values()), tuple(self.witnesses.values())
        return Policy(logs, witnesses, tuple(self.groups), self.quorum or NONE)


def _key(octets: bytes, types: frozenset[KeyType]) -> VerifierKey:
    key = VerifierKey.decode(octets.decode("utf-8", "surrogateescape"))
    require(key.type in types, Structure.LOG_POLICY, 7)
    return key

"""All vectors, and the files that they stand in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache

from vaultfs_format.witness import Witnessed

from vectors import author, scenes, world
from vectors.case import Case, Topic, expectation
from vectors.files import Files
from vectors.operations import (
    accounts,
    frames,
    heads,
    journals,
    logs,
    primitives,
    recipients,
    segments,
    small,
    tokens,
    vaults,
)
from vectors.operations.registry import OPERATIONS, Operation
from vectors.topics import accounts as account_topics
from vectors.topics import (
    audits,
    bases,
    chains,
    entries,
    fips,
    groups,
    keyrings,
    mirrors,
    opening,
    sealed,
    signers,
    slices,
)
from vectors.topics import frames as frame_topics
from vectors.topics import heads as head_topics
from vectors.topics import journals as journal_topics
from vectors.topics import logs as log_topics
from vectors.topics import primitives as primitive_topics
from vectors.topics import recipients as recipient_topics
from vectors.topics import segments as segment_topics
from vectors.topics import small as small_topics
from vectors.topics import tokens as token_topics
from vectors.topics import vaults as vault_topics
from vectors.topics.vaults import Checks
from vectors.written import written

TOPICS = (
    primitive_topics.cases, token_topics.cases, small_topics.prefix_cases, small_topics.vault_cases,
    small_topics.stanza_cases, recipient_topics.cases, keyrings.secret_cases, keyrings.keyring_cases,
    frame_topics.cases, entries.cases, journal_topics.row_cases, journal_topics.header_cases, groups.cases,
    segment_topics.cases, slices.slice_cases, slices.healing_cases, audits.cases, head_topics.head_cases,
    head_topics.witness_cases, head_topics.act_cases, signers.cases, vault_topics.cases, opening.cases, chains.cases,
    mirrors.cases, sealed.cases, fips.cases, log_topics.cases, account_topics.cases, bases.cases,
)  # fmt: skip
"""What makes the scenarios."""

_MODULES = (primitives, tokens, small, recipients, frames, journals, segments, heads, logs, accounts, vaults)


def operations() -> Mapping[str, Operation]:
    """Return all operations by their names."""
    modules = {module.__name__ for module in _MODULES}
    return {name: function for name, function in OPERATIONS.items() if function.__module__ in modules}


@cache
def _written(suite: str = "default") -> tuple[dict[str, bytes], bytes]:
    return written(suite)


def written_cases() -> list[Case]:
    """Return the scenarios of the vaults that the reference writer wrote."""
    topic = Topic("written")
    _written_cases(topic, "", *_written(), "SEG-28 FRM-24 REC-22")
    _written_cases(topic, "-fips", *_written("fips"), "PFX-22 PFX-24 VLT-6")
    return topic.cases


def _written_cases(topic: Topic, suffix: str, files: dict[str, bytes], secret: bytes, holds: str) -> None:
    checks = Checks(topic)
    checks.check(f"vault{suffix}", "Written by the reference writer, whose process died.", files, "recovery", (9152,))
    checks.open(
        f"vault{suffix}",
        "Versions, deletions, bytes around a record, a name of the vault's own; in suite 1 a blob.",
        files,
        holds,
        secret=secret,
    )
    topic.good(
        f"log{suffix}",
        "Its audit log from the beginning.",
        "audit-log",
        "AUD-22",
        vault=files,
        passphrase=world.PASSPHRASE,
        secret=secret,
        count=20,
    )


def cases() -> Iterator[Case]:
    """Yield all scenarios."""
    for made in (*TOPICS, written_cases):
        yield from made()


def shared() -> dict[str, bytes]:
    """Return the smallest legal file of each kind, and others that several vectors refer to."""
    access = [author.commit_group(1, 1, [scenes.LOG], scenes.LEAVES), author.closing(2)]
    files = {
        "VAULT": world.SUPERBLOCK.encode(world.ROOT_KEY),
        "epoch-secret": world.SECRET.encode(),
        "epoch-secret-written": _written()[1],
        "epoch-secret-written-fips": _written("fips")[1],
        "keyring": world.keyring(),
        "key-table": keyrings.table(2),
        "head": scenes.FIRST_HEAD.encode(world.EPOCH_ROOT),
        "head-with-segments": scenes.SECOND_HEAD.encode(world.EPOCH_ROOT),
        "witnessed-head": Witnessed.of(scenes.SECOND_HEAD).encode(),
        "journal-header": journal_topics.header_bytes(world.journal_header()),
        "journal": scenes.JOURNAL.data,
        "journal-closed": scenes.CLOSED.data,
        "journal-group": groups.group_bytes(scenes.GROUPS[0]),
        "access-journal": author.journal(world.ACCESS, access, world.ACCESS_KEYS).data,
        "part-file": scenes.PART_FILE,
        "signer": world.SIGNER_VALUE,
        "VAULT-fips": fips.vault_file(),
        "signer-fips": fips.SIGNING.signer.encode(),
        "segment-large": segment_topics.LARGE.data,
    }
    files |= {f"segment-{name}": one.data for name, one in scenes.SEGMENTS.items()}
    return {f"{name}.bin": data for name, data in files.items()}


def content() -> dict[str, bytes]:
    """Return every file of the vectors by its path.

    Raises
    ------
    Unexpected
    """
    vaults = {"live": scenes.LIVE, "settled": scenes.SETTLED, "written": _written()[0], "fips": _written("fips")[0]}
    files = Files(shared(), {f"vaults/{name}": found for name, found in vaults.items()})
    made: dict[str, bytes] = {}
    for case in cases():
        if f"{case.name}.json" in made:
            raise ValueError(case.name)
        vector = {
            "comment": case.comment,
            "holds": list(case.holds),
            "breaks": list(case.breaks),
            "operation": case.operation,
            "given": {name: files.written(value, f"{case.name}-{name}") for name, value in case.given.items()},
            "expect": expectation(case),
        }
        made[f"{case.name}.json"] = (json.dumps(vector, indent=1) + "\n").encode("ascii")
    return made | files.content

"""Vaults as directories: which files are in force, copies, litter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.errors import CommitmentMismatch, Structure, UnsupportedVersion
from vaultfs_format.frame import FrameClass
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock

from vaultfs.errors import VaultDamaged
from vectors import scenes, world
from vectors.author import segment, vault
from vectors.case import Case, Topic
from vectors.operations.registry import Facts
from vectors.topics.small import prefix
from vectors.world import EPOCH_ROOT, ROOT_KEY, flipped, seeded

Files = dict[str, bytes]
KEYS: dict[str, Any] = {"passphrase": world.PASSPHRASE, "secret": world.SECRET.encode()}
NEW = vault(scenes.FIRST_HEAD)


def without(files: Mapping[str, bytes], *names: str) -> Files:
    """Return a vault that lacks files."""
    return {name: data for name, data in files.items() if name not in names}


def damaged(files: Mapping[str, bytes], *names: str) -> Files:
    """Return a vault with one bit of these files changed."""
    return dict(files) | {name: flipped(files[name], 50) for name in names}


def name_of(suffix: str, files: Mapping[str, bytes] = scenes.SETTLED, part: str = "segments/") -> str:
    """Return the first name that ends so, of a file below `part`."""
    return next(name for name in sorted(files) if name.startswith(part) and name.endswith(suffix))


class Checks:
    """Adds what a check without keys, and an opening with them, make of vaults."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic

    def check(
        self,
        name: str,
        comment: str,
        files: Mapping[str, bytes],
        verdict: str,
        codes: tuple[int, ...] = (),
        holds: str = "",
        breaks: str = "",
        **given: Any,
    ) -> None:
        """Add a check; `codes` are those of all findings, in the order of their files."""
        self.topic.good(
            f"check-{name}",
            comment,
            "check-vault",
            holds,
            breaks=breaks,
            vault=dict(files),
            facts={"verdict": verdict},
            probe=lambda facts: codes == _codes(facts),
            **given,
        )

    def open(
        self,
        name: str,
        comment: str,
        files: Mapping[str, bytes],
        holds: str = "",
        breaks: str = "",
        records: int | None = None,
        **given: Any,
    ) -> None:
        """Add an opening that finds so many records."""
        self.topic.good(
            f"open-{name}",
            comment,
            "open-vault",
            holds,
            breaks=breaks,
            vault=dict(files),
            probe=lambda facts: records is None or _read(facts) == records,
            **(KEYS | given),
        )


def _codes(facts: Facts) -> tuple[int, ...]:
    return tuple(finding["code"] for finding in facts["findings"])


def _read(facts: Facts) -> int:
    """Return how many records were read whole."""
    return sum("error" not in one for one in facts["records"])


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("vaults")
    checks = Checks(topic)
    _whole(checks)
    _copies(checks)
    _strays(checks)
    return topic.cases


def _whole(checks: Checks) -> None:
    checks.check("new", "A vault that was just made.", NEW, "good", holds="FIL-20 FIL-21 HED-21")
    checks.check("live", "A live journal that is not closed.", scenes.LIVE, "recovery", (9152,), "JNL-20 GRP-26 TOK-21")
    checks.check(
        "closed", "A live journal with a closing record.", scenes.live_with(scenes.CLOSED), "good", holds="GRP-27"
    )
    checks.check(
        "settled",
        "Five segments and no journal.",
        scenes.SETTLED,
        "good",
        holds="FIL-23 FIL-24 SEG-21 SEG-22 SEG-24 SEG-25 SEG-26 SEG-27 KTB-20 KTB-21 HED-21 HED-22 HED-23 VLT-22 "
        "KRG-20 SET-30",
    )
    checks.open(
        "live",
        "Three records of two commits, a state.",
        scenes.LIVE,
        "GRP-20 DIR-21 EPS-20 HED-20 HED-25 ENT-20",
        records=3,
    )
    checks.open(
        "settled",
        "The same in segments, and a blob of four frames.",
        scenes.SETTLED,
        "SET-21 SEG-28 REC-22 REC-27 FRM-24 KTB-21",
        records=4,
    )
    for name, files in (("live", scenes.LIVE), ("settled", scenes.SETTLED)):
        checks.topic.good(
            f"log-{name}",
            "The events, each checked against its leaf.",
            "audit-log",
            "AUD-22",
            vault=dict(files),
            count=5,
            **KEYS,
        )


def _copies(checks: Checks) -> None:
    for name in ("head", "VAULT.1", "keyring.1"):
        short = name.partition(".")[0].lower()
        for place in (name, f"copies/{name}"):
            where = "copy-of-" if place != name else ""
            checks.check(
                f"{where}{short}-damaged",
                f"One bit of {place} is another: the other copy is good.",
                damaged(scenes.SETTLED, place),
                "damage",
                (1106,),
                "FIL-21",
            )
            checks.open(f"{where}{short}-damaged", "And it opens.", damaged(scenes.SETTLED, place), "FIL-21", records=4)
        both = damaged(scenes.SETTLED, name, f"copies/{name}")
        checks.check(
            f"{short}-damaged-twice",
            f"Both copies of {name} are damaged.",
            both,
            "damage",
            (1106, 1106),
            breaks="FIL-21",
        )
        checks.topic.bad(
            f"open-{short}-damaged-twice",
            "Nothing can be read.",
            "open-vault",
            "FIL-21",
            VaultDamaged,
            vault=both,
            **KEYS,
        )
    checks.check(
        "copies-missing",
        "No copies at all.",
        {n: d for n, d in scenes.SETTLED.items() if "copies/" not in n},
        "damage",
        (9101, 9101, 9101, 9101, 9101, 9101, 9101, 9101),
        holds="FIL-21",
    )
    checks.open(
        "copies-missing",
        "And it opens.",
        {n: d for n, d in scenes.SETTLED.items() if "copies/" not in n},
        "FIL-21",
        records=4,
    )
    first = scenes.FIRST_HEAD.encode(EPOCH_ROOT)
    for place in ("head", "copies/head"):
        short = place.replace("/", "-of-")
        stale = dict(scenes.SETTLED) | {place: first}
        checks.check(
            f"stale-{short}",
            f"{place} is older than the other: the newer one counts.",
            stale,
            "damage",
            (9106,),
            "FIL-22",
        )
        checks.open(f"stale-{short}", "Its four records are found.", stale, "FIL-22", records=4)
    other = world.signed(replace(scenes.SECOND_HEAD, last_commit=9)).encode(EPOCH_ROOT)
    checks.check(
        "heads-differ",
        "Two heads of the same generation.",
        dict(scenes.SETTLED) | {"copies/head": other},
        "damage",
        (9105,),
        breaks="FIL-22 FIL-23",
    )
    data = prefix("H", version=1) + scenes.SETTLED["head"][16:]
    checks.check(
        "newer-head",
        "A head of version 1: the rest is not looked at, and nothing is damaged.",
        dict(scenes.SETTLED) | {"head": data},
        "unsupported",
        (1111,),
        "GEN-24",
    )
    checks.topic.bad(
        "open-newer-head",
        "And it does not open, though the copy is of this version.",
        "open-vault",
        "",
        UnsupportedVersion,
        Structure.HEAD,
        vault=dict(scenes.SETTLED) | {"head": data},
        **KEYS,
    )
    older = Superblock(DEFAULT, world.VAULT_ID, 1, [world.PASSPHRASE_STANZA] * 2, world.SUPERBLOCK.public_keys)
    put_back = {name: older.encode(ROOT_KEY) for name in ("VAULT.1", "copies/VAULT.1")}
    checks.check(
        "vault-of-another-time",
        "A VAULT that is authentic, and not the one that the head names.",
        dict(scenes.SETTLED) | put_back,
        "damage",
        (1106, 1106),
        breaks="VLT-22",
    )
    ring = {name: world.keyring({1: world.VALUES[1]}) for name in ("keyring.1", "copies/keyring.1")}
    checks.check(
        "keyring-of-another-time",
        "A keyring that is authentic, and not the one that the head names.",
        dict(scenes.SETTLED) | ring,
        "damage",
        (1106, 1106),
        breaks="KRG-20",
    )
    checks.topic.bad(
        "open-keyring-of-another-time",
        "It does not open.",
        "open-vault",
        "KRG-20",
        VaultDamaged,
        vault=dict(scenes.SETTLED) | ring,
        **KEYS,
    )


def _strays(checks: Checks) -> None:
    one = segment("stray", FrameClass.RECORD, [world.RECORDS], years=(2001, 2001))
    old = segment("old", FrameClass.RECORD, [scenes.PERSON], years=(2001, 2001), generation=1)
    now = segment("now", FrameClass.RECORD, [world.RECORDS], years=(2001, 2001), generation=2)
    later = segment("later", FrameClass.RECORD, [world.RECORDS], years=(2001, 2001), generation=3)
    live, settled = scenes.LIVE, scenes.SETTLED
    checks.check(
        "settling-unfinished",
        "A segment of this generation while a journal is live: litter.",
        live | one.files(),
        "recovery",
        (9154, 9152, 9154, 9154),
        holds="SET-26",
    )
    checks.open(
        "settling-unfinished",
        "What is in it does not count: the journal does.",
        live | one.files(),
        "FIL-20",
        records=3,
    )
    checks.check(
        "stray-segment",
        "A segment of this generation, and no journal: nothing says where it comes from.",
        settled | now.files(),
        "damage",
        (9115, 9115, 9115),
        breaks="FIL-20 SET-26",
    )
    checks.check(
        "merged-segment",
        "A segment of a lower generation: another one has taken its frames in.",
        settled | old.files(),
        "good",
        (9161, 9161, 9161),
        holds="SET-26",
    )
    lost = segment("lost", FrameClass.RECORD, [world.RECORDS], years=(2001, 2001), generation=1)
    checks.check(
        "older-segment",
        "A segment of a lower generation, whose frames are nowhere else.",
        settled | lost.files(),
        "damage",
        (9115, 9115, 9115),
        breaks="SET-26",
    )
    table = {name: data for name, data in old.files().items() if ".vkey." in name}
    rest = {name: data for name, data in old.files().items() if ".vkey." not in name}
    checks.check(
        "merged-segment-without-table",
        "Its key table was removed first.",
        settled | rest,
        "good",
        (9161,),
        holds="SET-30",
    )
    checks.check(
        "table-without-segment",
        "A key table, and no segment.",
        settled | table,
        "damage",
        (9115, 9115),
        breaks="SET-26 SET-30",
    )
    checks.check(
        "table-without-segment-live",
        "The same while a journal is live.",
        live | table,
        "recovery",
        (9154, 9152, 9154),
        holds="SET-26",
    )
    checks.check(
        "later-segment",
        "A segment of a later head than there is: an older head was put back.",
        settled | later.files(),
        "damage",
        (9115, 9115, 9114),
        breaks="HED-22",
    )
    mark = CopyMark(DEFAULT, CopyKind.WHOLE, False, world.VAULT_ID, bytes(range(16))).encode()
    checks.check(
        "copying-unfinished",
        "The same in a copy: bringing it up to date was interrupted.",
        settled | later.files() | {"copy": mark, "copies/copy": mark},
        "recovery",
        (9155, 9155, 9155),
        holds="CPY-26",
    )
    broken = mark[:-1] + bytes([mark[-1] ^ 1])
    checks.check(
        "copying-unfinished-mark-broken",
        "Nothing says that it is a copy.",
        settled | later.files() | {"copy": broken, "copies/copy": broken},
        "damage",
        (9115, 9115, 9114),
        breaks="CPY-26",
    )
    extra = {"Patient Example.txt": b"", "segments/main/record/notes.txt": b""}
    checks.check(
        "foreign",
        "Files that are none of a vault's: they are counted by directory, their names are not told.",
        settled | extra,
        "good",
        (9163, 9163),
        breaks="FIL-24",
    )
    checks.check(
        "unfinished",
        "What a write has left that did not end.",
        settled | {"head.tmp": b"x"},
        "good",
        (9162,),
        holds="FIL-20",
    )
    checks.check(
        "older-vault-file",
        "A VAULT of a lower generation than the head names.",
        settled | {"VAULT.0": b"x"},
        "good",
        (9161,),
        holds="FIL-20",
    )
    gone = name_of(".vseg")
    checks.check(
        "segment-missing",
        "A segment that the head names is not there.",
        without(settled, gone),
        "damage",
        (9109, 9101),
        breaks="FIL-20",
    )
    fingerprint = world.SIGNING.signer.fingerprint
    checks.check(
        "signer-known",
        "The signer has the fingerprint that was noted.",
        settled,
        "good",
        holds="SGN-20",
        fingerprint=fingerprint,
    )
    checks.check(
        "signer-unknown",
        "It has another.",
        settled,
        "damage",
        (9119,),
        breaks="SGN-20",
        fingerprint=seeded("another fingerprint", 32),
    )
    misplaced = [*scenes.SETTLED_LEAVES[:-1], replace(scenes.SETTLED_LEAVES[-1], number=5)]
    segments = scenes.SEGMENTS | {"audit": scenes.audit_segment(misplaced, [scenes.LOG, scenes.MORE_LOG])}
    named = list(segments.values())
    checks.check(
        "subjects-of-another-leaf",
        "Heads of subjects that state another index than their own.",
        files := vault(scenes.second_head(named, misplaced), named),
        "damage",
        (9104,),
        breaks="AUD-24",
    )
    checks.topic.bad(
        "log-subjects-of-another-leaf", "So says who reads it.", "audit-log", "AUD-24", CommitmentMismatch,
        Structure.AUDIT_ENTRY, vault=files, count=6, **KEYS,
    )  # fmt: skip
    strange = scenes.segment_signed_by_another()
    checks.check(
        "segment-signature", "A segment that another signer has signed.", strange, "damage", (1205,), breaks="SGN-21"
    )

"""The records that are measured with: of the own generator, of a Synthea export, and as many as one likes of few."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import vaultfs
from bench.figures import SEED, LeftOut, Setting
from vaultfs.testing.synthetic import records as generated

MEDIA_TYPE = "application/fhir+json"
SYNTHEA = "Synthea sample"

_SYSTEM = "https://github.com/synthetichealth/synthea"
_BULK = Path("interop", "fhir", "bulk10")
_BUNDLES = Path("interop", "fhir", "synthea-r4")
_DATES = (
    *("effectiveDateTime", "occurrenceDateTime", "performedDateTime", "onsetDateTime", "authoredOn", "recordedDate"),
    *("date", "issued", "created", "birthDate"),
)
_PERIODS = ("period", "effectivePeriod", "performedPeriod", "billablePeriod")
_POOL = 2_000
_ID = b'"id":"'


class Item(NamedTuple):
    """A record on its way into an archive."""

    subject: vaultfs.Identifier | vaultfs.SubjectId
    kind: str
    date: date | None
    data: bytes


def invented(subjects: int, per_subject: int, seed: int = SEED) -> Iterator[Item]:
    """Yield records of the generator, grouped by subject."""
    for system, value, kind, when, data in generated(seed, subjects, per_subject):
        yield Item(vaultfs.Identifier(system, value), kind, when, data)


def multiplied(subjects: int, per_subject: int) -> Iterator[Item]:
    """Yield records for as many subjects as wanted, in constant memory, at the cost of a replacement each.

    The subjects repeat those of a small pool under other identifiers, and every record has an ``id`` of its own. Frames
    hold one subject's records, so that a later repetition compresses no better than the first.
    """
    pool = list(invented(min(_POOL, subjects), per_subject))
    for number in range(subjects):
        lap, nth = divmod(number, _POOL)
        for item in pool[nth * per_subject : (nth + 1) * per_subject]:
            yield again(item, lap)


def again(item: Item, lap: int) -> Item:
    """Return a record as that of somebody else, under another ``id``."""
    if not isinstance(item.subject, vaultfs.Identifier):
        return item
    start = item.data.index(_ID) + len(_ID)
    renamed = f"{lap:08x}".encode()
    data = item.data[:start] + renamed + item.data[start + len(renamed) :]
    return item._replace(subject=vaultfs.Identifier(item.subject.system, f"{item.subject.value}-{lap}"), data=data)


def synthea(setting: Setting) -> list[Item] | LeftOut:
    """Return the records of the Synthea sample: bulk export of 10 patients, transaction bundles of 14.

    The resources of a bundle are written compactly; lines of NDJSON are taken as they are.
    """
    bulk, bundles = setting.samples / _BULK, setting.samples / _BUNDLES
    if not (bulk.is_dir() and bundles.is_dir()):
        return LeftOut(SYNTHEA, "sample data not present: --samples")
    found = [_item(line) for path in sorted(bulk.glob("*.ndjson")) for line in path.read_bytes().splitlines() if line]
    for path in sorted(bundles.glob("*.json")):
        for entry in json.loads(path.read_bytes())["entry"]:
            text = json.dumps(entry["resource"], separators=(",", ":"), ensure_ascii=False)
            found.append(_item(text.encode()))
    return found


def _item(data: bytes) -> Item:
    resource: dict[str, Any] = json.loads(data)
    kind = resource["resourceType"]
    named = resource.get("subject") or resource.get("patient") or {}
    reference: str = resource["id"] if kind == "Patient" else named.get("reference", "")
    whom = reference.rsplit("/", maxsplit=1)[-1].rsplit(":", maxsplit=1)[-1]
    subject = vaultfs.Identifier(_SYSTEM, whom) if whom else vaultfs.NOBODY
    dates = [resource.get(name) for name in _DATES] + [resource.get(name, {}).get("start") for name in _PERIODS]
    stated = next((str(one) for one in dates if one), "")
    return Item(subject, kind, date.fromisoformat(stated[:10]) if len(stated) >= 10 else None, data)

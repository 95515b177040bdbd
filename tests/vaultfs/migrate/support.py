"""A vault to import into, and questions to it; small sources made by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaultfs import NOBODY, Identifier, Record, Session, SubjectId, Vault
from vaultfs.migrate.export import Exporter, ExportReport
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.migrate.redrive import redrive
from vaultfs.migrate.report import Report

MRN = "urn:oid:2.16.840.1.113883.19.5"
OTHER = "urn:oid:2.16.840.1.113883.19.6"
SSN = "http://hl7.org/fhir/sid/us-ssn"
OWN = ("vaultfs.recipe", "vaultfs.gap", "vaultfs.link-candidate")


@dataclass
class Archive:
    """A vault with a session, and a folder for sources."""

    vault: Vault
    session: Session
    folder: Path
    reports: list[Report] = field(default_factory=list)

    def write(self, name: str, data: bytes | str | dict[str, Any]) -> Path:
        """Write a source below the folder; a dict as JSON."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, dict):
            data = json.dumps(data)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def take(self, *sources: Path, **options: Any) -> Report:
        """Import sources, by default the folder."""
        report = Importer(self.vault, self.session, ImportOptions(**options)).run(sources or [self.folder])
        assert not report.differing
        assert report.read == sum(report.outcome(one) for one in ("stored", "version", "unchanged", "quarantined"))
        self.reports.append(report)
        return report

    def redrive(self, code: int | None = None) -> Report:
        """Try again what is in quarantine."""
        return redrive(self.vault, self.session, ImportOptions(), code)

    def export(self, directory: Path) -> ExportReport:
        """Export everything."""
        return Exporter(self.session, directory).run()

    def records(self, *, own: bool = False) -> list[Record]:
        """Return the visible records, those that are the import's own bookkeeping on request."""
        return [
            self.session.get(info.id)
            for subject in self.session.all_subjects()
            for info in self.session.find(subject=subject, follow_links=False)
            if own or info.kind not in OWN
        ]

    def holder(self, text: str) -> SubjectId:
        """Return the subject of the one record whose bytes hold a text."""
        (found,) = {one.info.subject for one in self.records() if text.encode() in one.data}
        return found

    def one(self, text: str) -> Record:
        """Return the one record whose bytes hold a text."""
        (found,) = [one for one in self.records() if text.encode() in one.data]
        return found

    def identifiers(self, subject: SubjectId) -> set[Identifier]:
        """Return a subject's identifiers, without those that the import makes itself."""
        if subject == NOBODY:
            return set()
        return {one for one in self.session.identifiers(subject) if not one.system.startswith("urn:vaultfs:")}

    def together(self, one: SubjectId, other: SubjectId) -> bool:
        """Return whether a search for one subject finds the records of the other."""
        found = {info.subject for info in self.session.find(subject=one)}
        return one == other or other in found

    def candidates(self) -> set[frozenset[SubjectId]]:
        """Return the pairs that a person should look at; each must have been put once."""
        pairs = [
            frozenset((one.info.subject, SubjectId(one.data)))
            for one in self.records(own=True)
            if one.info.kind == "vaultfs.link-candidate"
        ]
        assert len(pairs) == len(set(pairs))
        return set(pairs)

    def content(self) -> Counter[tuple[str, frozenset[Identifier], bytes]]:
        """Return what the vault holds, apart from random ids."""
        known: dict[SubjectId, frozenset[Identifier]] = {}
        counts: Counter[tuple[str, frozenset[Identifier], bytes]] = Counter()
        for record in self.records():
            subject = record.info.subject
            if subject not in known:
                known[subject] = frozenset(self.identifiers(subject))
            counts[record.info.kind, known[subject], record.data] += 1
        return counts

    def exported(self, directory: Path) -> dict[str, bytes]:
        """Export everything and return the files of sources by their relative paths, of all roots."""
        self.export(directory)
        return files_of(directory)


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the exported source files by their paths below their roots."""
    return {
        "/".join(path.relative_to(directory).parts[1:]): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.parent != directory and path.relative_to(directory).parts[0] != "records"
    }


def rows_of(directory: Path) -> list[dict[str, Any]]:
    """Return the manifest of an export."""
    return [json.loads(line) for line in (directory / "manifest.jsonl").read_bytes().splitlines()]


# Sources.


def patient(
    number: str | None = None, *identifiers: tuple[str, str] | dict[str, Any], name: str = "Doe", **more: Any
) -> dict[str, Any]:
    """Return a Patient; identifiers as (system, value) or as FHIR has them."""
    listed = [one if isinstance(one, dict) else {"system": one[0], "value": one[1]} for one in identifiers]
    found: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": name}], **more}
    if number is not None:
        found["id"] = number
    if listed:
        found["identifier"] = listed
    return found


def observation(number: str, reference: str | None, text: str = "", **subject: Any) -> dict[str, Any]:
    """Return an Observation."""
    target = {"reference": reference, **subject} if reference else subject
    found = {"resourceType": "Observation", "id": number, "effectiveDateTime": "2021-05-01", "status": "final"}
    return found | {"valueString": text or f"value-{number}"} | ({"subject": target} if target else {})


def bundle(*resources: dict[str, Any], kind: str = "collection", urls: Iterable[str] = ()) -> dict[str, Any]:
    """Return a Bundle; `urls` are the full URLs of its entries, as far as they have one."""
    named = [*urls]
    entries = [
        ({"fullUrl": named[number]} if number < len(named) and named[number] else {}) | {"resource": one}
        for number, one in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def ndjson(*resources: dict[str, Any]) -> str:
    """Return resources, one a line."""
    return "".join(json.dumps(one) + "\n" for one in resources)


def message(identifiers: str, text: str = "note", *, pid: str = "", control: str = "1", end: str = "\r") -> str:
    """Return an HL7v2 message; `identifiers` is PID-3, `pid` the fields from PID-4 on."""
    return end.join(
        (
            f"MSH|^~\\&|LAB|HOSP|EMR|HOSP|20210501120000||ORU^R01|{control}|P|2.5.1",
            f"PID|1||{identifiers}|{pid}",
            "OBR|1|||1234^Test|||20210501",
            f"OBX|1|ST|1234^Test||{text}||||||F",
            "",
        )
    )

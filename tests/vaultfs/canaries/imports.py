"""The life of an import with a canary in every kind of source, file name and place where one can stand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import vaultfs
from tests.vaultfs.canaries.formats import clinical_documents, dicom_files
from tests.vaultfs.migrate.support import bundle, message, ndjson, observation, patient
from tests.vaultfs.support import create, reopen
from vaultfs.metrics import Counter, Tally
from vaultfs.migrate.export import Exporter
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.migrate.redrive import redrive
from vaultfs.testing.canary import Canaries
from vaultfs.testing.vfs import FaultyVfs, Operation
from vaultfs.testing.watch import Watch

PLANTED = Canaries(3)
WORD = PLANTED.plain
NAMESPACE = f"http://{WORD('namespace')}.example/x"


def write(folder: Path) -> None:
    """Write sources of every kind, good and bad."""
    person = patient(
        f"{WORD('ref')}1", (f"http://{WORD('system')}.example/x", WORD("number")), name=WORD("given"),
        birthDate=f"{PLANTED.moment:%Y-%m-%d}",
    )  # fmt: skip
    reference = f"Patient/{WORD('ref')}"
    url = f"https://{WORD('url')}.example/{WORD('ref')}"
    number = (f"http://{WORD('system')}.example/x", WORD("number"))
    sources: dict[str, bytes | str] = {
        **{
            f"{WORD('file')}-{name}.json": json.dumps(patient(name, number, ("urn:oid:1.2.3", WORD(f"ssn{name}"))))
            for name in ("a", "b")
        },
        f"{WORD('file')}-late.ndjson": ndjson(
            observation("9", f"Patient?identifier={number[0]}|{number[1]}", WORD("text")),
            observation("8", f"{reference}9", WORD("text")),
            patient(f"{WORD('ref')}9", ("urn:oid:1.2.3", WORD("fresh"))),
            observation("7", f"{reference}7", WORD("text")),
            observation("6", f"{reference}7", WORD("text"), identifier={"system": number[0], "value": number[1]}),
        ),
        f"{WORD('file')}-latin.hl7": (
            f"MSH|^~\\&|{WORD('hl')}|||||20210501||ORU^R01|1|P|2.5.1||||||8859/1\r"
            f"PID|1||{WORD('number')}\\T\\\\X41\\ü^^^{WORD('system')}||{WORD('given')}\\F\\ü\r"
        ).encode("latin-1"),
        f"{WORD('folder')}/{WORD('file')}.json": json.dumps(
            bundle(person, observation("1", f"{reference}1", WORD("text")), urls=[url])
        ),
        f"{WORD('folder')}/{WORD('file')}.ndjson": ndjson(
            *(observation(str(number), f"{reference}2", WORD("text")) for number in range(30))
        )
        + "{" + WORD("junk") + "\n",
        f"{WORD('file')}.hl7": message(f"{WORD('number')}^^^{WORD('system')}", WORD("hl"), pid=f"|{WORD('given')}^X"),
        f"{WORD('file')}.png": f"\x00{WORD('junk')}" * 100,
        f"{WORD('file')}-large.bin": f"\x00{WORD('junk')}" * 200_000,
        f"{WORD('file')}-deep.json": '{"' + WORD("junk") + '":' + "[" * 500,
        f"{WORD('file')}-strange.json": json.dumps({"resourceType": WORD("junk"), "id": WORD("number")}),
        f"{WORD('file')}-field.json": json.dumps(
            {"resourceType": "Observation", "subject": {"reference": [WORD("junk")]}}
        ),
    }  # fmt: skip
    images_and_documents = dicom_files(PLANTED) | clinical_documents(PLANTED)
    sources |= {f"{WORD('file')}-{name}": data for name, data in images_and_documents.items()}
    for name, data in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    (folder / f"{WORD('file')}-link").symlink_to(WORD("target"))


def live(watch: Watch, stored: Path, sources: Path, exported: Path) -> None:
    """Import with interruptions, repeat, redrive and export. Only `exported` may hold what was planted."""
    write(sources)
    vfs, tally = FaultyVfs(), Tally()
    nowhere = sources / (WORD("nowhere") + "\ud800")
    create(stored / "v").close()

    def take(vault: vaultfs.Vault, namespace: str | None) -> None:
        with vault.session(vaultfs.Principal(WORD("who")), WORD("purpose")) as session:
            options = ImportOptions(namespace=namespace, authorities={WORD("hl"): NAMESPACE}, window_bytes=200)
            report = Importer(vault, session, options).run([sources, nowhere])
            assert report.outcome("quarantined") >= 17
            assert report.failed == 2, "the link to nothing, and what can be no path"
            watch.said(json.dumps(report.as_json()), report.as_text(), report, repr(redrive(vault, session, options)))

    for changed in (False, True):
        if changed:
            _change(sources)
        for number in itertools.count(2, 61):  # each time it comes further, and in the end to the end
            vfs.fail(Operation.APPEND, error=28, number=number, lasting=True)
            try:
                with _opened(stored / "v", vfs=vfs, options=vaultfs.Options(metrics=tally)) as vault:
                    take(vault, NAMESPACE if changed else None)
            except vaultfs.VaultError as error:
                watch.error(error)
            else:
                break
            finally:
                vfs.heal()
        watch.files(stored)
        for _ in range(2):
            with reopen(stored / "v") as vault:
                take(vault, NAMESPACE)
    with reopen(stored / "v") as vault, vault.session(vaultfs.Principal(WORD("who")), WORD("purpose")) as session:
        for subject in session.all_subjects():
            watch.said(*(session.get(info.id) for info in session.find(subject=subject)))
        told = WORD("given"), WORD("junk")
        disclosure = vaultfs.Disclosure(
            recipient=told[0], description=told[1], purpose=told[0], basis=vaultfs.Basis.PUBLIC_HEALTH
        )
        watch.said(repr(Exporter(session, exported, disclosure).run()))
        watch.said(vault.condition)
    watch.files(stored)
    assert tally.counts[Counter.RECORDS_PUT] > 50
    watch.said(str(vars(tally)))


def _change(sources: Path) -> None:
    """Change records of two sources, add one to a third, and give a patient another number."""
    person = patient("a", ("urn:oid:1.2.3", WORD("renumbered")))
    (sources / f"{WORD('file')}-a.json").write_text(json.dumps(person))
    grown = sources / WORD("folder") / f"{WORD('file')}.json"
    found = json.loads(grown.read_text())
    found["entry"].append({"resource": observation("5", f"Patient/{WORD('ref')}1", WORD("changed"))})
    grown.write_text(json.dumps(found))
    for path in (sources / f"{WORD('file')}.hl7", sources / WORD("folder") / f"{WORD('file')}.ndjson"):
        path.write_text(path.read_text().replace(WORD("text"), WORD("changed")).replace(WORD("hl"), WORD("changed")))


@contextmanager
def _opened(path: Path, **more: Any) -> Iterator[vaultfs.Vault]:
    """Open a vault whose closing may fail as everything else does."""
    vault = reopen(path, **more)
    try:
        yield vault
    finally:
        with suppress(vaultfs.VaultError):
            vault.close()

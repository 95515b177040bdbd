"""The shipped sample: a directory as a small practice would hand it over, with the oddities that such exports have.

What it promises to tests and readers:

- transaction bundles (indented by 2, by 4, compact), an NDJSON bulk export, HL7v2 messages in single files (CR, LF,
  CRLF, one with a byte order mark), logs of several messages, and a batch (FHS/BHS);
- the first five patients of the bundles are in the HL7v2 files too, with agreeing identifiers;
- two patients of two hospitals have the medical record number 12345 (`people.SHARED_MRN`);
- the first patient of the bundles has a CT in two series too (DICOM), the second a summary of care (C-CDA);
- organizations and practitioners in bundles of their own, and some allergies without a date;
- file names hold the patients' names.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from vaultfs.errors import ArgumentInvalid
from vaultfs.testing.synthetic import people
from vaultfs.testing.synthetic.ccda import ccda_document
from vaultfs.testing.synthetic.dicom import ct_images
from vaultfs.testing.synthetic.fhir import fhir_bundle, ndjson_files, staff_bundle
from vaultfs.testing.synthetic.hl7v2 import BOM, batch, hl7v2_messages
from vaultfs.testing.synthetic.life import Life
from vaultfs.testing.synthetic.story import patient

SEED = 20250701
PATIENTS = 50

_BOTH = 5
"""Patients that are in FHIR and in HL7v2."""

_LEAST = 10

_INDENTS = (2, 2, 4, None)
_ENDS = (b"\r", b"\n", b"\r\n")


def sample(seed: int = SEED, patients: int = PATIENTS) -> dict[str, bytes]:
    """Return the files of the sample by their relative POSIX paths.

    Parameters
    ----------
    seed
        Equal seeds give equal bytes.
    patients
        At least 10: two in five are in bundles, two in five in the bulk export, the rest in HL7v2 alone.

    Raises
    ------
    ArgumentInvalid
        There are fewer patients than the sample promises something of.
    """
    if patients < _LEAST:
        raise ArgumentInvalid(least=_LEAST)
    share = patients * 2 // 5
    bundled = [_life(seed, number, share) for number in range(share)]
    exported = [_life(seed, number, share) for number in range(share, 2 * share)]
    messaged = [*bundled[:_BOTH], *(_life(seed, number, share) for number in range(2 * share, patients))]
    files: dict[str, bytes] = {}
    for number, life in enumerate(bundled):
        files[f"fhir/{_name(life)}_{life.person.id}.json"] = fhir_bundle(life, _INDENTS[number % len(_INDENTS)])
    files["fhir/hospitalInformation.json"] = staff_bundle(people.hospitals(seed), (), bundled[0])
    files["fhir/practitionerInformation.json"] = staff_bundle((), people.clinicians(seed), bundled[0])
    files |= {f"bulk/{name}": data for name, data in ndjson_files(exported).items()}
    files |= {
        f"dicom/CT_{_name(bundled[0])}_{series}_{image:03d}.dcm": data
        for (series, image), data in ct_images(seed, bundled[0]).items()
    }
    files[f"ccda/{_name(bundled[1])}_{bundled[1].person.mrn.value}.xml"] = ccda_document(seed, bundled[1])
    return files | _messages(messaged)


def _life(seed: int, number: int, share: int) -> Life:
    visits = 1 + number % 2
    if number in (_BOTH, share):
        # One patient of the bundles and one of the bulk export: two hospitals, one record number.
        return patient(seed, number, visits, hospital=0 if number == _BOTH else 1, mrn=people.SHARED_MRN)
    return patient(seed, number, visits)


def _messages(lives: list[Life]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for number, life in enumerate(lives):
        end = _ENDS[number % len(_ENDS)]
        messages = hl7v2_messages(life, end)
        if number >= 3:
            files[f"hl7v2/{_name(life)}_{life.person.mrn.value}.hl7"] = b"".join(messages)
            continue
        for nth, message in enumerate(messages, 1):
            kind = message.split(b"|", 9)[8].decode("ascii").replace("^", "_")[:7]
            # The first file begins with a byte order mark, as an editor on Windows leaves it.
            files[f"hl7v2/{kind}_{_name(life)}_{nth:02d}.hl7"] = (BOM if number == 0 and nth == 1 else b"") + message
    batched = [message for life in lives[-2:] for message in hl7v2_messages(life)]
    files["hl7v2/batch_20250630.hl7"] = batch(batched, lives[-1].person.hospital, datetime(2025, 6, 30, 23, 0))
    return files


def _name(life: Life) -> str:
    """Return given and family name as exports put them into file names: letters of ASCII alone."""
    parts = (life.person.given[0], life.person.family)
    return "_".join("".join(c for c in part if c.isascii() and c.isalnum()) for part in parts)


def write_sample(directory: Path, seed: int = SEED, patients: int = PATIENTS) -> int:
    """Write the sample below `directory`, which is made if it is missing, and return the number of files.

    Parameters
    ----------
    directory
        Where to; files of the same names are replaced, others are left alone.
    seed, patients
        See `sample`, also for what is raised.
    """
    files = sample(seed, patients)
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return len(files)

"""Invented patients, the same on every machine: lives drawn from a seed, written as FHIR R4, NDJSON, HL7v2, DICOM and
C-CDA.

Nothing here was copied from a record of a person or from another generator's output: names, identifiers and texts are
made up, codes and their names are those of the standards. Pure, apart from `write_sample`: no clock, no locale, no
global state, standard library only; byte-identical output on every supported Python and platform.
"""

from vaultfs.testing.synthetic.ccda import ccda_document
from vaultfs.testing.synthetic.dicom import ct_images
from vaultfs.testing.synthetic.fhir import fhir_bundle, ndjson_files
from vaultfs.testing.synthetic.hl7v2 import batch, hl7v2_messages
from vaultfs.testing.synthetic.life import Life
from vaultfs.testing.synthetic.records import Record, records
from vaultfs.testing.synthetic.sample import sample, write_sample
from vaultfs.testing.synthetic.story import patient

__all__ = [
    "Life",
    "Record",
    "batch",
    "ccda_document",
    "ct_images",
    "fhir_bundle",
    "hl7v2_messages",
    "ndjson_files",
    "patient",
    "records",
    "sample",
    "write_sample",
]

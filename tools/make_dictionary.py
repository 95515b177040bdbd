"""Make the built-in zstd dictionary out of invented patients: ``python tools/make_dictionary.py`` in a checkout.

A dictionary is made of pieces of the records that it is trained on, and it is in every copy of the program: it must
hold nothing of a person. So it is trained on the project's own generator, and what stands in a record for a person is
taken out first, names and identifiers, times, quantities, free text. What is left is what all archives have in common:
the shapes of FHIR resources and HL7v2 segments, in the layouts of exports, with the codes, URLs and units of the
standards.

The content is chosen from those emptied records; the entropy tables come from whole ones, because a compressor meets
those (zstd dictionary format: RFC 8878, section 5). Of several candidates the one that makes held-out patients smallest
wins. The bytes depend on the version of libzstd, so the result is kept in the repository and this program is run by
hand.
"""

from __future__ import annotations

import argparse
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import product
from pathlib import Path

import zstandard
from blake3 import blake3

from vaultfs.testing.synthetic import fhir, hl7v2
from vaultfs.testing.synthetic.catalogue import Ailment
from vaultfs.testing.synthetic.codes import Code
from vaultfs.testing.synthetic.draw import Draw
from vaultfs.testing.synthetic.jsontext import dumps
from vaultfs.testing.synthetic.life import Life
from vaultfs.testing.synthetic.measures import Measure
from vaultfs.testing.synthetic.page import BULK, SERVER, TRANSACTION, Dialect
from vaultfs.testing.synthetic.segments import escape, namespace
from vaultfs.testing.synthetic.story import patient

DICTIONARY_ID = 0x56465331
"""``VFS1``; inside the range of ids for private use, 32768 to 2^31 - 1 (RFC 8878, 5)."""

LIMIT = 128 * 1024
Sample = bytes | bytearray | memoryview

TARGET = Path(__file__).parent.parent / "formats" / "vaultfs_format" / "dictionaries"

_SIZES = (48, 64, 96, 112)
_SEGMENTS = (1000, 1500, 2000, 2500)
_WORDS = (6, 8)
_LIVES = 200
_HELD_OUT = 12
_SEED = 1

# Other exporters' habits that the generator's own dialects lack: providers found by search, as in bulk data.
_SEARCHING = Dialect(
    urn=False, profiles=True, conditional=True, system="https://github.com/synthetichealth/synthea"
)  # fmt: skip

_STYLES: tuple[tuple[Dialect, int | None], ...] = (
    (BULK, None),
    (TRANSACTION, None),
    (_SEARCHING, None),
    (SERVER, None),
    (TRANSACTION, 2),
    (TRANSACTION, 4),
    (_SEARCHING, None),
    (SERVER, 2),
)
"""Dialects and layouts, in the proportions in which records to train on are made."""

_ENDS = (b"\r", b"\n", b"\r\n")
_GROUPS = (1, 1, 1, 1, 2, 4, 8, 16, 50)
"""Records in a frame: many patients have few, and small frames gain most."""

_VALUES = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.000)?"  # times
    rb"|(?<=\")\d{4}-\d\d-\d\d(?=\")"  # dates
    rb"|(?<=\"value\":)\d+(?:\.\d+)?|(?<=\"value\": )\d+(?:\.\d+)?"  # quantities
    rb"|(?<=\"data\":\")[A-Za-z0-9+/=]+|(?<=\"data\": \")[A-Za-z0-9+/=]+"  # documents
    rb"|(?<=Base64\^)[A-Za-z0-9+/=]+"
    rb"|(?<=\"hash\":\")[^\"]+|(?<=\"hash\": \")[^\"]+"
    rb"|(?<=\"carrierHRF\":\")[^\"]+|(?<=\"carrierHRF\": \")[^\"]+"
    rb"|(?<=[|^])(?:19|20)\d{6}(?:\d{6})?(?=[-|^])"  # HL7v2 dates and times
    rb"|(?<=\|\|)\d+(?:\.\d+)?(?=\|[^|]+UCUM)"  # OBX-5
)

_CLOSED = {"setting", "category", "criticality", "gender", "system", "type", "prefix", "state", "state_code"}
"""Fields of a life whose values are codes of closed sets, not somebody's data."""


def main() -> None:
    """Train the candidates, choose one, write it and its README."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", type=Path, default=TARGET, help="folder to write to (default: %(default)s)")
    target = parser.parse_args().target
    whole, emptied = training()
    print(f"{len(whole)} samples, {sum(map(len, whole)) >> 20} MiB; emptied {sum(map(len, emptied)) >> 20} MiB")
    held_out = examples()
    best, best_score = b"", 0.0
    for size, segment, word in product(_SIZES, _SEGMENTS, _WORDS):
        candidate = train(whole, emptied, size * 1024, segment, word)
        score = judge(candidate, held_out)
        print(f"{size:4d} KiB, segments of {segment}, words of {word}: {len(candidate):6d} bytes, ratio {score:.3f}")
        if score > best_score:
            best, best_score = candidate, score
    if not 0 < len(best) <= LIMIT:
        raise SystemExit(f"{len(best)} bytes are not between 1 and {LIMIT}")
    target.mkdir(parents=True, exist_ok=True)
    (target / "1.zdict").write_bytes(best)
    (target / "README.md").write_text(readme(best), encoding="utf-8")
    print(f"wrote {target / '1.zdict'}: {len(best)} bytes, mean ratio {best_score:.3f}")


def training() -> tuple[list[Sample], list[Sample]]:
    """Return samples grouped as frames are: whole, and with everything personal taken out."""
    whole: list[Sample] = []
    emptied: list[Sample] = []
    for number in range(_LIVES):
        life = patient(_SEED, number, visits=10)
        draw = Draw(_SEED, number, "dictionary")
        blank = _Blank(life)
        for texts in _texts(life, number):
            for group in _grouped(draw, texts):
                whole.append(b"".join(group))
                emptied.append(b"".join(blank(text) for text in group))
    return whole, emptied


def _texts(life: Life, number: int) -> Iterator[list[bytes]]:
    """Yield the records of a life: as FHIR in one style, and for some lives as HL7v2 messages."""
    dialect, indent = _STYLES[number % len(_STYLES)]
    resources = [*fhir.resources(life, dialect), *fhir.providers(life, dialect)[:4]]
    yield [dumps(r) if indent is None else _entry(r, indent) for r in resources]
    if number % 3 == 0:
        yield hl7v2.hl7v2_messages(life, _ENDS[number // 3 % len(_ENDS)])


def _entry(resource: fhir.Resource, indent: int) -> bytes:
    """Return the entry of a transaction bundle, as deep as it stands there."""
    text = fhir.bundle([resource], indent)
    return text[text.index(b'"entry": [') + 10 : text.rindex(b"\n" + b" " * indent + b"]")]


def _grouped(draw: Draw, texts: list[bytes]) -> Iterator[list[bytes]]:
    start = 0
    while start < len(texts):
        count = draw.pick(_GROUPS)
        yield texts[start : start + count]
        start += count


class _Blank:
    """Takes a life's own texts, and every time and quantity, out of a record."""

    def __init__(self, life: Life) -> None:
        own = set(_own(life))
        own |= {escape(text) for text in own} | {text.title() for text in own}
        own |= {namespace(hospital) for hospital in life.hospitals()}
        self._own = [text.encode() for text in sorted(own, key=lambda text: (-len(text), text))]

    def __call__(self, record: bytes) -> bytes:
        for text in self._own:
            record = record.replace(text, b"")
        return _VALUES.sub(b"", record)


def _own(value: object, field: str = "") -> Iterator[str]:
    """Yield every text in a life that is not a code of a standard."""
    if isinstance(value, (Code, Measure, Ailment)) or field in _CLOSED:
        return
    if isinstance(value, str):
        yield from _spellings(value, field)
    elif isinstance(value, tuple):
        for item in value:
            yield from _own(item, field)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _own(getattr(value, part.name), part.name)
    elif field in {"latitude", "longitude", "born", "made", "expires", "start"}:
        yield str(value)


def _spellings(value: str, field: str) -> Iterator[str]:
    """Yield a text as records write it: whole, and in the parts that HL7v2 makes of it."""
    if len(value) > 2:
        yield value
    if field == "mother":
        yield from value.split()
    if field == "phone":
        area, _, local = value.partition("-")
        yield from (area, local.replace("-", ""))
    if field == "order":
        yield f"F{value}"


def train(whole: list[Sample], emptied: list[Sample], size: int, segment: int, word: int) -> bytes:
    """Return a dictionary: content chosen from `emptied` in pieces of `segment` bytes, tables made from `whole`."""

    def trained(samples: list[Sample]) -> tuple[bytes, bytes]:
        return _split(
            zstandard.train_dictionary(size, samples, k=segment, d=word, dict_id=DICTIONARY_ID, level=1).as_bytes()
        )

    return trained(whole)[0] + trained(emptied)[1]


def _split(dictionary: bytes) -> tuple[bytes, bytes]:
    """Return the header and the content of a dictionary; libzstd ends every header with the offsets 1, 4 and 8."""
    end = dictionary.index(struct.pack("<III", 1, 4, 8), 8) + 12
    return dictionary[:end], dictionary[end:]


def examples() -> list[list[bytes]]:
    """Return frames of patients that no candidate was trained on: single records, ten, 64 KiB, and messages."""
    found: list[list[bytes]] = []
    for number in range(_HELD_OUT):
        life = patient(_SEED + 1, number, visits=10)
        for texts in _texts(life, number):
            found += [texts, _frames(texts, 10, 1 << 30), _frames(texts, 1 << 30, 1 << 16)]
    return found


def _frames(texts: list[bytes], records: int, limit: int) -> list[bytes]:
    frames: list[bytes] = []
    frame: list[bytes] = []
    for text in texts:
        if frame and (len(frame) == records or sum(map(len, frame)) + len(text) > limit):
            frames.append(b"".join(frame))
            frame = []
        frame.append(text)
    return [*frames, b"".join(frame)]


def judge(candidate: bytes, held_out: list[list[bytes]]) -> float:
    """Return the geometric mean of the ratios that the engine's level reaches on `held_out` with a dictionary."""
    dictionary = zstandard.ZstdCompressionDict(candidate)
    dictionary.precompute_compress(level=1)
    compressor = zstandard.ZstdCompressor(level=1, dict_data=dictionary, write_checksum=False, write_dict_id=False)
    logs = []
    for frames in held_out:
        packed = sum(min(len(frame), len(compressor.compress(frame))) for frame in frames)
        logs.append(math.log(sum(map(len, frames)) / packed))
    return math.exp(sum(logs) / len(logs))


def readme(dictionary: bytes) -> str:
    """Return the README that stands beside the dictionary."""
    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    return f"""# Built-in zstd dictionaries

`<number>.zdict` is the dictionary that a frame names by `<number>`. A vault can be read only with the dictionary that
it was written with: a file here is never changed once a vault may name it, a better one gets the next number.

| file | bytes | zstd dictionary id | BLAKE3-256 |
|---|---|---|---|
| `1.zdict` | {len(dictionary)} | 0x{DICTIONARY_ID:08x} | `{blake3(dictionary).hexdigest()}` |

## Where it comes from

`1.zdict` was made by `python tools/make_dictionary.py` with libzstd {version} from patients that the project's own
generator (`vaultfs.testing.synthetic`) invented. Names, identifiers, addresses, times, quantities and free text were
taken out before: it holds shapes of FHIR R4 resources and HL7v2 segments, and codes, names, URLs and units of the
standards, and nothing of a person, not even of an invented one. Another version of libzstd may choose other pieces;
a test holds the digest above against the file.

Codes and names are those of LOINC, SNOMED CT (Global Patient Set), RxNorm, CVX, ICD-10-CM, UCUM and HL7; their notices
are in `samples/README.md` and `NOTICE`.
"""


if __name__ == "__main__":
    main()

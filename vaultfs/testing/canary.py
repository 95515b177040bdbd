"""Canaries: unique strings, bytes and a date to plant in every field of every input, and the search for them.

All canaries of one set have a *word* in common, and those made of bytes a *sting*, so that a search looks for few
things whatever was planted: for the word in every encoding and spelling in which software writes text down, for the
sting in every one in which it writes bytes, and for the date. A search does not see what was encrypted, nor text that
was compressed beyond recognition; against the latter `Canaries.data` is bytes that no compression changes.
"""

from __future__ import annotations

import base64
import os
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

AWKWARD = '"<ü&\\'
"""What escaping, quoting and narrow character sets have to do something with; `Canaries.text` ends with it."""

_CHUNK = 4 << 20


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary where none should be.

    Parameters
    ----------
    channel
        How it got out: ``file``, ``file name``, ``log``, ``warning``, ``output``, ``exception``, ``object`` ...
    place
        Where in the channel: a path below the directory that was searched, a class, a logger.
    form
        The encoding in which it was found.
    canary
        Its name, empty where only the common part was found.
    """

    channel: str
    place: str
    form: str
    canary: str


class Canaries:
    """A set of canaries. The same seed gives the same set.

    Parameters
    ----------
    seed
        Two sets with different seeds do not find each other's.

    Attributes
    ----------
    word
        What every text has in it: sixteen letters.
    sting
        What all data has in it: sixteen bytes.
    moment
        A point of time, to the millisecond, without an offset; its year alone is not a leak.
    """

    def __init__(self, seed: int = 0) -> None:
        chance = random.Random(f"vaultfs canaries {seed}")
        self.word = "Qx" + "".join(chance.choice(string.ascii_letters) for _ in range(14))
        self.sting = chance.randbytes(16)
        self.moment = datetime(
            chance.randint(1890, 1930), chance.randint(1, 9), chance.randint(11, 28),
            chance.randint(1, 23), chance.randint(1, 59), chance.randint(1, 59), 1000 * chance.randint(1, 999),
        )  # fmt: skip
        self._chance = chance
        self._names: dict[str, str] = {}

    def plain(self, name: str) -> str:
        """Return a canary of ASCII letters and digits, for fields in which nothing else is allowed.

        Parameters
        ----------
        name
            Letters and digits that tell one field from another.
        """
        text = f"{self.word}{name}"
        self._names[name] = text
        return text

    def text(self, name: str) -> str:
        """Return a canary with characters that have to be escaped, quoted or replaced on the way to many places."""
        return self.plain(name) + AWKWARD

    def data(self, name: str, size: int = 2048) -> bytes:
        """Return `size` bytes that begin with a canary, and stay in sight when they are compressed."""
        begin = self.text(name).encode()
        return begin + self.sting + self._chance.randbytes(max(0, size - len(begin) - len(self.sting)))

    @cached_property
    def forms(self) -> dict[str, bytes]:
        """What is searched for, by the name of its form; what two forms have in common once."""
        named = (
            {f"text as {name}": form for name, form in _forms_of_text(self.word).items()}
            | {f"bytes as {name}": form for name, form in _forms_of_bytes(self.sting).items()}
            | {f"date as {name}": form for name, form in _forms_of_date(self.moment).items()}
        )
        return {name: form for form, name in {form: name for name, form in reversed(named.items())}.items()}

    def found(self, data: bytes | str) -> Iterator[tuple[str, str]]:
        """Yield the form and, as far as it can be told, the name of every canary in `data`."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        for form, pattern in self.forms.items():
            if pattern in raw:
                yield form, self._name_in(raw)

    def _name_in(self, raw: bytes) -> str:
        for name, text in sorted(self._names.items(), key=lambda pair: -len(pair[1])):
            if any(form in raw for form in _forms_of_text(text).values()):
                return name
        return ""

    def search(self, *places: Path) -> tuple[int, list[Leak]]:
        """Search the bytes and the names of all files below some directories.

        Returns
        -------
        int
            How many files were read.
        list of Leak
            What was found; the same form in the same file once.
        """
        count, leaks = 0, []
        for place in places:
            for where, directories, files in os.walk(place):
                for name in [*directories, *files]:
                    path = Path(where, name)
                    shown = str(path.relative_to(place))
                    named = os.fsencode(os.readlink(path)) if path.is_symlink() else os.fsencode(name)
                    leaks += [Leak("file name", shown, *one) for one in self.found(named + b"\n" + os.fsencode(name))]
                    if path.is_file() and not path.is_symlink():
                        count += 1
                        leaks += [Leak("file", shown, *one) for one in self._in_file(path)]
        return count, leaks

    def _in_file(self, path: Path) -> list[tuple[str, str]]:
        seen: dict[str, str] = {}
        kept = max(map(len, self.forms.values())) - 1
        before = b""
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                for form, name in self.found(before + chunk):
                    seen.setdefault(form, name)
                before = (before + chunk)[-kept:]
        return list(seen.items())


def _forms_of_text(text: str) -> dict[str, bytes]:
    """Return the ways in which software writes ASCII text down. UTF-8, Latin-1 and their kin agree on it."""
    plain = text.encode()
    forms = {
        "UTF-8 or Latin-1": plain,
        "lower case": text.lower().encode(),
        "upper case": text.upper().encode(),
        "reversed": plain[::-1],
        "UTF-16LE": text.encode("utf-16-le"),
        "UTF-16BE": text.encode("utf-16-be"),
        "UTF-32LE": text.encode("utf-32-le"),
        "UTF-16 shown by Python": repr(text.encode("utf-16-be"))[2:-1].removeprefix("\\x00").encode(),
        "URL quoting": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "JSON escapes": "".join(f"\\u{byte:04x}" for byte in plain).encode(),
        "HTML references": "".join(f"&#{byte};" for byte in plain).encode(),
    }
    return forms | {name: form for name, form in _forms_of_bytes(plain).items() if name != "themselves"}


def _forms_of_bytes(data: bytes) -> dict[str, bytes]:
    """Return the ways in which software writes bytes down."""
    forms = {
        "themselves": data,
        "hexadecimal digits": data.hex().encode(),
        "hexadecimal digits, upper case": data.hex().upper().encode(),
        "shown by Python": repr(data)[2:-1].encode(),
    }
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data)
        # Without the digits that the neighbours of the data have a part in.
        inner = encoded[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
        forms[f"base64 at {offset}"] = inner
        forms[f"URL-safe base64 at {offset}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return forms


def _forms_of_date(moment: datetime) -> dict[str, bytes]:
    """Return the ways in which software writes a date down."""
    milliseconds = round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    number = milliseconds.to_bytes(8, "little", signed=True)
    spelled = {
        "year-month-day": "%Y-%m-%d",
        "year, month and day": "%Y%m%d",
        "day.month.year": "%d.%m.%Y",
        "day/month/year": "%d/%m/%Y",
        "month/day/year": "%m/%d/%Y",
    }
    forms = {name: moment.strftime(form).encode() for name, form in spelled.items()}
    return forms | {
        "year-month-day, UTF-16LE": forms["year-month-day"].decode().encode("utf-16-le"),
        "shown by Python": f"{moment.year}, {moment.month}, {moment.day}".encode(),
        "milliseconds, little-endian": number,
        "milliseconds, big-endian": number[::-1],
        "milliseconds, decimal": str(milliseconds).encode(),
    }

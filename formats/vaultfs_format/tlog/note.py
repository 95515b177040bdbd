"""Signed notes (c2sp.org/signed-note): a text, an empty line, and a line for each signature.

```
example.com/log
15
rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

<em dash> example.com/log M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKub...
```

Nothing here says whether a signature is right: that is the affair of `vaultfs_format.tlog.keys`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from vaultfs_format.errors import Structure
from vaultfs_format.layout import Buffer, require
from vaultfs_format.limits import MAX_NOTE, MAX_NOTE_SIGNATURES
from vaultfs_format.tlog.lines import base64_text, bounded, bounded_count, bytes_of, is_controlled, text_of

KEY_ID = 4
_MARK = "\u2014 "


def is_key_name(name: str) -> bool:
    """Return whether text may name a key: it is not empty, and has no space, control character or plus sign."""
    odd = is_controlled(name) or any(one.isspace() or one == "+" or "\ud800" <= one <= "\udfff" for one in name)
    return bool(name) and not odd


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature of a note, by whomever.

    Parameters
    ----------
    name
        Name of the key.
    key_id
        Its id, which with the name says which key and which algorithm it is.
    blob
        What the algorithm makes: the signature, for some of them behind a time.
    """

    name: str
    key_id: bytes
    blob: bytes = field(repr=False)

    def encode(self) -> str:
        """Return the line."""
        return f"{_MARK}{self.name} {base64_text(self.key_id + self.blob)}\n"

    @classmethod
    def decode(cls, line: str) -> NoteSignature:
        """Parse a line, which is given without its newline."""
        require(line.startswith(_MARK), Structure.NOTE, 3)
        name, _, text = line.removeprefix(_MARK).partition(" ")
        require(is_key_name(name), Structure.NOTE, 4)
        data = bytes_of(text, Structure.NOTE, 3)
        require(len(data) > KEY_ID, Structure.NOTE, 3)
        return cls(name, data[:KEY_ID], data[KEY_ID:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures.

    Parameters
    ----------
    text
        Ends in a newline.
    signatures
        One or more, of keys known and unknown.
    """

    text: str = field(repr=False)
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the bytes of the note."""
        return f"{self.text}\n{encode_signatures(self.signatures)}".encode()

    @classmethod
    def decode(cls, data: Buffer) -> Note:
        """Parse a whole note.

        Raises
        ------
        FieldInvalid, LimitExceeded
        """
        bounded(data, MAX_NOTE, Structure.NOTE)
        text, empty, lines = text_of(data, Structure.NOTE, 1).rpartition("\n\n")
        require(bool(empty), Structure.NOTE, 2)
        return cls(text + "\n", _parsed(lines))

    def cosigned(self, signatures: Iterable[NoteSignature]) -> Note:
        """Return the note with further signatures; those that it has already are not put there twice.

        Raises
        ------
        LimitExceeded
        """
        found = tuple(dict.fromkeys([*self.signatures, *signatures]))
        bounded_count(len(found), MAX_NOTE_SIGNATURES, Structure.NOTE)
        return replace(self, signatures=found)


def encode_signatures(signatures: Iterable[NoteSignature]) -> str:
    """Return signatures, each on a line of its own: the end of a note, and what a witness answers."""
    return "".join(one.encode() for one in signatures)


def decode_signatures(data: Buffer) -> tuple[NoteSignature, ...]:
    """Parse what a witness answers (c2sp.org/tlog-witness, add-checkpoint): signatures that a note is to get.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    bounded(data, MAX_NOTE, Structure.NOTE)
    return _parsed(text_of(data, Structure.NOTE, 1))


def _parsed(text: str) -> tuple[NoteSignature, ...]:
    require(text.endswith("\n"), Structure.NOTE, 2)
    bounded_count(text.count("\n"), MAX_NOTE_SIGNATURES, Structure.NOTE)
    return tuple(NoteSignature.decode(line) for line in text[:-1].split("\n"))

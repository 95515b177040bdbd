"""Somebody who has a vault, its keys and its README.txt, and neither VaultFS nor SPEC.md: a decryptor made of it.

`python stranger.py VAULT SECRET PASSPHRASE` prints the records as JSON: bytes in hexadecimal digits, by number and
version. Every layout, label and number is taken from the page as it stands in the vault; only what the page says in
words is code here.
"""

import hashlib
import hmac
import json
import re
import sys
from pathlib import Path

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

Fields = dict[str, int]
FIELD = r"(\w+) (\d+)"


class Page:
    """What README.txt says."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())

    def layout(self, words: str) -> dict[str, tuple[int, int]]:
        """Return where the fields lie that are listed behind some words: offset and end."""
        start = self.text.index(words) + len(words)
        listed = re.match(rf"\W*({FIELD}(?:, {FIELD})*)", self.text[start:])
        assert listed, words
        found, offset = {}, 0
        for name, size in re.findall(FIELD, listed[1]):
            if name != "reserved":
                found[name] = offset, offset + int(size)
            offset += int(size)
        return {**found, "": (0, offset)}

    def label(self, name: str) -> bytes:
        """Return a label, which must stand in the page."""
        assert f'"{name}"' in self.text, name
        return self.find(r"ASCII text (\S+)x\.").encode() + name.encode()

    def find(self, pattern: str) -> str:
        """Return what a pattern finds."""
        found = re.search(pattern, self.text)
        assert found, pattern
        return found[1]


class Parts:
    """A structure by the names of its fields."""

    def __init__(self, layout: dict[str, tuple[int, int]], data: bytes, at: int = 0) -> None:
        self._layout, self._data, self._at = layout, data, at
        self.end = at + layout[""][1]

    def __getitem__(self, name: str) -> bytes:
        start, end = self._layout[name]
        return self._data[self._at + start : self._at + end]

    def number(self, name: str) -> int:
        """Return a field as a number."""
        return int.from_bytes(self[name], "little")


class Stranger:
    """Decrypts a vault."""

    def __init__(self, vault: Path, secret: bytes, passphrase: bytes) -> None:
        self.vault = vault
        self.page = Page((vault / "README.txt").read_text("ascii"))
        self.fast = self.page.find(r"suite (\d), ") == "1"
        dictionary = (vault / "1.zdict").read_bytes()
        assert hashlib.sha256(dictionary).hexdigest() == self.page.find(r"SHA-256 is ([0-9a-f]{64})")
        self.dictionary = zstandard.ZstdCompressionDict(dictionary)
        self.bodies: dict[tuple[bytes, bytes], bytes] = {}
        self.blobs: list[tuple[bytes, Parts, list[Parts], bytes]] = []
        self.records: dict[str, str] = {}
        root_key = self.unlock(passphrase)
        epoch = Parts(self.page.layout("Epoch secret:"), secret)
        self.vault_id, self.epoch = epoch["vault_id"], epoch["epoch"]
        self.epoch_root = self.derive(root_key, "epoch-root", self.vault_id + self.epoch + epoch["secret"], 32)
        self.older = self.table_keys()

    def derive(self, key: bytes, label: str, context: bytes, length: int) -> bytes:
        """D of the page."""
        text = self.page.label(label)
        info = bytes([len(text)]) + text + context
        if self.fast:
            return blake3(info, key=key).digest(length)
        return HKDFExpand(SHA256(), length, info).derive(key)

    def mac(self, key: bytes, label: str, data: bytes) -> bytes:
        """M of the page."""
        text = self.page.label(label)
        return self.derive(key, label, data, 32) if self.fast else hmac.digest(
            key, bytes([len(text)]) + text + data, "sha256"
        )  # fmt: skip

    @staticmethod
    def unseal(key: bytes, sealed: bytes, bound: bytes) -> bytes:
        """Undo Seal of the page."""
        return AESGCM(key).decrypt(bytes(12), sealed, bound)

    def unlock(self, passphrase: bytes) -> bytes:
        """Section 1."""
        page, (path,) = self.page, self.vault.glob("VAULT.*")
        data = path.read_bytes()
        header = Parts(page.layout("from VAULT:"), data)
        at = header.end
        for _ in range(header.number("stanzas")):
            item = Parts(page.layout("then items:"), data, at)
            at = item.end + item.number("length")
            if item.number("type") != int(page.find(r"Types of stanza: (\d) passphrase")):
                continue
            stanza = Parts(page.layout(f"32 bytes: {1 if self.fast else 2} "), data, item.end)
            secret = self.stretched(stanza, passphrase)
            keys = self.derive(secret, "stanza-kek", stanza["salt"], 64)
            if keys[32:] == stanza["commitment"]:
                root_key = self.unseal(keys[:32], stanza["sealed_root"], header["vault_id"])
                assert data[-64:-32] == self.mac(root_key, "superblock-mac", data[:-64])
                return root_key
        raise AssertionError("no stanza opens")

    def stretched(self, stanza: Parts, passphrase: bytes) -> bytes:
        """Return the secret of a passphrase."""
        if not self.fast:
            return hashlib.pbkdf2_hmac("sha256", passphrase, stanza["salt"], stanza.number("iterations"), 32)
        lanes, passes, memory = (stanza.number(name) for name in ("lanes", "passes", "memory_kib"))
        kdf = Argon2id(salt=stanza["salt"], length=32, iterations=passes, lanes=lanes, memory_cost=memory)
        return kdf.derive(passphrase)

    def table_keys(self) -> dict[bytes, bytes]:
        """Section 3: the keys of tables of earlier epochs."""
        page = self.page
        data = (self.vault / f"keyring.{int.from_bytes(self.epoch, 'little')}").read_bytes()
        ring = Parts(page.layout("KEYRING:"), data)
        keys = self.derive(self.epoch_root, "keyring", self.vault_id + self.epoch + ring["salt"], 64)
        assert keys[:32] == ring["commitment"]
        first = Parts(page.layout("compartments:"), data, ring.end)
        bound = first["compartment"] + ring["salt"]
        key = self.derive(keys[32:], "keyring-compartment", bound, 32)
        items, at = self.unseal(key, data[first.end : first.end + first.number("length")], bound), 0
        found: dict[bytes, bytes] = {}
        while at < len(items):
            item = Parts(page.layout("Items:"), items, at)
            at = item.end + item.number("length")
            row = page.layout("5 rows")
            if item.number("tag") == 5:
                rows = [Parts(row, items, one) for one in range(item.end, at, row[""][1])]
                found |= {one["segment_id"]: one["key"] for one in rows}
        return found

    def run(self) -> dict[str, str]:
        """Return all records that are in segments and journals."""
        for path in self.vault.glob("segments/**/*.vseg"):
            self.segment(path)
        for path in self.vault.glob("journal/*.vjrn"):
            self.journal(path)
        for subject, row, parts, rest in self.blobs:
            pieces = [self.bodies[subject, one["content_id"]] for one in parts]
            self.keep(row, b"".join(pieces) + rest, 0)
        return self.records

    def segment(self, path: Path) -> None:
        """Sections 5 and 6."""
        data, page = path.read_bytes(), self.page
        footer = Parts(page.layout("Footer:"), data[-int(page.find(r"footer of (\d+),")) :])
        at = int(page.find(r"Superblock of (\d+) bytes")) + footer.number("bodies_length")
        (table,) = path.parent.glob(f"{path.stem}.vkey.*")
        keys = self.keys(table.read_bytes())
        for number in range(footer.number("frames")):
            at = self.frame(data, at, keys[number * 32 : number * 32 + 32], [data], 0)

    def keys(self, data: bytes) -> bytes:
        """Return the frame keys of a key table."""
        page = self.page
        table = Parts(page.layout("KEY TABLE:"), data)
        segment, epoch = table["segment_id"], table["epoch"]
        key = self.older.get(segment) or self.derive(
            self.epoch_root, "key-table", self.vault_id + segment + epoch + table["salt"], 32
        )
        assert self.derive(key, "key-table-commitment", segment, 32) == table["commitment"]
        block = int(page.find(r"blocks of (\d+) keys")) * 32 + 16
        sealed, found = data[table.end : -32], b""
        for number, at in enumerate(range(0, len(sealed), block)):
            bound = segment + number.to_bytes(4, "little")
            found += self.unseal(self.derive(key, "key-block", bound, 32), sealed[at : at + block], bound)
        return found

    def journal(self, path: Path) -> None:
        """Section 9."""
        data, page = path.read_bytes(), self.page
        header = Parts(page.layout("JOURNAL header:"), data)
        journal_id = header["journal_id"]
        keys = self.derive(self.epoch_root, "journal", journal_id + header["epoch"] + header["salt"], 64)
        at, group_layout = 4096, page.layout("until one is not whole:")
        chain = blake3(data[:at]).digest() if self.fast else hashlib.sha256(data[:at]).digest()
        while data[at : at + 4] == b"VGRP":
            group = Parts(group_layout, data, at)
            part = page.layout("part files:")
            names = [Parts(part, data, group.end + i * part[""][1]) for i in range(group.number("part_files"))]
            places = [self.vault / f"segments/main/blob/{one['segment_id'].hex()}.part" for one in names]
            rows = group.end + len(names) * part[""][1] + group.number("bodies_length")
            sealed = rows + group.number("directory_length")
            entries = sealed + group.number("keys_length")
            end = entries + 48 * group.number("audit_entries")
            chain = (blake3 if self.fast else hashlib.sha256)(chain + data[at:end]).digest()
            name = journal_id + group["number"]
            assert data[end : end + 64] == chain + self.mac(keys[32:], "journal-group-mac", name + chain)
            if group.number("frames"):
                bound = name + group["salt"]
                key = self.derive(keys[:32], "journal-keys", bound, 32)
                found = self.unseal(key, data[sealed:entries], bound)
                files = [data, *(one.read_bytes() for one in places)]
                for number in range(group.number("frames")):
                    rows = self.frame(data, rows, found[number * 32 : number * 32 + 32], files, at)
            at = end + 64

    def frame(self, data: bytes, at: int, key: bytes, files: list[bytes], base: int) -> int:
        """Section 7: read a frame row and its frame; return where the next row begins."""
        page = self.page
        place = Parts(page.layout("Frame row:"), data, at)
        header = Parts(page.layout("FRAME header:"), data, place.end)
        runs = page.layout("so many runs:")[""][1] * place.number("runs")
        entries = header.end + runs
        end = entries + header.number("entries_sealed")
        if key == bytes(32):
            return end
        keys = self.derive(key, "frame", header["frame_id"], 96)
        assert keys[64:] == header["commitment"]
        bound = header[""]
        block = self.unpacked(header, "entries", self.unseal(keys[32:64], data[entries:end], bound), 0)
        home = place.number("home")
        start = place.number("body_offset") + (base if home == 0 else 0)
        sealed = files[home][start : start + header.number("body_sealed")]
        dictionary = header.number("parameter")
        self.rows(header, block, self.unpacked(header, "body", self.unseal(keys[:32], sealed, bound), dictionary))
        return end

    def unpacked(self, header: Parts, which: str, packed: bytes, dictionary: int) -> bytes:
        """Undo the codec of a body or an entry block."""
        codec = header.number(f"{which}_codec")
        if codec == 0:
            return packed
        known = self.dictionary if codec == 1 and dictionary else None
        plain = zstandard.ZstdDecompressor(dict_data=known).decompress(packed)
        return plain if codec == 1 else unfiltered(plain, 1 << (codec - 2), header.number("parameter"))

    def rows(self, header: Parts, block: bytes, body: bytes) -> None:
        """Section 8: take in the entries of a frame."""
        page = self.page
        prologue = Parts(page.layout("Entries:"), block)
        row_layout, part_layout = page.layout("reserved 4; rows:"), page.layout("part rows:")
        ends = prologue.end + prologue.number("rows") * row_layout[""][1]
        parts = [Parts(part_layout, block, at) for at in range(ends, len(block), part_layout[""][1])]
        for at in range(prologue.end, ends, row_layout[""][1]):
            row = Parts(row_layout, block, at)
            role = page.find(rf"\b{row.number('role')} ([A-Z]+)[,.]")
            if role == "PART":
                self.bodies[prologue["subject"], row["token"]] = body
            elif role == "RECORD" and header.number("class") == 2:
                self.blobs.append((prologue["subject"], row, parts, body))
            elif role == "RECORD":
                self.keep(row, body, row.number("offset"))

    def keep(self, row: Parts, body: bytes, at: int) -> None:
        """Keep the bytes of a record."""
        start = at + row.number("before")
        name = f"{row.number('number')}.{row.number('version')}"
        self.records[name] = body[start : start + row.number("length")].hex()


def unfiltered(planes: bytes, size: int, row: int) -> bytes:
    """Undo the filter of pixels."""
    starts = [sum(len(planes[i::size]) for i in range(plane)) for plane in range(size)]
    found = bytearray(len(planes))
    for i in range(len(planes)):
        before = found[i - row] if i >= row else 0
        found[i] = (planes[starts[i % size] + i // size] + before) % 256
    return bytes(found)


if __name__ == "__main__":
    vault, secret, passphrase = sys.argv[1:]
    json.dump(Stranger(Path(vault), Path(secret).read_bytes(), passphrase.encode()).run(), sys.stdout)

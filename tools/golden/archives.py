"""A directory as one small file, the same for the same files: a tar archive without times and owners, and xz."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

LEFT_OUT = ("vault/index", "vault/lock", "vault/journal/reserve", "vault/README.txt", "vault/1.zdict")
"""What means nothing to a reader, and is made anew."""

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
MOST = 1 << 24
"""Bytes that an archive may hold."""

Content = Mapping[str, bytes | str]
"""Bytes of files, and where links lead, by names."""


def content(place: Path) -> dict[str, bytes | str]:
    """Return what lies in a directory."""
    found: dict[str, bytes | str] = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if name.startswith(LEFT_OUT):
            continue
        if path.is_symlink():
            found[name] = path.readlink().as_posix()
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def pack(files: Content) -> bytes:
    """Return an archive of files and links."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            if isinstance(data, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, data
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(data), 0o600
                archive.addfile(entry, io.BytesIO(data))
    return lzma.compress(packed.getvalue(), format=lzma.FORMAT_XZ, filters=_FILTERS)


def _write(packed: tarfile.TarFile, entry: tarfile.TarInfo, place: Path) -> None:
    """Write a directory, a file or a link of an archive below `place`, and nothing else."""
    path = place / entry.name
    target = path.parent / entry.linkname if entry.issym() else path
    if not target.resolve().is_relative_to(place.resolve()):
        raise ValueError("an archive writes below its directory alone")
    if entry.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    if entry.issym():
        path.symlink_to(entry.linkname)
        return
    data = packed.extractfile(entry)
    if data is None:
        raise ValueError("an archive holds directories, files and links alone")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(data.read())
    path.chmod(0o600)


def unpack(archive: bytes, place: Path) -> None:
    """Write what is in an archive below a directory."""
    data = lzma.LZMADecompressor(memlimit=1 << 28).decompress(archive, MOST)
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        for entry in packed:
            _write(packed, entry, place)
    for name in ("journal", "segments"):
        (place / "vault" / name).mkdir(exist_ok=True)

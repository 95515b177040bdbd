"""Errors have stable codes of their own, say what is the case, and hold no data."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
from vaultfs_format import errors
from vaultfs_format.errors import (
    Fact,
    FieldInvalid,
    FileId,
    FormatError,
    NotAuthentic,
    Structure,
    Unsupported,
    VaultError,
    forget_paths,
)

OWN = [error for error in errors.registry().values() if error.__module__ == errors.__name__]


def test_every_error_of_the_module_is_registered_under_its_own_code() -> None:
    defined = {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, VaultError)}
    assert defined == set(OWN)
    assert all(errors.registry()[error.code] is error for error in defined)


def test_codes_tell_damage_from_what_is_newer_and_from_what_is_not_authentic() -> None:
    for error in OWN:
        assert (1100 <= error.code < 1110) == issubclass(error, FormatError)
        assert (1110 <= error.code < 1120) == issubclass(error, Unsupported)
        assert (1200 <= error.code < 1210) == issubclass(error, NotAuthentic)
    assert not issubclass(Unsupported, FormatError)


@pytest.mark.parametrize("error", OWN)
def test_a_message_is_a_code_and_a_sentence(error: type[VaultError]) -> None:
    assert re.fullmatch(rf"VFS-{error.code}: [A-Z][^.\n]*\.", str(error()))


def test_facts_are_shown_by_name() -> None:
    shown = str(FieldInvalid(structure=Structure.HEAD, rule=3, none=None, good=True))
    assert shown == (
        "VFS-1104: A field holds a value that the format does not allow. (structure=head, rule=3, none=None, good=True)"
    )


@pytest.mark.parametrize("fact", ["Smith", b"Smith", 1.5, ("Smith",), object()])
def test_text_and_bytes_are_no_facts(fact: Fact) -> None:
    with pytest.raises(TypeError) as refused:
        VaultError(name=fact)
    assert "Smith" not in str(refused.value)


def test_a_code_is_taken_once() -> None:
    with pytest.raises(TypeError, match="1104"):
        type("Another", (VaultError,), {"code": FieldInvalid.code})
    with pytest.raises(TypeError, match="1104"):
        type("WithoutACodeOfItsOwn", (FieldInvalid,), {})
    assert errors.registry()[FieldInvalid.code] is FieldInvalid


@pytest.mark.parametrize("error", OWN)
def test_an_error_crosses_processes(error: type[VaultError]) -> None:
    original = error(structure=Structure.FRAME, size=7)
    for again in (pickle.loads(pickle.dumps(original)), copy.copy(original)):
        assert type(again) is error
        assert (again.facts, str(again)) == (original.facts, str(original))


def test_paths_are_forgotten_in_an_error_and_in_those_behind_it() -> None:
    name = "Müller"
    error: BaseException | None = PermissionError(13, "Permission denied", name, None, name)
    behind = FileNotFoundError(2, "No such file", name)
    behind.__context__ = ValueError()
    behind.__context__.__context__ = NotADirectoryError(20, "Not a directory", name)
    assert error is not None
    error.__context__ = behind
    forget_paths(error)
    met = []
    while error is not None:
        assert "ller" not in f"{error} {error!r} {error.args} {vars(error)}"
        met.append(type(error))
        error = error.__context__
    assert met == [PermissionError, FileNotFoundError, ValueError, NotADirectoryError]


def test_the_id_of_a_file_is_shown_as_its_name_is() -> None:
    file = FileId.of(b"\x00\x01" + bytes(14))
    error = FormatError(file=file, offset=7)
    assert str(file) == "0001" + 28 * "0"
    assert f"(file={file}, offset=7)" in error.message()
    assert pickle.loads(pickle.dumps(error)).facts["file"] == file

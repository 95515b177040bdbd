"""Recipes and states that are not what they should be are told apart from sources that were never imported."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.vaultfs.migrate.support import Archive, message
from vaultfs.errors import RecipeInvalid
from vaultfs.migrate.kinds import RECIPE, SOURCES
from vaultfs.migrate.recipes import Recipe, RecipePart, decode_part, decode_source_state, encode, source_state


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x90",
        encode(RecipePart(b"t", b"", b"", b"r", b"odd")),
        encode(RecipePart(b"t", b"", b"", b"r", b"", b"odd")),
        encode(RecipePart(b"t", b"no id", b"", b"r", b"")),
        encode(RecipePart(b"t", b"", b"no id", b"r", b"")),
        msgspec.msgpack.encode([b"t", b"", b"", b"r", b""]),
        msgspec.msgpack.encode([b"t", b"", b"", b"r", b"", b"", b"more"]),
        b"\xdc\x00\x06" + encode(RecipePart(b"t", b"", b"", b"r", b""))[1:],
    ],
)
def test_what_is_no_recipe_is_refused(data: bytes) -> None:
    with pytest.raises(RecipeInvalid):
        decode_part(data)


@pytest.mark.parametrize(
    "fields", [[1, b"", 0, 0], [1, b"", 0, 0, 1, b"", [], b"", 0], [4, b"", 0, 0, 1, b"", [], b""]]
)
def test_a_state_with_other_fields_or_of_another_status_is_refused(fields: list[object]) -> None:
    with pytest.raises(RecipeInvalid):
        decode_source_state(msgspec.msgpack.encode(fields))


def test_a_state_of_another_form_is_refused(archive: Archive) -> None:
    with archive.session.transaction() as txn:
        txn.set_state(SOURCES, b"token", b"\x90")
        txn.set_state(SOURCES, b"void", b"")
    with pytest.raises(RecipeInvalid):
        source_state(archive.session, b"token")
    assert source_state(archive.session, b"void") is None
    assert source_state(archive.session, b"none") is None


def test_a_recipe_that_is_gone_is_refused(archive: Archive, tmp_path: Path) -> None:
    archive.write("a.hl7", message("1"))
    archive.take()
    (recipe,) = [one.info.id for one in archive.records(own=True) if one.info.kind == RECIPE]
    with archive.session.transaction() as txn:
        txn.delete(recipe)
    with pytest.raises(RecipeInvalid):
        Recipe(archive.session, bytes(recipe))


def test_a_recipe_whose_parts_go_round_in_a_ring_is_refused(archive: Archive) -> None:
    with archive.session.transaction() as txn:
        part = txn.put(encode(RecipePart(b"t", b"", b"", b"r", b"")), kind=RECIPE, subject=None)
        following = txn.put(encode(RecipePart(b"t", bytes(part), b"", b"r", b"")), kind=RECIPE, subject=None)
    assert list(Recipe(archive.session, bytes(following)).steps()) == []
    with archive.session.transaction() as txn:
        round_about = encode(RecipePart(b"t", bytes(following), b"", b"r", b""))
        txn.put(round_about, kind=RECIPE, subject=None, replaces=part)
    with pytest.raises(RecipeInvalid):
        Recipe(archive.session, bytes(following))


def test_recipe_parts_of_no_source_are_passed_over_by_export(archive: Archive, tmp_path: Path) -> None:
    with archive.session.transaction() as txn:
        txn.put(encode(RecipePart(b"token", b"", b"", b"root", b"")), kind=RECIPE, subject=None)
    assert archive.export(tmp_path / "out").sources == 0

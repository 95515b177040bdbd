"""The strategies draw what a vault must take, and all that they say; a vault does with programs what they say."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, find, given, settings
from vaultfs_format import limits

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import create, memory, reopen
from vaultfs.errors import Deleted
from vaultfs.testing import strategies
from vaultfs.testing.programs import Delete, Draft, Expected, Put, Replace, SetState, Steps, Undelete, perform
from vaultfs.testing.vfs import FaultyVfs

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


@given(strategies.hostile_text(min_size=1, max_size=1024))
def test_hostile_text_is_text_that_a_vault_takes(text: str) -> None:
    assert 1 <= len(text) <= 1024
    vaultfs.Principal(text, frozenset({text}))
    assert text.encode().decode() == text


@pytest.mark.parametrize(
    "holds",
    [
        lambda text: "\x00" in text,
        lambda text: "|" in text and "^" in text,
        lambda text: "\u202e" in text,
        lambda text: any(unicodedata.combining(one) for one in text),
        lambda text: unicodedata.normalize("NFC", text) != text,
        lambda text: text.lower() != text.casefold(),
        lambda text: any(ord(one) > 0xFFFF for one in text),
        lambda text: "\n" in text and "\r" in text,
        lambda text: "../" in text,
    ],
)
def test_hostile_text_is_hostile(holds: Callable[[str], bool]) -> None:
    assert holds(find(strategies.hostile_text(), holds, settings=settings(QUIET, max_examples=20_000)))


@pytest.mark.parametrize("precision", vaultfs.Precision)
@pytest.mark.parametrize("stated", [True, False])
def test_dates_are_of_every_precision_with_and_without_an_offset(precision: vaultfs.Precision, stated: bool) -> None:
    def fits(date: vaultfs.ClinicalDate) -> bool:
        return date.precision is precision and (date.offset_minutes is not None) is stated

    assert fits(find(strategies.clinical_dates(), fits, settings=QUIET))


def test_identifiers_that_look_alike_are_different() -> None:
    found = {unicodedata.normalize("NFKC", f"{one.system} {one.value}").casefold() for one in strategies.TWINS}
    assert len(found) < len(strategies.TWINS) == len(set(strategies.TWINS))


def test_contents_are_of_every_way_to_store_a_record() -> None:
    for fits in (
        lambda data: not data,
        lambda data: 0 < len(data) < limits.BLOB_THRESHOLD,
        lambda data: limits.BLOB_THRESHOLD <= len(data) <= limits.BLOB_FRAME,
        lambda data: len(data) > limits.BLOB_FRAME,
    ):
        find(strategies.contents(), fits, settings=settings(QUIET, max_examples=3000))


@given(st.data(), st.integers(0, 100))
def test_bounds_are_kept(data: st.DataObject, most: int) -> None:
    assert len(data.draw(strategies.contents(max_size=most))) <= most
    assert data.draw(strategies.sizes(max_size=most)) <= most
    assert len(data.draw(strategies.hostile_text(max_size=most))) <= most


@settings(QUIET, max_examples=60)
@given(strategies.programs(), st.sampled_from(["as it is", "settled", "opened again", "without its index"]))
def test_a_vault_holds_what_a_program_has_put(program: tuple[Steps, ...], then: str) -> None:
    root = Path(tempfile.mkdtemp(prefix="vaultfs-test-", dir=memory()))
    run = {"vfs": FaultyVfs(durable=False), "options": vaultfs.Options(sync_bound=3600)}
    vault = create(root / "v", **run)
    try:
        with vault.session(vaultfs.Principal("x"), "TREAT") as session:
            expected = perform(session, program)
        if then == "settled":
            vault.settle()
        elif then != "as it is":
            vault.close()
            if then == "without its index":
                shutil.rmtree(vault.path / "index")
            vault = reopen(root / "v", **run)
        with vault.session(vaultfs.Principal("x"), "TREAT") as session:
            assert_holds(session, expected)
    finally:
        vault.close()
        shutil.rmtree(root)


def assert_holds(session: vaultfs.Session, expected: Expected) -> None:
    """Check every record and state, and that there is nothing else."""
    for record, draft in expected.visible.items():
        found = session.get(record)
        assert (found.data, found.before, found.after) == (draft.data, draft.before, draft.after)
        assert (found.info.kind, found.info.media_type, found.info.date) == (draft.kind, draft.media_type, draft.date)
        if draft.subject is None:
            assert found.info.subject == vaultfs.NOBODY
        else:
            assert found.info.subject in session.subjects(draft.subject)
    for record in expected.deleted:
        with pytest.raises(Deleted):
            session.get(record)
    for (namespace, key), (version, value) in expected.states.items():
        assert session.state(namespace, key) == vaultfs.State(version, value)
    listed = {info.id for one in session.all_subjects() for info in session.find(subject=one, follow_links=False)}
    assert listed == expected.visible.keys()


def test_a_program_does_what_it_says(opened: Open) -> None:
    """By hand, since a mistake in `perform` could hide the same one in a vault."""
    one, two = Draft(b"one"), Draft(b"two", subject=strategies.TWINS[0])
    program = [
        Steps((Put(one), Put(two), Delete(0), Replace(5, one), SetState("ns", b"k", b"1"))),
        Steps((Replace(1, one), Delete(0), SetState("ns", b"k", b"2"))),
        Steps((Undelete(0), Put(two)), abandoned=True),
    ]
    with opened().session(vaultfs.Principal("x"), "TREAT") as session:
        expected = perform(session, program)
        assert [draft.data for draft in expected.visible.values()] == [b"one"]
        assert [draft.subject for draft in expected.visible.values()] == [two.subject]
        assert list(expected.deleted.values()) == [one]
        assert expected.states == {("ns", b"k"): (2, b"2")}
        assert_holds(session, expected)
        again = perform(session, [Steps((Undelete(7),))], expected)
        assert len(again.visible) == 2
        assert len(expected.visible) == 1
        assert_holds(session, again)


def test_nothing_of_hypothesis_is_loaded_by_the_engine() -> None:
    program = "import sys, vaultfs, vaultfs.testing; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

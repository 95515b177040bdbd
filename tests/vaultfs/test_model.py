"""The values that hosts and rooms exchange are checked when they are made, and show nothing of a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import hypothesis.strategies as st
import pytest
from hypothesis import given
from vaultfs_format.entries import Entry, Role
from vaultfs_format.errors import FieldInvalid
from vaultfs_format.registry import HOST_FIRST, MAX_HOST_NAMES

import vaultfs
from vaultfs import ClinicalDate, Precision
from vaultfs.engine.committing.units import date_fields, date_of
from vaultfs.engine.indexing.facts import year_of
from vaultfs.errors import ArgumentInvalid, KindUnknown
from vaultfs.kinds import builtin_kinds, builtin_media_types, decode_names, encode_names
from vaultfs.testing import strategies

zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _truncated(when: datetime, precision: Precision) -> datetime:
    parts = [when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond // 1000 * 1000]
    known = {1: 1, 2: 2, 3: 3, 4: 5, 5: 6, 6: 7}[precision]
    return datetime(*(parts[:known] + [1, 1, 1, 0, 0, 0, 0][known:]))  # type: ignore[arg-type]


class TestIds:
    @pytest.mark.parametrize("kind", [vaultfs.RecordId, vaultfs.SubjectId])
    def test_an_id_has_sixteen_bytes_and_shows_them(self, kind: type[bytes]) -> None:
        one = kind(bytes(range(16)))
        assert repr(one) == str(one) == f"{kind.__name__}(000102030405060708090a0b0c0d0e0f)"
        assert one == bytes(range(16))
        for wrong in (b"", bytes(15), bytes(17)):
            with pytest.raises(ArgumentInvalid):
                kind(wrong)


class TestPeople:
    def test_identifiers_and_principals_are_equal_by_content_and_do_not_show_it(self) -> None:
        one, two = vaultfs.Identifier("sys", "val"), vaultfs.Identifier("sys", "val")
        assert one == two
        assert len({one, two}) == 1
        assert repr(one) == "Identifier()"
        who = vaultfs.Principal("dr", frozenset({"nurse"}))
        assert who == vaultfs.Principal("dr", frozenset({"nurse"}))
        assert repr(who) == "Principal()"

    def test_text_is_bounded(self) -> None:
        for wrong in ("", "x" * 1025, "\ud800"):
            with pytest.raises(ArgumentInvalid):
                vaultfs.Principal(wrong)
            with pytest.raises(ArgumentInvalid):
                vaultfs.Principal("x", frozenset({wrong}))


class TestClinicalDate:
    def test_dates_are_known_to_the_day_and_datetimes_to_the_millisecond(self) -> None:
        assert ClinicalDate.of(date(2020, 2, 29)) == ClinicalDate(datetime(2020, 2, 29), Precision.DAY)
        exact = ClinicalDate.of(datetime(2020, 2, 29, 1, 2, 3, 4567))
        assert exact == ClinicalDate(datetime(2020, 2, 29, 1, 2, 3, 4000), Precision.MILLISECOND)
        assert ClinicalDate.of(exact) is exact

    @given(st.datetimes(timezones=zones))
    def test_an_aware_datetime_keeps_its_wall_clock_and_offset(self, when: datetime) -> None:
        found = ClinicalDate.of(when)
        assert found.when == when.replace(tzinfo=None, microsecond=when.microsecond // 1000 * 1000)
        offset = when.utcoffset()
        assert offset is not None
        assert found.offset_minutes == offset.total_seconds() // 60

    @given(strategies.clinical_dates())
    def test_what_an_entry_keeps_of_a_date_is_the_date(self, when: ClinicalDate) -> None:
        kept = date_fields(when)
        entry = Entry(Role.RECORD, precision=kept[0], offset_minutes=kept[1], date=kept[2])
        assert date_of(entry) == when
        assert year_of(kept[2]) == when.when.year

    def test_no_date_is_kept_as_none(self) -> None:
        precision, offset, milliseconds = date_fields(None)
        assert date_of(Entry(Role.RECORD, precision=precision, offset_minutes=offset, date=milliseconds)) is None

    def test_a_date_beyond_the_calendar_is_refused_and_has_a_year_all_the_same(self) -> None:
        for milliseconds, year in ((1 << 60, 9999), (-(1 << 60), 1)):
            with pytest.raises(FieldInvalid):
                date_of(Entry(Role.RECORD, precision=3, date=milliseconds))
            assert year_of(milliseconds) == year

    @given(st.datetimes(timezones=zones))
    def test_the_instant_is_the_same_moment(self, when: datetime) -> None:
        instant = ClinicalDate.of(when).instant()
        assert instant.tzinfo is UTC
        try:
            expected = when.astimezone(UTC)
        except OverflowError:
            expected = when.replace(tzinfo=UTC)
        assert abs(instant - expected) < timedelta(milliseconds=1)

    def test_the_ends_of_the_calendar_have_an_instant(self) -> None:
        for when in (datetime(1, 1, 1), datetime(9999, 12, 31)):
            for offset in (-1439, None, 1439):
                assert ClinicalDate(when, Precision.DAY, offset).instant().tzinfo is UTC

    def test_what_is_no_wall_clock_time_is_refused(self) -> None:
        with pytest.raises(ArgumentInvalid):
            ClinicalDate(datetime(2020, 1, 1, tzinfo=UTC), Precision.DAY)
        exact = datetime(2020, 2, 2, 2, 2, 2, 2002)
        for precision in Precision:
            with pytest.raises(ArgumentInvalid):
                ClinicalDate(exact, precision)
            assert ClinicalDate(_truncated(exact, precision), precision).precision is precision
        for offset in (-1440, 1440, 99_999):
            with pytest.raises(ArgumentInvalid):
                ClinicalDate(datetime(2020, 1, 1), Precision.DAY, offset)

    def test_a_date_is_not_shown(self) -> None:
        assert "2020" not in repr(ClinicalDate.of(date(2020, 2, 29)))


class TestKinds:
    def test_numbers_of_built_in_names_never_change(self) -> None:
        kinds, media = builtin_kinds(), builtin_media_types()
        assert (kinds["Account"], kinds["Observation"], kinds["VisionPrescription"]) == (1, 96, 146)
        assert (kinds["hl7v2.ACK"], kinds["hl7v2.other"]) == (1001, 1153)
        assert (kinds["vaultfs.recipe"], kinds["vaultfs.link-candidate"]) == (30_001, 30_004)
        assert (media["application/octet-stream"], media["image/png"]) == (1, 13)
        for names in (kinds, media):
            assert len(set(names.values())) == len(names)

    def test_a_hosts_names_come_after_and_are_found_both_ways(self) -> None:
        kinds, media = decode_names(encode_names(["a.B", "c d"], ["x/y"]))
        assert (kinds.number("a.B"), kinds.number("c d"), media.number("x/y")) == (32_768, 32_769, 32_768)
        assert (kinds.name(32_769), media.name(32_768), kinds.name(1)) == ("c d", "x/y", "Account")
        few: list[tuple[list[str], list[str]]] = [([], []), (["a"], []), ([], ["b"])]
        for own_kinds, own_media in few:
            kinds, media = decode_names(encode_names(own_kinds, own_media))
            assert kinds.number("Patient")
        with pytest.raises(KindUnknown):
            kinds.number("a.B")
        with pytest.raises(KindUnknown):
            kinds.name(40_000)

    def test_a_name_that_was_built_in_later_keeps_the_number_that_the_vault_gave_it(self) -> None:
        """The built-in number means it, too: another program may have written it."""
        kinds, media = decode_names(b"a.B\nPatient\n\nimage/png")
        assert (kinds.number("Patient"), media.number("image/png")) == (32_769, 32_768)
        for registry, name, builtin in (
            (kinds, "Patient", builtin_kinds()),
            (media, "image/png", builtin_media_types()),
        ):
            assert registry.name(registry.number(name)) == registry.name(builtin[name]) == name

    @pytest.mark.parametrize(
        "names",
        [[""], ["x" * 65], ["Patient"], ["a", "a"], ["ä"], ["a\n"], ["a\0"],
        [f"k{n}" for n in range(MAX_HOST_NAMES + 1)]],
        ids=lambda names: ascii(names[0])[:8],
    )  # fmt: skip
    def test_names_that_cannot_be_kept_are_refused(self, names: list[str]) -> None:
        with pytest.raises(ArgumentInvalid):
            encode_names(names, [])
        if names != ["Patient"]:
            with pytest.raises(ArgumentInvalid):
                encode_names([], names)

    @pytest.mark.parametrize(
        "stored",
        [b"a", b"a\nb", b"\xff\n", b"a\na\n", b"\n", b"\n\n", b"a\n\n", b"a\n\nb\n", b"\n" + b"x" * 65, "ä\n".encode()],
        ids=ascii,
    )
    def test_a_registry_that_no_vault_has_written_is_told_by_a_code(self, stored: bytes) -> None:
        with pytest.raises(FieldInvalid) as told:
            decode_names(stored)
        assert told.value.__context__ is None

    def test_a_name_that_was_built_in_after_a_vault_had_registered_it_keeps_that_vault_readable(self) -> None:
        kinds, _ = decode_names(b"Patient\n")
        assert kinds.name(HOST_FIRST) == "Patient"

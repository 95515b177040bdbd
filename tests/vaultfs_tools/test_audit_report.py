"""vaultfs-audit report: a time in, a report out, in three forms that say the same and hide nothing in a cell."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vaultfs_tools import audit
from vaultfs_tools.auditing.reporting import as_csv, as_json, as_markdown

import vaultfs
from tests.vaultfs.support import PASSPHRASE, create, get, lost, put
from tests.vaultfs_tools.vaults import secret_file
from vaultfs.audit.report import Report, Row, report
from vaultfs.audit.tallying import Table

FORMULA = "=HYPERLINK(1)|`x`\n<b>"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault that somebody with a strange name has read in."""
    place = tmp_path_factory.mktemp("reported")
    with create(place / "v") as vault:
        record = put(vault)
        get(vault, record)
        with vault.session(vaultfs.Principal(FORMULA), "TREAT") as session:
            session.get(record)
        vault.settle()
    secret_file(place / "given", PASSPHRASE.secret)
    return place / "v"


def words(vault: Path, *more: object) -> list[str]:
    """Return the words of the command, for all time unless others follow."""
    first = ["report", vault, "--from", "2020-01-01", "--to", "9999-12-31"]
    return [*map(str, [*first, *more]), f"--passphrase-file={vault.with_name('given')}"]


def test_the_three_forms_say_the_same(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for form in ("json", "csv", "markdown"):
        assert audit.main(words(vault, "--format", form)) == 0
        shown[form] = capsys.readouterr().out
    tables = json.loads(shown["json"])["tables"]
    rows = list(csv.DictReader(io.StringIO(shown["csv"])))
    assert tables["access_by_person"][0]["count"] == 3  # the subject, the put, and one read
    counted = {(one["section"], one["key"].removeprefix("'")): one["count"] for one in rows}
    for section in ("access_by_person", "access_by_purpose", "access_by_patient"):
        for row in tables[section]:
            assert counted[section, row["key"]] == str(row["count"])
            assert f"| {row['count']} | {row['first']} | {row['last']} |" in shown["markdown"]
    assert json.loads(shown["json"])["from"] == "2020-01-01T00:00:00.000000Z"
    assert "## Access by person" in shown["markdown"]


def test_no_name_is_a_formula_or_a_mark(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit.main(words(vault, "--format", "csv"))
    cells = [row["key"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert f"'{FORMULA}" in cells
    assert not any(cell.startswith("=") for cell in cells)
    audit.main(words(vault))
    assert "| =HYPERLINK(1)\\|\\`x\\` \\<b\\> | 1 |" in capsys.readouterr().out


def test_a_file_is_new_and_private(vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.csv"
    assert audit.main(words(vault, "--format", "csv", "--out", out)) == 0
    assert "rows" in capsys.readouterr().out
    assert out.stat().st_mode & 0o077 == 0
    assert out.read_text().startswith("section,key,count,first,last")
    assert audit.main(words(vault, "--out", out, "--json")) == 8
    assert json.loads(capsys.readouterr().err)["error"]["code"]
    assert audit.main(words(vault, "--out", tmp_path / "other", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["events"] > 5


def test_json_is_json_whatever_the_format(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(words(vault, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["tables"]["log_given"]


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "9999-12-31T23:59:59-23:00x", ""])
def test_what_is_no_date_is_refused(vault: Path, date: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        audit.main(words(vault, "--from", date))
    assert ended.value.code == 16
    assert "2026-11-30" in capsys.readouterr().err


def test_times_may_have_an_offset_and_the_end_is_not_in_it(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert audit.main(words(vault, "--from", "2020-01-01T01:00:00+01:00", "--to", tomorrow, "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["from"], shown["events"] > 5) == ("2020-01-01T00:00:00.000000Z", True)
    assert audit.main(words(vault, "--to", "2020-01-01", "--json")) == 8
    assert json.loads(capsys.readouterr().err)["error"]["code"] == 2001


def test_a_log_that_is_wrong_is_not_reported_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with create(tmp_path / "v") as vault:
        put(vault)
        vault.settle()
    secret_file(tmp_path / "given", PASSPHRASE.secret)
    (segment,) = (tmp_path / "v" / "segments").rglob("audit/**/*.vseg")
    lost(segment, 1)
    assert audit.main(words(tmp_path / "v", "--json")) == 4
    found = json.loads(capsys.readouterr().err)["error"]["facts"]
    assert found["file"] == segment.stem
    assert audit.main(["verify", str(tmp_path / "v"), f"--passphrase-file={tmp_path / 'given'}"]) == 4
    shown = capsys.readouterr().out
    assert str(segment.relative_to(tmp_path / "v")) in shown
    assert "from leaf" in shown


def test_damage_of_which_nothing_is_lost_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with create(tmp_path / "v") as vault:
        put(vault)
        vault.settle()
    secret_file(tmp_path / "given", PASSPHRASE.secret)
    (segment,) = (tmp_path / "v" / "segments").rglob("audit/**/*.vseg")
    segment.write_bytes(segment.read_bytes()[:-1])
    assert audit.main(["verify", str(tmp_path / "v"), f"--passphrase-file={tmp_path / 'given'}"]) == 0
    shown = capsys.readouterr().out
    assert "good: " in shown
    assert f"nothing of it lost: {segment.relative_to(tmp_path / 'v')}" in shown


def test_a_time_that_no_calendar_has_is_a_number() -> None:
    odd = Report(bytes(16), 0, (1 << 63) - 1, 0, 0, 0, 0, 0, (Row(Table.DISPOSALS, "00", 1, 1 << 62, None),))
    for form in (as_json, as_csv, as_markdown):
        assert str(1 << 62) in form(odd)


def test_a_report_of_the_library_has_the_forms_of_the_command(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        found = report(vault, 0, 1 << 62)
    assert json.loads(as_json(found))["events"] == found.events == 4

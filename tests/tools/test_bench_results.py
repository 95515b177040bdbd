"""The page of results: a line for what all runs found, and some rows anew where only these were measured."""

from __future__ import annotations

from bench import results
from bench.figures import Figure, LeftOut, Outcome, Procedure, Toll


def test_a_figure_of_several_runs_is_shown_as_median_least_and_most() -> None:
    shown = results.section("row", [[Figure("speed", value, "MB/s", "≥ 2")] for value in (1.0, 4.0, 3.0)])
    assert shown.startswith("\n## row\n\n| what |")
    assert "| speed | 3.000 | 1.000 to 4.000 | MB/s | ≥ 2 |" in shown


def test_a_toll_is_a_line_of_its_own_table_with_what_the_runs_differ_in() -> None:
    steps = Procedure("archive", "1.2", ["make it", "repair it"])
    runs: list[list[Outcome]] = [[Toll("archive", "a bit", 9, 10, 0, lost, told=True), steps] for lost in (1, 3)]
    shown = results.section("row", runs)
    assert "| a bit | archive | 9 | 10 | 0 | 1 to 3 | yes |" in shown
    assert "archive (1.2):\n\n```sh\nmake it\nrepair it\n```\n" in shown


def test_what_is_left_out_stands_in_the_section_of_its_row() -> None:
    shown = results.section("row", [[LeftOut("borg: check", "program borg is not installed")]])
    assert shown == "\n## row\n\nLeft out:\n\n- borg: check: program borg is not installed\n"


def test_rows_that_are_measured_apart_take_the_place_of_theirs_and_state_the_machine() -> None:
    page = "# Results\n\nMachine: old.\n\n## one\n\nfirst\n\n## three\n\nthird\n\n## What the peers do\n\nmuch\n"
    renewed = results.renewed(page, ["\n## two\n\nsecond\n", "\n## one\n\nanew\n"], ["one", "two", "three"])
    parts = renewed.split("\n## ")
    assert [part.partition("\n")[0] for part in parts] == ["# Results", "one", "two", "three", "What the peers do"]
    assert "Machine: old." in parts[0]
    assert "Measured apart from the others. Machine: " in parts[1]
    assert parts[1].endswith("\n\nanew\n")
    assert "first" not in renewed
    assert parts[3:] == ["three\n\nthird\n", "What the peers do\n\nmuch\n"]

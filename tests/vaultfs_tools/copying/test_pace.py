"""Reading keeps to a rate, and tells how far it is."""

from __future__ import annotations

from vaultfs_tools.copying.pace import Pace


def test_whoever_is_ahead_of_the_rate_sleeps_until_he_is_not() -> None:
    now = [100.0]
    told: list[int] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = Pace(1000, told.append, sleep, lambda: now[0])
    pace(500)
    assert now[0] == 100.5
    now[0] += 10
    pace(500)
    assert now[0] == 110.5
    pace(20_000)
    assert now[0] == 121.0
    assert told == [500, 500, 20_000]


def test_without_a_rate_nobody_sleeps() -> None:
    slept: list[float] = []
    pace = Pace(sleep=slept.append, clock=lambda: 0.0)
    pace(1 << 40)
    assert slept == []

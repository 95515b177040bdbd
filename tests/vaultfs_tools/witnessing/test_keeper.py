"""The directory of a witness: what lies in it, who may read it, and that nothing given out is ever forgotten."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from crash.injecting import Outcome, Tally, counted, inject, injections
from crash.ledger import Broken
from crash.witnessing import Witnessing
from vaultfs_format import schemes
from vaultfs_format.errors import FieldInvalid
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import signed_by
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.refusals import LogUnknown, SizeConflict, WitnessRefused, signatures_in
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.errors import Part, WitnessDamaged
from vaultfs_tools.witnessing.keys import draw_keys, policy_of
from vaultfs_tools.witnessing.share import answer_all

from tests.vaultfs_format.tlog import logs
from tests.vaultfs_tools.witnessing import forks
from tests.vaultfs_tools.witnessing.forks import SIZE, asked

NAME = "witness.example/one"
STRACE = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Return a witness that knows the log."""
    found = Keeper.create(tmp_path / "witness", NAME)
    found.add_log(logs.log_keys())
    return found


class TestKeys:
    def test_they_are_made_there_for_its_owner_alone(self, keeper: Keeper, tmp_path: Path) -> None:
        key = tmp_path / "witness" / "key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "witness").stat().st_mode) == 0o700
        assert Keeper(tmp_path / "witness").keys == keeper.keys
        assert all(line.startswith("PRIVATE+KEY+" + NAME) for line in key.read_text().splitlines())

    def test_they_are_drawn_anew_each_time(self) -> None:
        assert {key.public.public for key in draw_keys(NAME)}.isdisjoint(key.public.public for key in draw_keys(NAME))

    def test_no_repr_shows_them(self, keeper: Keeper) -> None:
        for key in keeper._keys:
            assert b64encode(key.seed).decode() not in repr(key) + repr(keeper)

    def test_where_there_is_no_ml_dsa_it_has_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vaultfs_tools.witnessing.keys.is_provided", lambda scheme: scheme is schemes.ED25519)
        (key,) = draw_keys(NAME)
        policy = policy_of([key.public])
        assert policy.is_quorum({NAME.encode()})
        assert not policy.groups

    def test_a_policy_of_it_wants_all_of_them(self, keeper: Keeper) -> None:
        policy = policy_of(keeper.keys)
        names = {one.name for one in policy.witnesses}
        assert policy.is_quorum(names)
        assert not any(policy.is_quorum(names - {name}) for name in names)

    def test_a_witness_is_made_once(self, tmp_path: Path, keeper: Keeper) -> None:
        with pytest.raises(FileExistsError):
            Keeper.create(tmp_path / "witness", NAME)
        assert Keeper(tmp_path / "witness").keys == keeper.keys

    @pytest.mark.parametrize("name", ["", "two words", "plus+sign", "x" * 256, "none"])
    def test_a_name_must_be_one_of_a_key_and_of_somebody(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(FieldInvalid):
            Keeper.create(tmp_path / "witness", name)
        assert not (tmp_path / "witness").exists()

    @pytest.mark.parametrize(
        "harm", ["missing", "read by others", "cut", "changed", "two names", "empty", "a directory"]
    )
    def test_a_key_that_is_damaged_or_open_to_others_cosigns_nothing(
        self, keeper: Keeper, tmp_path: Path, harm: str
    ) -> None:
        key = tmp_path / "witness" / "key"
        text = key.read_text()
        if harm in {"missing", "a directory"}:
            key.unlink()
            if harm == "a directory":
                key.mkdir()
        elif harm == "read by others":
            key.chmod(0o640)
        else:
            changes = {
                "cut": text[:-10],
                "changed": text.replace("+", "-", 1),
                "two names": text + draw_keys("another")[0].encode(),
                "empty": "",
            }
            key.write_text(changes[harm])
        with pytest.raises((WitnessDamaged, IsADirectoryError)) as refused:
            Keeper(tmp_path / "witness")
        if isinstance(refused.value, WitnessDamaged):
            assert refused.value.facts == {"part": Part.KEY}

    def test_a_key_with_another_id_is_damaged(self, keeper: Keeper, tmp_path: Path) -> None:
        key = tmp_path / "witness" / "key"
        first = keeper.keys[0].key_id.hex()
        key.write_text(key.read_text().replace(first, "0" * 8))
        with pytest.raises(WitnessDamaged):
            Keeper(tmp_path / "witness")


class TestLogs:
    def test_what_was_cosigned_is_known_to_the_next_process(self, keeper: Keeper, tmp_path: Path) -> None:
        keeper.add_checkpoint(asked(0, 7))
        again = Keeper(tmp_path / "witness")
        (log,) = again.logs()
        assert log.head == forks.head(7)
        with pytest.raises(SizeConflict):
            again.add_checkpoint(asked(0, 9))

    def test_the_last_checkpoint_is_shown_with_all_signatures(self, keeper: Keeper) -> None:
        assert keeper.checkpoint(logs.ORIGIN) is None
        keeper.add_checkpoint(asked(0, 7))
        note = keeper.checkpoint(logs.ORIGIN)
        assert note is not None
        assert len(signed_by(note, [*logs.log_keys(), *keeper.keys])) == 4
        with pytest.raises(LogUnknown):
            keeper.checkpoint("other.example/log")

    def test_without_its_logs_it_is_no_witness(self, keeper: Keeper, tmp_path: Path) -> None:
        shutil.rmtree(tmp_path / "witness" / "logs")
        with pytest.raises(WitnessDamaged):
            Keeper(tmp_path / "witness")

    def test_the_file_of_another_log_is_damage(self, keeper: Keeper, tmp_path: Path) -> None:
        keeper.add_log([logs.signer("other.example/log").key])
        one, two = (tmp_path / "witness" / "logs").iterdir()
        shutil.copy(one, two)
        with pytest.raises(WitnessDamaged):
            list(keeper.logs())

    def test_what_a_killed_process_has_left_is_removed(self, keeper: Keeper, tmp_path: Path) -> None:
        left = tmp_path / "witness" / "logs" / f"x.log.{os.getpid()}.tmp"
        left.touch()
        keeper.add_checkpoint(asked(0, 7))
        assert not left.exists()

    def test_tlog_scales_verifies_what_it_cosigns(self, keeper: Keeper) -> None:
        scales = pytest.importorskip("tlog_scales.tlog", reason="tlog-scales is not installed")
        keeper.add_checkpoint(asked(0, 7))
        note = keeper.checkpoint(logs.ORIGIN)
        assert note is not None
        found = scales.Checkpoint.from_text(note.encode().decode())
        for key in (*logs.log_keys(), *keeper.keys):
            found.verify(scales.signing.Vkey.from_string(key.encode()))
        with pytest.raises(RuntimeError):
            found.verify(scales.signing.Vkey.from_string(draw_keys(NAME)[0].public.encode()))


class TestShare:
    @pytest.fixture
    def share(self, tmp_path: Path) -> tuple[Path, Path]:
        """Return an outbox and an inbox."""
        found = tmp_path / "outbox", tmp_path / "inbox"
        for path in found:
            path.mkdir()
        return found

    def test_requests_are_answered_once(self, keeper: Keeper, share: tuple[Path, Path]) -> None:
        outbox, inbox = share
        (outbox / ("a" * 64 + ".request")).write_bytes(asked(0, 7))
        (outbox / ("b" * 64 + ".request")).write_bytes(asked(0, 9))
        first, second = answer_all(keeper, outbox, inbox)
        assert len(signatures_in(first)) == 2
        assert second == b"7\n"
        assert (inbox / ("a" * 64 + ".response")).read_bytes() == first
        assert stat.S_IMODE((inbox / ("a" * 64 + ".response")).stat().st_mode) == 0o644
        assert not list(answer_all(keeper, outbox, inbox))

    def test_answers_go_with_their_requests_and_the_checkpoint_stays(
        self, keeper: Keeper, share: tuple[Path, Path]
    ) -> None:
        outbox, inbox = share
        request = outbox / ("a" * 64 + ".request")
        for old, new in ((0, 7), (7, 9)):
            request.write_bytes(asked(old, new))
            assert len(list(answer_all(keeper, outbox, inbox))) == 1
            request.unlink()
            assert not list(answer_all(keeper, outbox, inbox))
            (left,) = inbox.iterdir()
            note = Note.decode(left.read_bytes())
            assert Checkpoint.decode(note.text) == forks.head(new)
            assert len(signed_by(note, keeper.keys)) == 2

    def test_what_lies_there_beside_requests_is_not_looked_at(self, keeper: Keeper, share: tuple[Path, Path]) -> None:
        outbox, inbox = share
        for name in ("x.request", "A" * 64 + ".request", "a" * 63 + ".request", "a" * 64 + ".request.tmp"):
            (outbox / name).write_bytes(asked(0, 7))
        assert not list(answer_all(keeper, outbox, inbox))
        assert not list(inbox.iterdir())

    @pytest.mark.parametrize("harm", ["a pipe", "huge", "garbage"])
    def test_what_is_no_request_is_answered_so(self, keeper: Keeper, share: tuple[Path, Path], harm: str) -> None:
        outbox, inbox = share
        request = outbox / ("a" * 64 + ".request")
        if harm == "a pipe":
            os.mkfifo(request)
        else:
            request.write_bytes(b"x")
            os.truncate(request, 1 << 40 if harm == "huge" else 1)
        assert list(answer_all(keeper, outbox, inbox)) == [b"400 Bad Request\n"]

    @pytest.mark.parametrize("harm", ["a directory", "a dangling link", "a loop", "withdrawn", "not readable"])
    def test_what_cannot_be_read_keeps_nobody_waiting(
        self, keeper: Keeper, share: tuple[Path, Path], harm: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outbox, inbox = share
        odd, request = outbox / ("0" * 64 + ".request"), outbox / ("a" * 64 + ".request")
        request.write_bytes(asked(0, 7))
        if harm == "a directory":
            odd.mkdir()
        elif harm in {"a dangling link", "a loop"}:
            odd.symlink_to(odd if harm == "a loop" else outbox / "nothing")
        else:
            error = FileNotFoundError if harm == "withdrawn" else PermissionError
            odd.write_bytes(b"")

            def opened(path: Path, *given: int, open_: Callable[..., int] = os.open) -> int:
                if path == odd:
                    raise error
                return open_(path, *given)

            monkeypatch.setattr("vaultfs_tools.witnessing.share.os.open", opened)
        before = os.listdir("/proc/self/fd")
        *others, last = answer_all(keeper, outbox, inbox)
        assert len(signatures_in(last)) == 2
        assert others == ([b"400 Bad Request\n"] if harm == "a directory" else [])
        assert (inbox / (sha256(logs.ORIGIN.encode()).hexdigest() + ".checkpoint")).exists()
        assert os.listdir("/proc/self/fd") == before

    def test_what_was_answered_or_cannot_be_read_takes_no_place_of_others(
        self, keeper: Keeper, share: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outbox, inbox = share
        monkeypatch.setattr("vaultfs_tools.witnessing.share.MAX_REQUESTS", 1)
        (outbox / ("0" * 64 + ".request")).symlink_to(outbox / "nothing")
        for name in "ab":
            (outbox / (name * 64 + ".request")).write_bytes(asked(0, 7) if name == "a" else asked(7, 9))
        for _ in range(2):
            (answered,) = answer_all(keeper, outbox, inbox)
            assert len(signatures_in(answered)) == 2
        assert not list(answer_all(keeper, outbox, inbox))

    def test_an_answer_that_another_pass_has_removed_is_gone(
        self, keeper: Keeper, share: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outbox, inbox = share
        found, gone = Path.glob, inbox / ("a" * 64 + ".response")
        monkeypatch.setattr(Path, "glob", lambda path, name: [gone] if path == inbox else found(path, name))
        assert not list(answer_all(keeper, outbox, inbox))

    def test_a_checkpoint_that_is_not_one_is_written_again(self, keeper: Keeper, share: tuple[Path, Path]) -> None:
        outbox, inbox = share
        keeper.add_checkpoint(asked(0, 7))
        list(answer_all(keeper, outbox, inbox))
        (shown,) = inbox.iterdir()
        shown.write_bytes(b"cut")
        list(answer_all(keeper, outbox, inbox))
        assert Checkpoint.decode(Note.decode(shown.read_bytes()).text) == forks.head(7)


# Two processes, and processes that are killed. ---------------------------------------------------------------------

RACER = """
import sys
from pathlib import Path
from tests.vaultfs_tools.witnessing import forks
from vaultfs_format.tlog.refusals import WitnessRefused
from vaultfs_tools.witnessing import Keeper
keeper, fork = Keeper(Path(sys.argv[1])), int(sys.argv[2])
made = [forks.asked(old, new, fork) for old in range(12) for new in (old + 1,)]
print("ready", flush=True)
sys.stdin.readline()
for new, data in enumerate(made, 1):
    try:
        keeper.add_checkpoint(data)
    except WitnessRefused:
        continue
    print(new, flush=True)
"""


def test_two_processes_at_once_never_cosign_two_forks(keeper: Keeper, tmp_path: Path) -> None:
    """Each asks for another fork; whoever is first at a size from which they differ is the only one from there on."""
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join(str(one) for one in (root, root / "formats", root / "tools", *filter(None, sys.path)))
    chosen = (0, 1)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / "witness"), str(fork)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        for fork in chosen
    ]
    for one in racers:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in racers:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    given = {fork: list(map(int, one.communicate()[0].split())) for fork, one in zip(chosen, racers, strict=True)}
    assert [one.returncode for one in racers] == [0, 0]
    winners = [fork for fork, sizes in given.items() if sizes]
    assert len(winners) == 1
    assert given[winners[0]] == list(range(1, 13))
    assert keeper.log(logs.ORIGIN).head == forks.head(12, winners[0])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Witnessing:
    """Return a witness at work."""
    return Witnessing(tmp_path_factory.mktemp("start") / "start")


@pytest.fixture(scope="module")
def calls(program: Witnessing, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """Return how often it makes each call."""
    return counted(program, tmp_path_factory.mktemp("calls") / "run")


@STRACE
def test_calls_may_fail_or_be_the_last(program: Witnessing, calls: Counter[str], in_memory: Path) -> None:
    """One of nine; the long test takes all."""
    tally = Tally()
    for injection in list(injections(calls))[::9]:
        inject(program, in_memory / "run", injection, tally)
    assert tally.injected > 8
    assert tally.endings["killed"] > 1
    assert tally.endings["failed"] > 1


@STRACE
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_call_may_fail_or_be_the_last(program: Witnessing, calls: Counter[str], in_memory: Path) -> None:
    tally = Tally()
    for injection in injections(calls):
        inject(program, in_memory / "run", injection, tally)
    assert tally.injected > 100


def test_the_judge_finds_a_witness_that_forgets(program: Witnessing, in_memory: Path) -> None:
    """The control: what it knew before it cosigned is put back."""
    place = in_memory / "run"
    shutil.copytree(program.start, place)
    assert program.play(place, Outcome()) == "done"
    shutil.rmtree(place / "witness" / "logs")
    shutil.copytree(program.start / "witness" / "logs", place / "witness" / "logs")
    with pytest.raises(Broken):
        program.judge(place, [])


def test_the_judge_finds_a_witness_that_cosigns_everything(
    program: Witnessing, in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = in_memory / "run"
    shutil.copytree(program.start, place)
    program.play(place, Outcome())
    monkeypatch.setattr("vaultfs_tools.witnessing.log.AddCheckpoint.check", lambda *_: None)
    with pytest.raises(Broken):
        program.judge(place, [])


def test_an_answer_that_is_refused_changes_nothing(keeper: Keeper, tmp_path: Path) -> None:
    keeper.add_checkpoint(asked(0, 7))
    (file,) = (tmp_path / "witness" / "logs").iterdir()
    before = file.read_bytes()
    for data in (asked(3, 9), asked(7, SIZE, fork=5), b""):
        with pytest.raises(WitnessRefused):
            keeper.add_checkpoint(data)
    keeper.add_checkpoint(asked(7, 7))
    assert file.read_bytes() == before

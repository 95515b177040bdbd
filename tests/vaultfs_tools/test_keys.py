"""vaultfs-keys: what an operator does with recipients, epochs, escrow and copies, and what is printed."""

from __future__ import annotations

import errno
import json
import shutil
import stat
from collections.abc import Callable
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format import limits
from vaultfs_tools import backup, keys
from vaultfs_tools.custody import shares

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs.support import PASSPHRASE, WHO, crashed, create, failing_open, get, put, reopen
from tests.vaultfs_tools.vaults import secret_file
from vaultfs.audit.events import EventType
from vaultfs.audit.log import read_events
from vaultfs.errors import NoRecipientMatches, NotFound
from vaultfs.keys import Shares
from vaultfs.testing.vfs import FaultyVfs, Operation, When

Run = Callable[..., tuple[int, dict[str, Any]]]
PATIENT = vaultfs.Identifier("urn:example:mrn", "gone")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a vault with two patients."""
    with create(tmp_path / "v") as vault:
        put(vault, b"kept")
        put(vault, b"gone", subject=PATIENT)
    return tmp_path / "v"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Return the file with the passphrase of the vault."""
    return secret_file(tmp_path / "passphrase", PASSPHRASE.secret)


@pytest.fixture
def run(given: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the passphrase, and returns its code and what it printed."""

    def call(*words: object, unlock: bool = True) -> tuple[int, dict[str, Any]]:
        more = ["--passphrase-file", str(given)] if unlock else []
        capsys.readouterr()  # what others have printed before
        code = keys.main([*map(str, words), *more, "--json"])
        output, errors = capsys.readouterr()
        return code, json.loads(output or errors)

    return call


def failed(run: Run, *words: object, **more: bool) -> int:
    """Run the command, which can do nothing; return the code of the error."""
    code, shown = run(*words, **more)
    assert code == 8
    return int(shown["error"]["code"])


def types(run: Run, path: Path) -> list[str]:
    """Return the types of the recipients of a vault."""
    return [one["type"] for one in run("list", path)[1]["recipients"]]


def pair(run: Run, place: Path) -> tuple[Path, Path]:
    """Make a key pair; return the files of the private and of the public key."""
    code, shown = run("make", place, unlock=False)
    assert code == 0
    return Path(shown["private"]), Path(shown["public"])


def split(run: Run, path: Path, out: Path, *groups: str) -> list[Path]:
    """Split an escrow into shares; return their files."""
    words = [word for group in groups or ("2/3",) for word in ("--group", group)]
    assert run("escrow", "split", path, out, *words)[0] == 0
    return sorted(out.glob("group-*"))


class TestRecipients:
    def test_a_key_pair_is_made_added_and_opens_the_vault(self, run: Run, path: Path, tmp_path: Path) -> None:
        private, public = pair(run, tmp_path / "mine")
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        code, shown = run("add", path, "--to-key", public)
        assert (code, shown["added"]["type"]) == (0, "public key")
        code, shown = run("list", path, "--key", private, unlock=False)
        assert code == 0
        assert [one["type"] for one in shown["recipients"]] == ["passphrase", "public key"]

    def test_no_key_is_written_over(self, run: Run, tmp_path: Path) -> None:
        private, public = pair(run, tmp_path / "mine")
        before = private.read_bytes(), public.read_bytes()
        assert failed(run, "make", private, unlock=False) == 9306
        public.unlink()
        assert failed(run, "make", private, unlock=False) == 9306
        assert (private.read_bytes(), public.exists()) == (before[0], False)
        private.unlink()
        public.write_bytes(before[1])
        assert failed(run, "make", private, unlock=False) == 9306
        assert (private.exists(), public.read_bytes()) == (False, before[1])

    def test_passphrases_and_tokens_are_added(self, run: Run, path: Path, tmp_path: Path) -> None:
        token = softhsm.new_token()
        assert isinstance(token.pin, bytes)
        pin = secret_file(tmp_path / "pin", token.pin)
        other = secret_file(tmp_path / "other", b"another passphrase")
        named = [token.module, token.label, pin, token.key_id.hex()]
        assert run("add", path, "--to-passphrase", other)[0] == 0
        assert run("add", path, "--to-token", *named)[0] == 0
        assert types(run, path) == ["passphrase", "passphrase", "token"]
        assert run("list", path, "--passphrase-file", other, unlock=False)[0] == 0

    def test_one_is_added_at_a_time(self, run: Run, path: Path, tmp_path: Path) -> None:
        """Else one could be added, and the command fail at the next."""
        others = [secret_file(tmp_path / name, b"another passphrase") for name in ("one", "two")]
        assert failed(run, "add", path, "--to-passphrase", others[0], "--to-passphrase", others[1]) == 2001
        assert types(run, path) == ["passphrase"]

    def test_what_is_no_recipient_is_refused(self, run: Run, path: Path, tmp_path: Path) -> None:
        private, _ = pair(run, tmp_path / "mine")
        large = tmp_path / "large"
        large.write_bytes(b"ab" * 50_000)
        for words in ([], ["--to-key", private], ["--to-key", path / "head"], ["--to-key", large]):
            assert failed(run, "add", path, *words) == 2001
        assert types(run, path) == ["passphrase"]

    def test_a_vault_that_has_as_many_as_it_can_takes_no_more(self, run: Run, tmp_path: Path) -> None:
        full = tmp_path / "full"
        create(full, recipients=[PASSPHRASE] * limits.MAX_STANZAS).close()
        _, public = pair(run, tmp_path / "mine")
        assert failed(run, "add", full, "--to-key", public) == 2001
        assert failed(run, "escrow", "split", full, tmp_path / "out", "--group", "1/1") == 2001
        assert not (tmp_path / "out").exists()


class TestRemoving:
    def test_who_is_removed_opens_it_no_more(self, run: Run, path: Path, tmp_path: Path) -> None:
        other = secret_file(tmp_path / "other", b"another passphrase")
        _, shown = run("add", path, "--to-passphrase", other)
        code, shown = run("remove", path, shown["added"]["id"])
        assert (code, shown["epoch"], shown["secrets_pending"], len(shown["recipients"])) == (0, 2, 0, 1)
        assert failed(run, "list", path, "--passphrase-file", other, unlock=False) == 1210
        assert types(run, path) == ["passphrase"]

    def test_what_opened_it_may_go_itself(self, run: Run, path: Path, tmp_path: Path) -> None:
        private, public = pair(run, tmp_path / "mine")
        run("add", path, "--to-key", public)
        (first, _) = run("list", path)[1]["recipients"]
        assert run("remove", path, first["id"], "--staying-key", public)[0] == 0
        assert failed(run, "list", path) == 1210
        assert run("list", path, "--key", private, unlock=False)[0] == 0

    def test_nobody_is_lost_who_was_not_named(self, run: Run, path: Path, tmp_path: Path) -> None:
        _, public = pair(run, tmp_path / "mine")
        _, shown = run("add", path, "--to-key", public)
        kept = shown["added"]["id"]
        for words in (["rotate", path], ["remove", path, run("list", path)[1]["recipients"][0]["id"]]):
            code, shown = run(*words)
            assert (code, shown["error"]["code"]) == (8, 2229)
            assert kept in shown["error"]["message"]
        assert failed(run, "remove", path, "0" * 16, "--staying-key", public) == 2101
        with reopen(path) as vault:
            assert vault.engine.head.epoch == 1


def test_the_secret_is_kept_in_one_more_store(run: Run, path: Path, tmp_path: Path) -> None:
    """A medium that is brought after a turn, and a token: each opens the vault when the others are lost."""
    token = softhsm.new_token(key=False)
    words = (token.module, token.label, secret_file(tmp_path / "pin", softhsm.PIN))
    medium = tmp_path / "medium"
    assert run("keep", path, "--in-directory", medium) == (
        0,
        {"epoch": 1, "destroyed": 0, "pending": 0, "copies_waiting": 0},
    )
    assert run("epoch", "turn", path)[0] == 0
    assert run("keep", path, "--in-directory", medium)[1]["destroyed"] == 1
    assert run("keep", path, "--in-token", *words)[0] == 0
    shutil.rmtree(tmp_path / "v.epoch")
    assert run("epoch", "status", path)[0] == 8
    assert run("epoch", "status", path, "--epoch-store", medium)[0] == 0
    assert run("epoch", "status", path, "--epoch-token", *words)[0] == 0
    assert run("keep", path, "--epoch-token", *words, "--in-directory", tmp_path / "v.epoch")[0] == 0
    assert run("epoch", "status", path)[1]["epoch"] == 2
    assert backup.main(["copy", str(path), str(tmp_path / "copy")]) == 0
    assert run("epoch", "turn", path)[0] == 1
    code, shown = run("keep", path, "--in-directory", medium)
    assert (code, shown["pending"], shown["copies_waiting"]) == (1, 1, 1)


class TestRotating:
    def test_the_same_recipients_open_it_and_the_old_root_key_does_not(
        self, run: Run, path: Path, tmp_path: Path
    ) -> None:
        token = softhsm.new_token()
        assert isinstance(token.pin, bytes)
        pin, named = secret_file(tmp_path / "pin", token.pin), [token.module, token.label]
        private, public = pair(run, tmp_path / "mine")
        other = secret_file(tmp_path / "other", b"another passphrase")
        for words in (
            ["--to-key", public],
            ["--to-passphrase", other],
            ["--to-token", *named, pin, token.key_id.hex()],
        ):
            assert run("add", path, *words)[0] == 0
        out = split(run, path, tmp_path / "shares")
        before = types(run, path)
        staying = ["--staying-key", public, "--staying-passphrase", other, "--staying-token", *named, pin]
        staying += ["--staying-shares", out[0], "--staying-shares", out[2]]
        code, shown = run("rotate", path, *staying)
        assert (code, shown["epoch"]) == (0, 2)
        assert [one["type"] for one in shown["recipients"]] == before
        for words in (
            ["--key", private],
            ["--passphrase-file", other],
            ["--module", token.module, "--token", token.label, "--passphrase-file", pin],
            ["--shares", out[1], "--shares", out[2]],
        ):
            assert run("list", path, *words, unlock=False)[0] == 0

    def test_it_is_audited(self, run: Run, path: Path) -> None:
        assert run("rotate", path)[0] == 0
        with reopen(path) as vault:
            found = {event.type for _, event in read_events(vault)}
        assert {EventType.RECIPIENT_RENEWED, EventType.EPOCH_TURNED} <= found


class TestEpochs:
    def test_subjects_are_disposed_of_by_their_ids(self, run: Run, path: Path, tmp_path: Path) -> None:
        with reopen(path) as vault, vault.session(WHO, "TREAT") as session:
            (subject,) = session.subjects(PATIENT)
        gone = tmp_path / "gone"
        gone.write_text(subject.hex())
        code, shown = run("epoch", "turn", path, "--dispose", gone)
        assert code == 0
        assert shown["frames_disposed"]
        assert run("epoch", "status", path)[1]["epoch"] == 2
        with reopen(path) as vault, vault.session(WHO, "TREAT") as session, pytest.raises(NotFound):
            session.find(subject=PATIENT)

    def test_a_copy_that_waits_is_told_confirmed_and_given_up(self, run: Run, path: Path, tmp_path: Path) -> None:
        for name in ("one", "two"):
            assert backup.main(["copy", str(path), str(tmp_path / name)]) == 0
        code, shown = run("epoch", "turn", path)
        assert (code, shown["secrets_pending"], shown["copies_waiting"]) == (1, 1, 2)
        assert run("epoch", "status", path)[0] == 1
        assert [one["waits"] for one in run("sheet", path)[1]["copies"]] == [True, True]
        code, shown = run("copies", path)
        one, two = (each["id"] for each in shown["copies"])
        bundle = tmp_path / "bundle"
        assert backup.main(["bundle", str(path), str(bundle)]) == 0
        assert run("copies", path, "--confirm", one, "--bundle", bundle)[0] == 1
        code, shown = run("copies", path, "--give-up", two)
        assert (code, shown["secrets_pending"], len(shown["copies"])) == (0, 0, 1)
        assert failed(run, "copies", path, "--give-up", two) == 2101

    def test_a_bundle_of_an_earlier_epoch_or_of_something_else_confirms_nothing(
        self, run: Run, path: Path, tmp_path: Path
    ) -> None:
        bundle, nothing, other = tmp_path / "bundle", tmp_path / "nothing", tmp_path / "other"
        for words in (["copy", str(path), str(tmp_path / "one")], ["bundle", str(path), str(bundle)]):
            assert backup.main(words) == 0
        create(other).close()
        assert run("epoch", "turn", path)[0] == 1
        copy = run("copies", path)[1]["copies"][0]["id"]
        assert failed(run, "copies", path, "--confirm", copy, "--bundle", bundle) == 2001
        assert failed(run, "copies", path, "--confirm", copy, "--bundle", nothing) == 2202
        assert failed(run, "copies", path, "--confirm", copy, "--bundle", other) == 2202
        assert failed(run, "copies", path, "--confirm", copy) == 2001
        assert failed(run, "copies", path, "--bundle", bundle) == 2001
        assert backup.main(["bundle", str(path), str(bundle)]) == 0
        for keyring in bundle.rglob("keyring.2"):
            keyring.unlink()
        assert run("copies", path, "--confirm", copy, "--bundle", bundle)[0] == 4
        assert backup.main(["bundle", str(path), str(bundle)]) == 0
        assert run("copies", path, "--confirm", copy, "--bundle", bundle)[0] == 0

    def test_people_are_told_in_words(
        self, path: Path, tmp_path: Path, given: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        more = ["--passphrase-file", str(given)]
        assert backup.main(["copy", str(path), str(tmp_path / "one")]) == 0
        capsys.readouterr()
        assert keys.main(["epoch", "turn", str(path), *more]) == 1
        assert keys.main(["epoch", "status", str(path), *more]) == 1
        assert keys.main(["copies", str(path), *more]) == 1
        shown = capsys.readouterr().out
        assert shown.count("old secrets that are kept: 1, copies of the vault that wait: 1") == 3
        assert "epoch 2 since 20" in shown
        assert "copied from these to elsewhere is out of date" in shown


class TestEscrow:
    def test_shares_are_private_files_and_open_the_vault(self, run: Run, path: Path, tmp_path: Path) -> None:
        out = tmp_path / "shares"
        files = split(run, path, out, "2/3", "1/1")
        assert [file.name for file in files] == [*(f"group-1-share-{n}.txt" for n in (1, 2, 3)), "group-2-share-1.txt"]
        assert stat.S_IMODE(out.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {0o600}
        assert run("list", path, "--shares", files[0], "--shares", files[2], unlock=False)[0] == 0
        assert run("list", path, "--shares", files[3], unlock=False)[0] == 0

    def test_no_share_is_printed(
        self, path: Path, tmp_path: Path, given: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "shares"
        more = ["--passphrase-file", str(given)]
        assert keys.main(["escrow", "split", str(path), str(out), "--group", "2/3", *more]) == 0
        assert keys.main(["sheet", str(path), *more]) == 0
        said = capsys.readouterr().out + (out / "custody-sheet.txt").read_text()
        for file in out.glob("group-*"):
            share = file.read_text().split()
            assert len(share) == 33
            # Some words of the list are words of the sheet as well: none stands beside the next of a share.
            assert not any(f"{one} {two}" in said for one, two in pairwise(share))

    def test_a_drill_proves_shares_with_nothing_else_and_beside_the_passphrase(
        self, run: Run, path: Path, tmp_path: Path
    ) -> None:
        files = split(run, path, tmp_path / "shares")
        for unlock in (False, True):
            code, shown = run("escrow", "drill", path, *files[:2], unlock=unlock)
            assert (code, shown["opens"]["groups"]) == (0, [[2, 3]])
        with reopen(path) as vault:
            assert [event.type for _, event in read_events(vault)].count(EventType.ESCROW_DRILLED) == 2

    def test_shares_that_do_not_do_are_told_apart(self, run: Run, path: Path, tmp_path: Path) -> None:
        files = split(run, path, tmp_path / "shares")
        misspelt = secret_file(tmp_path / "misspelt", files[1].read_bytes().replace(b" ", b" x", 1))
        for unlock in (False, True):
            assert failed(run, "escrow", "drill", path, files[0], unlock=unlock) == 2228
            assert failed(run, "escrow", "drill", path, files[0], misspelt, unlock=unlock) == 2227

    def test_reshared_shares_take_the_place_of_the_old_ones(self, run: Run, path: Path, tmp_path: Path) -> None:
        old = split(run, path, tmp_path / "old", "2/3", "1/1")
        code, shown = run("escrow", "reshare", path, tmp_path / "new")
        new = sorted((tmp_path / "new").glob("group-*"))
        assert (code, shown["shares"], len(new), shown["epoch"]) == (0, [3, 1], 4, 2)
        assert run("escrow", "drill", path, *new[:2], unlock=False)[0] == 0
        assert failed(run, "escrow", "drill", path, *old, unlock=False) == 2228
        assert types(run, path) == ["passphrase", "escrow"]

    def test_they_can_be_shared_among_other_people(self, run: Run, path: Path, tmp_path: Path) -> None:
        _, public = pair(run, tmp_path / "mine")
        run("add", path, "--to-key", public)
        split(run, path, tmp_path / "old")
        words = [path, tmp_path / "new", "--group", "1/1", "--group", "2/2", "--groups-needed", 2]
        assert failed(run, "escrow", "reshare", *words) == 2229
        assert not (tmp_path / "new").exists()
        assert run("escrow", "reshare", *words, "--staying-key", public)[1]["shares"] == [1, 2]
        new = sorted((tmp_path / "new").glob("group-*"))
        assert failed(run, "escrow", "drill", path, *new[:2], unlock=False) == 2228
        assert run("escrow", "drill", path, *new, unlock=False)[0] == 0

    def test_of_several_the_one_is_named(self, run: Run, path: Path, tmp_path: Path) -> None:
        assert failed(run, "escrow", "reshare", path, tmp_path / "new") == 2101
        first, second = (split(run, path, tmp_path / name, "1/1") for name in ("one", "two"))
        assert failed(run, "escrow", "reshare", path, tmp_path / "new") == 2001
        named = run("list", path)[1]["recipients"][2]["id"]
        words = ["--escrow", named, "--staying-shares", first[0]]
        assert run("escrow", "reshare", path, tmp_path / "new", *words)[0] == 0
        assert run("escrow", "drill", path, *first, unlock=False)[0] == 0
        assert failed(run, "escrow", "drill", path, *second, unlock=False) == 2228

    @pytest.mark.parametrize("groups", [["3/2"], ["1/3"], ["0/0"], ["2/17"], ["1/1", "--groups-needed", "2"]])
    def test_what_cannot_be_shared_is_a_wrong_argument_and_no_damage(
        self, run: Run, path: Path, tmp_path: Path, groups: list[str]
    ) -> None:
        assert failed(run, "escrow", "split", path, tmp_path / "out", "--group", *groups) == 2001
        assert not (tmp_path / "out").exists()


class TestNothingIsHalfDone:
    def test_shares_that_cannot_be_written_are_not_taken_into_use(
        self, run: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        split(run, path, tmp_path / "old")
        assert failed(run, "escrow", "split", path, tmp_path / "old", "--group", "1/1") == 9306
        assert failed(run, "escrow", "split", path, tmp_path / "no" / "where", "--group", "1/1") == 9010
        real = shares.create

        def full(file: Path, data: bytes) -> None:
            if file.name == "group-1-share-2.txt":
                raise OSError(errno.ENOSPC, "full")
            real(file, data)

        monkeypatch.setattr(shares, "create", full)
        for command in ("split", "reshare"):
            assert failed(run, "escrow", command, path, tmp_path / "new", "--group", "2/2") == 9010
            assert not (tmp_path / "new").exists()
        assert types(run, path) == ["passphrase", "escrow"]
        assert len(list((tmp_path / "old").iterdir())) == 4

    @pytest.mark.parametrize("when", [When.NOTHING_DONE, When.ALL_DONE])
    @pytest.mark.parametrize("command", ["split", "reshare"])
    def test_a_vault_that_fails_leaves_shares_that_open_it_or_none(
        self, run: Run, in_memory: Path, command: str, when: When, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each move of a file once, by which one thing takes the place of another."""
        create(in_memory / "v").close()
        split(run, in_memory / "v", in_memory / "old", "1/1")
        real, seen = vaultfs.open, set()
        for number in count(1):
            place, out = crashed(in_memory / "v", in_memory / str(number)), in_memory / f"{number}.shares"
            vfs = FaultyVfs()
            fault = {"error": errno.EIO, "number": number, "when": when}
            monkeypatch.setattr(vaultfs, "open", failing_open(vfs, Operation.MOVE, **fault))
            code, shown = run("escrow", command, place, out, "--group", "1/1")
            reached = vfs._fault is None
            monkeypatch.setattr(vaultfs, "open", real)
            seen.add(shown["error"]["code"] if code else 0)
            escrows = types(run, place).count("escrow")
            if out.exists():
                works = run("escrow", "drill", place, out / "group-1-share-1.txt", unlock=False)[0] == 0
                assert works or shown["error"]["code"] == 9020
            else:
                assert (code, escrows) == (8, 1)
                reopen(place, unlock=Shares([(in_memory / "old/group-1-share-1.txt").read_text()])).close()
            if not reached:
                break
        assert seen >= {0, 2207}
        assert 9020 in seen

    def test_shares_stay_if_nothing_can_tell_whether_they_are_in_force(
        self, run: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened = failing_open(FaultyVfs(), *Operation, error=errno.EIO, number=24, lasting=True)
        with monkeypatch.context() as patched:
            patched.setattr(vaultfs, "open", opened)
            assert failed(run, "escrow", "split", path, tmp_path / "out", "--group", "1/1") == 9020
        assert (tmp_path / "out" / "group-1-share-1.txt").exists()

    def test_a_disk_that_cannot_be_written_leaves_all_as_it_was(
        self, run: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, public = pair(run, tmp_path / "mine")
        before = {file: file.read_bytes() for file in path.rglob("VAULT.*")}
        vfs = FaultyVfs()
        vfs.fail(Operation.CREATE, Operation.MOVE, Operation.APPEND, error=errno.EROFS, lasting=True)
        with monkeypatch.context() as patched:
            patched.setattr(vaultfs, "open", partial(vaultfs.open, vfs=vfs))
            for words in (
                ["add", path, "--to-key", public],
                ["rotate", path],
                ["escrow", "split", path, tmp_path / "out", "--group", "1/1"],
            ):
                assert failed(run, *words) == 2206
        assert not (tmp_path / "out").exists()
        assert {file: file.read_bytes() for file in path.rglob("VAULT.*")} == before


def test_a_vault_without_its_epoch_store_is_not_opened(run: Run, path: Path, tmp_path: Path) -> None:
    path.with_name("v.epoch").rename(tmp_path / "away")
    for words in (["list", path], ["rotate", path], ["escrow", "split", path, tmp_path / "out", "--group", "1/1"]):
        assert failed(run, *words) == 2204
    assert not (tmp_path / "out").exists()
    assert run("list", path, "--epoch-store", tmp_path / "away")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["epoch"],
        ["epoch", "nonsense"],
        ["remove", "v"],
        ["escrow", "split", "v", "out"],
        ["escrow", "split", "v", "out", "--group", "2-3"],
        ["escrow", "drill", "v"],
        ["copies", "v", "--confirm", "1", "--give-up", "2"],
    ],
)
def test_what_is_not_understood_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        keys.main(words)
    assert ended.value.code == 16
    assert "usage: vaultfs-keys" in capsys.readouterr().err


def test_a_vault_goes_on_after_it_all(run: Run, path: Path, tmp_path: Path) -> None:
    old = split(run, path, tmp_path / "old", "1/1")
    assert run("escrow", "reshare", path, tmp_path / "new")[0] == 0
    with pytest.raises(NoRecipientMatches):
        reopen(path, unlock=vaultfs.Passphrase(old[0].read_bytes()))
    with reopen(path) as vault:
        assert get(vault, put(vault)) == b"data"

"""A vault of suite fips does all that a vault does, and calls nothing that is not approved."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import blake3
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from vaultfs_format.act import Act
from vaultfs_format.copymark import CopyMark
from vaultfs_format.events.records import RecordRead
from vaultfs_format.prefix import PREFIX
from vaultfs_format.stanza import Argon2Cost, Pbkdf2Cost
from vaultfs_format.suite import DEFAULT, FIPS, SUITES
from vaultfs_format.superblock import Superblock
from vaultfs_tools import backup, cli, dump, export, fsck, import_, maintain, rescue

import vaultfs
from tests.vaultfs.keys.denying import PLACES, Denied, denying
from tests.vaultfs.support import MRN, OTHER, answers, events, events_of, get, put, seen, session
from vaultfs.errors import AlgorithmMissing, ArgumentInvalid, NoRecipientMatches, VaultDamaged
from vaultfs.keys.escrow import Escrow
from vaultfs.keys.lifecycle import KeyRef, KeyState
from vaultfs.keys.publickeys import PrivateKey, RecipientKey
from vaultfs.keys.recipients import MIN_ARGON_MEMORY

SECRET = b"correct horse battery staple"
PASSPHRASE = vaultfs.Passphrase(SECRET)
POLICY = vaultfs.PermitAll()
ROOT = Path(__file__).resolve().parents[3]


def create(path: Path) -> vaultfs.Vault:
    """Create a vault of suite fips."""
    return vaultfs.create(path, recipients=[PASSPHRASE], policy=POLICY, suite="fips", kinds=["local.note"])


def reopen(path: Path) -> vaultfs.Vault:
    """Open it."""
    return vaultfs.open(path, unlock=PASSPHRASE, policy=POLICY)


@pytest.fixture
def denied() -> Iterator[list[str]]:
    """Deny what is not approved, while a test runs; nothing may have asked for it when it ends."""
    with denying() as asked:
        yield asked
    assert asked == []


@pytest.fixture
def option(tmp_path: Path) -> str:
    """Return the option that gives commands the passphrase."""
    path = tmp_path / "passphrase"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return f"--passphrase-file={path}"


def filled(path: Path) -> tuple[Path, dict[vaultfs.RecordId, bytes]]:
    """Make a vault with segments of every class, a live journal and a part file; return what was put."""
    made: dict[vaultfs.RecordId, bytes] = {}
    with create(path) as vault:
        for year in (2001, 2002):
            for data in (b"small", os.urandom(3000), os.urandom(150_000)):
                made[put(vault, data, date=date(year, 1, 1))] = data
            with session(vault) as s, s.transaction() as txn:
                txn.set_state("ns", b"k", str(year).encode())
            vault.settle()
        for data in (b"", b"not settled", os.urandom(100_000)):
            made[put(vault, data, subject=OTHER)] = data
    return path, made


def check(vault: vaultfs.Vault | vaultfs.Reader, made: dict[vaultfs.RecordId, bytes]) -> None:
    """Check that a vault has what was put into it."""
    assert {record: get(vault, record) for record in made} == made


@pytest.mark.usefixtures("denied")
def test_a_vault_of_suite_fips_does_everything_without_what_is_not_approved(tmp_path: Path) -> None:
    path, made = filled(tmp_path / "v")
    with reopen(path) as vault, session(vault) as s:
        check(vault, made)
        assert [len(list(s.find(subject=one))) for one in (MRN, OTHER)] == [6, 3]
        (subject,) = s.subjects(MRN)
        assert s.identifiers(subject) == [MRN]
        assert s.state("ns", b"k").value == b"2002"
        first = next(iter(made))
        with s.transaction() as txn:
            made[first] = b"a second version"
            assert txn.put(made[first], kind="Observation", subject=MRN, replaces=first) == first
            gone = txn.put(b"deleted", kind="local.note", subject=MRN)
            txn.link(*(s.subjects(one)[0] for one in (MRN, OTHER)))
        with s.transaction() as txn:
            txn.delete(gone)
        with s.transaction() as txn:
            txn.undelete(gone)
        assert [one.version for one in s.versions(first)] == [1, 2]
        vault.settle()
        before = answers(vault)
        vault.rebuild_index()
        assert answers(vault) == before
        check(vault, made)
        assert {event.type for event in events(vault)} >= {int(vaultfs.EventType.RECORD_PUT)}


@pytest.mark.usefixtures("denied")
def test_maintenance_scrubs_repairs_mirrors_and_merges(tmp_path: Path, option: str) -> None:
    path, made = filled(tmp_path / "v")
    segment = max(path.rglob("*.vseg"), key=lambda one: one.stat().st_size)
    good = segment.read_bytes()
    with reopen(path) as vault:
        segment.write_bytes(good[:5000] + bytes([good[5000] ^ 1]) + good[5001:])
        check(vault, made)
        vault.maintenance.mirror_segments(on=True)
        assert vault.maintenance.run(60).failed == {}
        assert segment.read_bytes() == good
        for number in range(4):
            data = os.urandom(100)
            made[put(vault, data, date=date(2001, 1, 1 + number))] = data
            vault.settle()
    assert maintain.main([str(path), option]) == cli.Exit.DONE
    with reopen(path) as vault:
        check(vault, made)


@pytest.mark.usefixtures("denied")
def test_an_epoch_is_turned_and_a_subject_disposed_of(tmp_path: Path) -> None:
    path, made = filled(tmp_path / "v")
    with reopen(path) as vault, session(vault) as s:
        (subject,) = s.subjects(OTHER)
        gone = {info.id for info in s.find(subject=OTHER)}
        vault.keys.turn(PASSPHRASE, [subject])
        kept = {record: data for record, data in made.items() if record not in gone}
        assert (len(gone), len(kept)) == (3, 6)
        check(vault, kept)
    assert fsck.main([str(path)]) == cli.Exit.DONE
    with reopen(path) as vault:
        check(vault, kept)
        assert all(seen(vault, record) is None for record in gone)


@pytest.mark.usefixtures("denied")
def test_keys_are_replaced_and_everything_is_sealed_anew(tmp_path: Path) -> None:
    path, made = filled(tmp_path / "v")
    with reopen(path) as vault:
        vault.lives.set_state(KeyRef.epoch(1), KeyState.COMPROMISED)
        vault.keys.turn(PASSPHRASE, new_signer=True)
        before = answers(vault)
        assert vault.keys.reencrypt().left == 0
        assert answers(vault) == before
    assert fsck.main([str(path)]) == cli.Exit.DONE
    with reopen(path) as vault:
        check(vault, made)
        assert vault.lives.life(KeyRef.epoch(1)).state is KeyState.DESTROYED


@pytest.mark.usefixtures("denied")
def test_recovery_takes_up_what_a_killed_writer_left(tmp_path: Path) -> None:
    path = tmp_path / "v"
    program = f"""
        import os, sys
        from pathlib import Path
        sys.path[:0] = {[str(ROOT), str(ROOT / "formats"), str(ROOT / "tools")]!r}
        from tests.vaultfs.keys.denying import denying
        from tests.vaultfs.keys.test_fips import create
        from tests.vaultfs.support import put
        with denying():
            vault = create(Path({str(path)!r}))
            print(put(vault, b"of a process that dies").hex(), flush=True)
            os._exit(0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    with reopen(path) as vault:
        assert get(vault, vaultfs.RecordId(bytes.fromhex(done.stdout))) == b"of a process that dies"


@pytest.mark.usefixtures("denied")
def test_a_reader_in_another_process_reads_and_its_log_is_merged(tmp_path: Path) -> None:
    path, made = filled(tmp_path / "v")
    record = next(iter(made))
    program = f"""
        import sys
        sys.path[:0] = {[str(ROOT), str(ROOT / "formats"), str(ROOT / "tools")]!r}
        import vaultfs
        from tests.vaultfs.keys.denying import denying
        with denying():
            unlock = vaultfs.Passphrase({SECRET!r})
            with vaultfs.open_reader({str(path)!r}, unlock=unlock, policy=vaultfs.PermitAll()) as reader:
                with reader.session(vaultfs.Principal("reader"), "TREAT") as s:
                    sys.stdout.buffer.write(s.get(vaultfs.RecordId(bytes.fromhex({record.hex()!r}))).data)
    """
    with reopen(path) as vault:
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True)
        assert done.stdout == made[record]
        assert vault.merge_access_logs().events >= 2
        (read,) = [one for one in events_of(vault, RecordRead) if one.record == record]
        assert read.subject


@pytest.mark.usefixtures("denied")
def test_commands_check_copy_restore_rescue_and_dump_it(tmp_path: Path, option: str) -> None:
    path, made = filled(tmp_path / "v")
    assert fsck.main([str(path)]) == cli.Exit.DONE
    assert fsck.main([str(path), option]) == cli.Exit.DONE
    for file in sorted(one for one in path.rglob("*") if one.is_file() and one.suffix in {"", ".vseg", ".vjrn"}):
        if PREFIX.size < file.stat().st_size and file.read_bytes()[:4] == b"\x89VFS":
            assert dump.main([str(file)]) == cli.Exit.DONE, file
    assert backup.main(["copy", str(path), str(tmp_path / "copy")]) == cli.Exit.DONE
    assert backup.main(["copy", str(path), str(tmp_path / "copy"), "--verify"]) == cli.Exit.DONE
    assert CopyMark.decode((tmp_path / "copy/copy").read_bytes()).suite is FIPS
    assert {Act.decode(one.read_bytes()).suite for one in (path / "acts").iterdir()} == {FIPS}
    assert backup.main(["bundle", str(path), str(tmp_path / "bundle")]) == cli.Exit.DONE
    store = ["--epoch-store", str(path) + ".epoch"]
    assert backup.main(["drill", str(tmp_path / "copy"), str(tmp_path / "drill"), option, *store]) == cli.Exit.DONE
    report = str(tmp_path / "drill/report.json")
    assert backup.main(["verify-report", report, "--vault", str(path)]) == cli.Exit.DONE
    assert backup.main(["restore", str(tmp_path / "copy"), str(tmp_path / "new")]) == cli.Exit.DONE
    os.rename(str(path) + ".epoch", tmp_path / "new.epoch")
    with reopen(tmp_path / "new") as vault:
        check(vault, made)
    (tmp_path / "new/VAULT.1").unlink()
    assert rescue.main([str(tmp_path / "new"), str(tmp_path / "out"), option]) == cli.Exit.DONE
    for record, data in made.items():
        assert (tmp_path / f"out/records/{record.hex()}.1").read_bytes() == data


@pytest.mark.usefixtures("denied")
def test_damage_is_healed_without_keys(tmp_path: Path) -> None:
    path, made = filled(tmp_path / "v")
    segment = max(path.rglob("*.vseg"), key=lambda one: one.stat().st_size)
    good = segment.read_bytes()
    for file in (segment, path / "VAULT.1", path / "head"):
        data = file.read_bytes()
        file.write_bytes(data[:1000] + bytes([data[1000] ^ 1]) + data[1001:])
    assert fsck.main([str(path)]) == cli.Exit.ATTENTION
    assert segment.read_bytes() == good
    assert fsck.main([str(path)]) == cli.Exit.DONE
    with reopen(path) as vault:
        check(vault, made)


@pytest.mark.usefixtures("denied")
def test_an_import_and_an_export_of_it(tmp_path: Path, option: str) -> None:
    source = tmp_path / "legacy"
    source.mkdir()
    patient = '{"resourceType":"Patient","id":"1"}\n'
    text = patient + '{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/1"}}\n'
    (source / "one.ndjson").write_text(text)
    assert import_.main([str(tmp_path / "v"), str(source), "--create", "--suite=fips", option]) == cli.Exit.DONE
    (source / "one.ndjson").write_text(text.replace('"id":"2"', '"id":"3"'))
    assert import_.main([str(tmp_path / "v"), str(source), option]) == cli.Exit.DONE
    assert export.main([str(tmp_path / "v"), str(tmp_path / "out"), "--plaintext", option]) == cli.Exit.DONE
    with reopen(tmp_path / "v") as vault:
        assert vault.engine.suite is FIPS


def test_what_is_not_approved_is_denied_to_this_project_and_to_nobody_else(tmp_path: Path) -> None:
    with denying() as asked:
        assert hashlib.sha256(b"").hexdigest().startswith("e3b0")
        assert blake3.blake3(b"").hexdigest().startswith("af13")
        with pytest.raises(Denied, match="by vaultfs_format"):
            DEFAULT.digest(b"")
        with pytest.raises(Denied):
            vaultfs.create(tmp_path / "v", recipients=[PASSPHRASE])
        with pytest.raises(Denied, match="Argon2id"):
            Argon2Cost(8, 1, 1).hash(b"passphrase", bytes(32))
        assert len(asked) == 3
    assert DEFAULT.digest(b"").hex().startswith("af13")
    assert len(PLACES) > 40


# What suite fips refuses, and what it needs.


def test_a_suite_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentInvalid):
        vaultfs.create(tmp_path / "v", recipients=[PASSPHRASE], suite="fast")
    assert not (tmp_path / "v").exists()


def test_one_passphrase_works_in_both_suites_at_its_own_cost(tmp_path: Path) -> None:
    both = vaultfs.Passphrase(SECRET, Argon2Cost(MIN_ARGON_MEMORY, 2, 1), Pbkdf2Cost(700_000))
    for suite, cost in (("default", both.cost), ("fips", both.pbkdf2)):
        with vaultfs.create(tmp_path / suite, recipients=[both], policy=POLICY, suite=suite) as vault:
            put(vault)
        (stanza,) = Superblock.decode((tmp_path / suite / "VAULT.1").read_bytes()).stanzas
        assert stanza.passphrase().cost == cost
        vaultfs.open(tmp_path / suite, unlock=vaultfs.Passphrase(SECRET)).close()
        with pytest.raises(NoRecipientMatches):
            vaultfs.open(tmp_path / suite, unlock=vaultfs.Passphrase(b"another passphrase"))


@pytest.mark.usefixtures("denied")
def test_key_pairs_and_other_recipients_are_of_the_suite(tmp_path: Path) -> None:
    key, escrow = PrivateKey.generate("fips"), Escrow.draw([(2, 3)])
    with vaultfs.create(tmp_path / "v", recipients=[PASSPHRASE, key, escrow], policy=POLICY, suite="fips") as vault:
        record = put(vault)
    for unlock in (key, escrow.shares):
        with vaultfs.open(tmp_path / "v", unlock=unlock, policy=POLICY) as vault:
            assert get(vault, record) == b"data"
    with pytest.raises(ArgumentInvalid):
        PrivateKey.generate("fast")
    for suite in SUITES.values():
        with pytest.raises(NoRecipientMatches):
            vaultfs.open(tmp_path / "v", unlock=PrivateKey.generate(suite.name))
    public = RecipientKey(bytes(DEFAULT.public_key_size))
    for other in (PrivateKey.generate(), public):
        with pytest.raises(ArgumentInvalid):
            vaultfs.create(tmp_path / "other", recipients=[other], suite="fips")


@pytest.mark.parametrize("name", ["VAULT.1", "keyring.1"])
def test_files_of_another_suite_are_refused(tmp_path: Path, name: str) -> None:
    """Those of another vault, in the place of its own."""
    for suite in ("default", "fips"):
        vaultfs.create(tmp_path / suite, recipients=[PASSPHRASE], suite=suite).close()
    for place in ("", "copies/"):
        (tmp_path / "fips" / place / name).write_bytes((tmp_path / "default" / name).read_bytes())
    with pytest.raises(VaultDamaged):
        reopen(tmp_path / "fips")
    assert fsck.main([str(tmp_path / "fips")]) == cli.Exit.DAMAGED


@pytest.fixture
def without_lattice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have no ML-DSA, as under a FIPS provider of OpenSSL before 3.5."""

    def refuse(_: bytes) -> None:
        raise UnsupportedAlgorithm("ML-DSA is not supported")

    monkeypatch.setattr(mldsa.MLDSA44PrivateKey, "from_seed_bytes", refuse)
    monkeypatch.setattr(mldsa.MLDSA44PublicKey, "from_public_bytes", refuse)


@pytest.mark.usefixtures("without_lattice")
def test_where_there_is_no_lattice_scheme_heads_are_signed_without_and_vault_says_so(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        record = put(vault)
        vault.settle()
        assert not vault.engine.signing.signer.lattice_key
        assert vault.engine.head.signatures[64:] == bytes(2420)
    assert fsck.main([str(tmp_path / "v")]) == cli.Exit.DONE
    with reopen(tmp_path / "v") as vault:
        assert get(vault, record) == b"data"


def test_a_vault_that_needs_what_is_not_there_is_unsupported_and_not_damaged(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    create(tmp_path / "v").close()
    vaultfs.create(tmp_path / "default", recipients=[PASSPHRASE]).close()
    request.getfixturevalue("without_lattice")
    for name in ("v", "default"):
        with pytest.raises(AlgorithmMissing):
            reopen(tmp_path / name)
        assert fsck.main([str(tmp_path / name)]) == cli.Exit.FAILED
    with pytest.raises(AlgorithmMissing):
        vaultfs.create(tmp_path / "new", recipients=[PASSPHRASE])
    assert not (tmp_path / "new").exists()

"""Golden vaults: today's code opens each, finds in it what its manifest says, rescues it, and goes on writing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from golden import __main__ as program
from golden import archives, facts
from golden.credentials import PASSPHRASE_ONLY, Credentials, unlockers
from golden.scenarios import SCENARIOS, Scenario
from golden.site import Site
from vaultfs_format.suite import SUITES
from vaultfs_tools import fsck, rescue

import vaultfs
from tests.vaultfs.support import put

NAMES = sorted(path.name.partition(".")[0] for path in program.ROOT.glob("*.tar.xz"))
MANIFESTS = {name: json.loads((program.ROOT / f"{name}.json").read_bytes()) for name in NAMES}
WAYS = [(name, way) for name in NAMES for way in unlockers(MANIFESTS[name]["opens"])]
HEALS = ("VAULT.1", "head", "copies/keyring.1", ".vseg", ".vkey.1", ".vjrn", ".part")
MOST_BYTES = 700_000

every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def vault(name: str, in_memory: Path) -> Iterator[Path]:
    """Lay out a golden vault; what is done to it leaves nothing unfinished."""
    archives.unpack((program.ROOT / f"{name}.tar.xz").read_bytes(), in_memory)
    yield in_memory / "vault"
    assert not list((in_memory / "vault").rglob("*.tmp"))


def passphrase_file(vault: Path) -> list[str]:
    """Return the option that opens a vault in a command."""
    path = vault.parent / "passphrase"
    path.write_bytes(b"correct horse battery staple\n")
    path.chmod(0o600)
    return ["--passphrase-file", str(path)]


def shown(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of a manifest that can be read."""
    return [record for record in manifest["contents"]["records"] if "error" not in record]


def test_there_is_one_of_every_kind_and_all_are_small() -> None:
    assert set(NAMES) == {scenario.name for scenario in SCENARIOS}
    assert {manifest["suite"] for manifest in MANIFESTS.values()} == {suite.name for suite in SUITES.values()}
    assert {way for _, way in WAYS} == {"passphrase", "private key", "shares", "key service"}
    assert sum(path.stat().st_size for path in program.ROOT.iterdir()) < MOST_BYTES


@every
def test_an_archive_holds_what_its_manifest_says(name: str, vault: Path) -> None:
    found = archives.content(vault.parent)
    stated = {
        path: {"link": data} if isinstance(data, str) else [len(data), hashlib.sha256(data).hexdigest()]
        for path, data in found.items()
    }
    assert stated == MANIFESTS[name]["files"]


@every
def test_a_check_without_keys_finds_what_the_manifest_says(name: str, vault: Path) -> None:
    assert facts.checked(vault) == MANIFESTS[name]["check"]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_each_thing_that_opens_a_vault_opens_it_to_what_the_manifest_says(name: str, way: str, vault: Path) -> None:
    manifest = MANIFESTS[name]
    with facts.opened(vault, unlockers(manifest["opens"])[way]) as opened:
        held = facts.held(opened, manifest["check"]["audit_leaves"])
    assert held == {part: manifest[part] for part in ("contents", "events")}


@every
def test_a_reader_beside_the_writer_finds_the_records(name: str, vault: Path) -> None:
    manifest = MANIFESTS[name]
    unlock = unlockers(manifest["opens"])["passphrase"]
    suite = {one.name: one for one in SUITES.values()}[manifest["suite"]]
    with (
        facts.opened(vault, unlock),
        vaultfs.open_reader(vault, unlock=unlock, policy=vaultfs.PermitAll()) as reader,
        reader.session(vaultfs.Principal("reader"), "TREAT") as session,
    ):
        for record in shown(manifest):
            found = session.get(vaultfs.RecordId.fromhex(record["record_id"])).data
            assert {"length": len(found), "digest": suite.digest(found).hex()} == record["record"]


@every
def test_a_rescue_gets_all_records_out(name: str, vault: Path) -> None:
    """Whatever the state of the vault is: nothing that is known of is missing."""
    manifest, out = MANIFESTS[name], vault.parent / "out"
    suite = {one.name: one for one in SUITES.values()}[manifest["suite"]]
    assert rescue.main([str(vault), str(out), *passphrase_file(vault)]) == 0
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    found = {(row["record"], row["version"]): out / row["file"] for row in rows if row["role"] == "record"}
    for record in shown(manifest):
        data = found[record["record_id"], record["version"]].read_bytes()
        assert {"length": len(data), "digest": suite.digest(data).hex()} == record["record"]


@every
def test_a_writer_goes_on_and_leaves_a_good_vault(name: str, vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = MANIFESTS[name]
    unlock = unlockers(manifest["opens"])["passphrase"]
    with facts.opened(vault, unlock) as opened:
        added = put(opened, b"of today")
        opened.settle()
        done = opened.maintenance.run(60)
        assert done.failed == {}
        assert not done.lost
    assert fsck.main([str(vault), "--json", *passphrase_file(vault)]) == 0, capsys.readouterr().out
    assert facts.checked(vault)["verdict"] == "good"
    with facts.opened(vault, unlock) as opened:
        now = facts.held(opened, manifest["check"]["audit_leaves"])
        with opened.session(vaultfs.Principal("reader"), "TREAT") as session:
            assert session.get(added).data == b"of today"
    assert now["events"] == manifest["events"]
    before = {record["record_id"]: record for record in manifest["contents"]["records"]}
    after = {record["record_id"]: record for record in now["contents"]["records"]}
    assert before.items() <= after.items()


@pytest.mark.parametrize("name", ["damaged"])
def test_damage_heals_without_a_key(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file of each kind was damaged, and a check without keys says of each that it is."""
    damaged = {one["file"] for one in MANIFESTS["damaged"]["check"]["findings"] if one["severity"] == "damage"}
    assert {next(kind for kind in HEALS if file.endswith(kind)) for file in damaged} == set(HEALS)
    assert fsck.main([str(vault), "--json"]) != 0
    capsys.readouterr()
    assert facts.checked(vault)["verdict"] == "recovery"


def test_they_are_made_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--check"]) == 0, capsys.readouterr().out


def test_one_that_differs_is_found_and_written(
    in_memory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"one.json": b"{}", "one.tar.xz": b"archive"}
    monkeypatch.setattr(program, "ROOT", in_memory / "golden")
    monkeypatch.setattr(program, "DRAWN_FILE", in_memory / "drawn.json")
    monkeypatch.setattr(program, "golden", lambda: (made, b"{}"))
    assert program.main(["--check"]) == 1
    assert capsys.readouterr().out == "differs: one.json\ndiffers: one.tar.xz\n"
    assert program.main([]) == 0
    (in_memory / "golden" / "two.json").write_bytes(b"{}")
    (in_memory / "golden" / "one.tar.xz").write_bytes(b"the same, by another library")
    assert program.differences(made) == ["two.json"]
    assert program.main([]) == 0
    assert program.main(["--check"]) == 0


def test_a_vault_that_is_not_what_its_scenario_says_is_refused() -> None:
    def made(site: Site) -> Credentials:
        site.create().close()
        (site.path / "head").unlink()
        return PASSPHRASE_ONLY

    with pytest.raises(program.Unexpected, match="9101"):
        program.golden([Scenario("bad", "A head is missing, and nobody said so.", made)])

"""Scenarios: the log shown to strangers, who do not believe everything, and persons who do not sign."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vaultfs_format.events.vault import VaultOpened
from vaultfs_format.tlog.keys import KeyType, VerifierKey, open_checkpoint
from vaultfs_format.tlog.policy import Policy, PolicyLog, PolicyWitness
from vaultfs_tools.auditing.offline import keys_in
from vaultfs_tools.auditing.rebuilding import alone
from vaultfs_tools.export import disclosure_in
from vaultfs_tools.keyless import VaultFiles

import vaultfs
from tests.vaultfs.errors.world import PATIENT, PLANTED, WHO, World, make, reaches
from vaultfs.audit.exporting.jsonlines import JsonLines, decode
from vaultfs.audit.verifying import check_log
from vaultfs.audit.view import LogView, export, prove
from vaultfs.engine.settling import carrying


@reaches("NotSigned")
def a_checkpoint_is_held_against_the_keys_of_another_vault(world: World) -> None:
    with world.opened() as vault, world.opened(make(world.stored / "other.vault")) as other:
        open_checkpoint(LogView(vault).checkpoint(), LogView(other).keys)


@reaches("QuorumMissing")
def no_witness_has_signed_a_checkpoint(world: World) -> None:
    with world.opened() as vault, world.opened(make(world.stored / "other.vault")) as other:
        view = LogView(vault)
        key = VerifierKey("witness", KeyType.COSIGNATURE, other.engine.signing.signer.head_key)
        asked = Policy(tuple(PolicyLog(one) for one in view.keys), (PolicyWitness(b"one", key),), (), b"one")
        asked.check(view.checkpoint())


@reaches("ProofInvalid")
def a_proof_is_of_another_entry(world: World) -> None:
    with world.opened() as vault:
        proof = prove(vault, 2)
        replace(proof, proof=replace(proof.proof, index=3)).verify(LogView(vault).keys)


@reaches("SubjectsUncounted")
def a_writer_settles_without_counting_anybody(world: World) -> set[int]:
    with world.opened() as vault, pytest.MonkeyPatch.context() as patched:
        patched.setattr(carrying, "count", lambda *_: None)
        with vault.session(WHO, "TREAT") as session:
            session.subjects(PATIENT)
        vault.settle()
        return {one.error.code for one in check_log(vault).findings}


def _shown(world: World) -> Path:
    """Return where a log was exported to."""
    with world.opened() as vault:
        export(vault, world.stored / "log")
        keys = [f"{key.encode()}\n" for key in LogView(vault).keys]
    (world.stored / "log.keys").write_text("".join(keys))
    return world.stored / "log"


def _found(world: World, log: Path) -> set[int]:
    return {one.error.code for one in alone(VaultFiles(log), keys_in(world.stored / "log.keys")).found}


@reaches("ExportDiffers")
def a_hash_that_was_exported_is_changed(world: World) -> set[int]:
    log = _shown(world)
    (tile,) = (one for one in (log / "tile" / "0").rglob("*") if one.is_file())
    tile.write_bytes(bytes(tile.stat().st_size))
    return _found(world, log)


@reaches("ExportMissing")
def a_file_that_was_exported_is_gone(world: World) -> set[int]:
    log = _shown(world)
    (log / "checkpoint").unlink()
    return _found(world, log)


@reaches("LogDiverged")
def the_log_of_another_vault_is_in_the_directory(world: World) -> None:
    with world.opened() as vault, world.opened(make(world.stored / "other.vault")) as other:
        export(other, world.stored / "log")
        export(vault, world.stored / "log")


@reaches("LineInvalid")
def a_line_was_changed_where_it_was_kept(world: World) -> None:
    with world.opened() as vault:
        view = LogView(vault)
        line = JsonLines().checkpoint(view.origin, view.size, view.checkpoint())
        decode(line.replace(b'"size":', b'"size":1'))


_NO_TIME = timedelta(0)


@reaches("LogTooYoung")
def the_log_of_today_is_to_be_pruned(world: World) -> None:
    with world.opened() as vault:
        vault.maintenance.prune_log(datetime.now(UTC))


@reaches("LogStillNeeded")
def somebody_needs_what_is_to_be_pruned(world: World) -> None:
    with world.opened() as vault:
        vault.settle()
        vault.maintenance.prune_log(datetime.now(UTC), minimum_age=_NO_TIME, keep_from=1)


@reaches("LogPrunedBefore")
def an_export_ends_before_what_was_pruned(world: World) -> None:
    with world.opened() as vault:
        export(vault, world.stored / "log")
        vault.note(VaultOpened)
        vault.settle()
        vault.maintenance.prune_log(datetime.now(UTC), minimum_age=_NO_TIME)
        export(vault, world.stored / "log")


def _refuse(_: bytes) -> vaultfs.PersonSignature:
    return vaultfs.PersonSignature(vaultfs.SignatureScheme[PLANTED.text("signature")], b"", b"")


@reaches("AttestationFailed")
def a_person_does_not_sign(world: World) -> None:
    with world.opened() as vault:
        vault.session(WHO, PLANTED.text("purpose"), attest=_refuse)


@reaches("DisclosureInvalid")
def a_disclosure_is_to_nobody(_: World) -> None:
    vaultfs.Disclosure(
        recipient="",
        address=PLANTED.text("address"),
        description=PLANTED.text("description"),
        purpose=PLANTED.text("purpose"),
        basis=vaultfs.Basis.PUBLIC_HEALTH,
    )


@reaches("SuspensionInvalid")
def a_suspension_ends_before_it_begins(world: World) -> None:
    until = PLANTED.moment.replace(tzinfo=UTC)
    wrong = vaultfs.Suspension(recipient=PLANTED.text("agency"), stated=until + timedelta(days=1), until=until)
    with world.opened() as vault, vault.session(WHO, "HLEGAL") as session, session.transaction() as txn:
        txn.suspend(PATIENT, wrong)


@reaches("DisclosureFileInvalid")
def a_disclosure_is_stated_in_a_file_that_says_something_else(world: World) -> None:
    path = world.sources / "disclosure.json"
    path.write_bytes(b'{"recipient": "' + PLANTED.text("recipient").encode() + b'"}')
    disclosure_in(path)

"""Scenarios of witnesses and time stamps: who does not cosign, does not answer, or says something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vaultfs_format.levels import inclusion_proof
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.keys import policy_of

from tests.vaultfs.audit.tsa import Authority
from tests.vaultfs.errors.world import PLANTED, World, reaches
from vaultfs.audit import timestamp
from vaultfs.audit.anchoring import CheckpointAnchor
from vaultfs.audit.view import LogView
from vaultfs.audit.witnesses import CallbackWitness
from vaultfs.keys.stores import Required

_REFUSED = b"\x30\x05\x30\x03\x02\x01\x02"


def _witness(world: World, *, known: bool = True) -> tuple[LogView, Keeper]:
    """Return the log of a vault, and a witness that may know its keys."""
    keeper = Keeper.create(world.stored / "witness", "witness.example")
    with world.opened() as vault:
        view = LogView(vault)
    if known:
        keeper.add_log(view.keys)
    return view, keeper


@reaches("RequestMalformed")
def what_is_no_request_is_carried_to_a_witness(world: World) -> None:
    _, keeper = _witness(world)
    keeper.add_checkpoint(PLANTED.text("request").encode())


@reaches("LogUnknown")
def a_witness_has_no_keys_of_the_log(world: World) -> None:
    view, keeper = _witness(world, known=False)
    CallbackWitness(keeper.answer).add_checkpoint(view.request())


@reaches("LogNotTrusted")
def one_key_of_the_log_has_not_signed(world: World) -> None:
    view, keeper = _witness(world)
    request = view.request()
    note = replace(request.note, signatures=request.note.signatures[:1])
    CallbackWitness(keeper.answer).add_checkpoint(replace(request, note=note))


@reaches("SizeConflict")
def a_witness_has_cosigned_another_size(world: World) -> None:
    view, keeper = _witness(world)
    CallbackWitness(keeper.answer).add_checkpoint(view.request(1))


@reaches("LogInconsistent")
def a_proof_is_that_of_something_else(world: World) -> None:
    view, keeper = _witness(world)
    path = tuple(inclusion_proof(view._nodes, view._hashes, 0, view.size))
    CallbackWitness(keeper.answer).add_checkpoint(replace(view.request(), path=path))


@reaches("WitnessSilent")
def a_witness_that_is_required_says_nothing(world: World) -> None:
    _, keeper = _witness(world)
    anchor = CheckpointAnchor(lambda _: PLANTED.text("witness").encode(), policy_of(keeper.keys))
    world.opened(anchors=[Required(anchor)])


@reaches("WitnessDamaged")
def others_may_read_the_key_of_a_witness(world: World) -> None:
    _witness(world)
    (world.stored / "witness" / "key").chmod(0o644)
    Keeper(world.stored / "witness")


@reaches("TimestampInvalid")
def a_time_stamp_is_of_something_else(world: World) -> None:
    pytest.importorskip("rfc3161_client", reason="rfc3161-client is not installed")
    authority = Authority.make(world.stored / "tsa")
    response, _ = timestamp.stamp(PLANTED.text("stamped").encode(), authority.send, authority.root)
    timestamp.verify(PLANTED.text("other").encode(), response, authority.root)


@reaches("TimestampRefused")
def an_authority_refuses(world: World) -> None:
    pytest.importorskip("rfc3161_client", reason="rfc3161-client is not installed")
    timestamp.stamp(PLANTED.text("stamped").encode(), lambda _: _REFUSED, b"")

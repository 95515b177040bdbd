"""The log of a life before witnesses and an authority for time stamps, who say what they should not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vaultfs_format.tlog.policy import PolicyLog
from vaultfs_format.tlog.refusals import signatures_in
from vaultfs_format.witness import Witnessed
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.keys import policy_of

import vaultfs
from tests.vaultfs.audit import tsa
from vaultfs.audit import timestamp
from vaultfs.audit.anchoring import CheckpointAnchor, CheckpointDirectory, check, cosign, join
from vaultfs.audit.httpwitness import HttpWitness
from vaultfs.audit.view import LogView
from vaultfs.audit.witnesses import CallbackWitness, FileWitness, Witness, answered
from vaultfs.keys.stores import Required
from vaultfs.testing.canary import Canaries
from vaultfs.testing.watch import Watch


def witness(watch: Watch, vault: vaultfs.Vault, planted: Canaries) -> None:
    """Have the log cosigned and stamped, by who does it, by who fails, and by who talks."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        keeper = Keeper.create(place / "witness", "witness.example/1")
        keeper.add_log(LogView(vault).keys)
        policy = policy_of(keeper.keys)
        kept = CheckpointDirectory(place / "kept")

        def talks(_: bytes) -> bytes:
            raise ConnectionError(planted.text("witness"))

        silent = FileWitness(place / "out", place / "in", wait=0)
        (place / "out").mkdir()
        away = HttpWitness("http://127.0.0.1:1/witness", timeout=0.1)
        asked: list[Witness] = [CallbackWitness(keeper.answer), CallbackWitness(talks), silent, away]
        done = cosign(vault, asked, policy, [kept])
        watch.said(done, done.note, done.refused, str(done.refused), kept, *asked)
        request = done.view.request(done.view.size)
        answer = signatures_in(keeper.answer(request.encode()))
        whole = replace(policy, logs=tuple(PolicyLog(key) for key in done.view.keys))
        watch.said(request, join(request.note, [answer], whole), check(done.note, done.view.keys, policy))
        view = LogView(vault)
        view.add_cosignatures(answer)
        watch.said(view.checkpoint())
        anchor = Required(CheckpointAnchor(kept.read, policy))
        anchor.see(Witnessed.of(vault.engine.head))
        watch.said(anchor, anchor.last(vault.id))
        with watch.failing():
            cosign(vault, [CallbackWitness(talks)], policy)
        with watch.failing():
            answered(lambda: planted.data("answer"))
        with watch.failing():
            HttpWitness(f"http://{planted.text('host')}/")
        _stamped(watch, done.note.encode(), place, planted)
        watch.files(place)


def _stamped(watch: Watch, note: bytes, place: Path, planted: Canaries) -> None:
    authority = tsa.Authority.make(place / "tsa")
    send: Callable[[bytes], bytes] = authority.send
    response, said = timestamp.stamp(note, send, authority.root)
    watch.said(said, timestamp.verify(note, response, authority.root), timestamp.make_request(note))
    for data, stamped, believed in (
        (planted.data("note"), response, authority.root),
        (note, planted.data("response"), authority.root),
        (note, response, planted.data("authorities")),
    ):
        with watch.failing():
            timestamp.verify(data, stamped, believed)

"""The log on its way to others, with a canary in all that a host gives to an encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vaultfs_format.errors import FileId
from vaultfs_format.events.session import SessionOpened

import vaultfs
from vaultfs.audit.accounting import Accounting
from vaultfs.audit.disclosures import disclosures
from vaultfs.audit.exporting import auditevent
from vaultfs.audit.exporting.auditevent import AuditEvents, Deployment, bundle
from vaultfs.audit.exporting.jsonlines import JsonLines, decode
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.findings import Finding, Part
from vaultfs.audit.report import report
from vaultfs.audit.tallying import Table
from vaultfs.audit.verifying import check_log
from vaultfs.audit.view import LogView
from vaultfs.testing.watch import Watch


def exported(watch: Watch, view: LogView, planted: Callable[[str], str]) -> None:
    """Write the log in the forms of others, where who acts is told; read lines, good ones and others."""
    lines, resources = JsonLines(), AuditEvents(Deployment("emr", "10.0.0.1"))
    opened: dict[bytes, SessionOpened] = {}
    for leaf in view.leaves():
        if leaf.event is None:
            continue
        if isinstance(leaf.event, SessionOpened):
            opened[leaf.event.session] = leaf.event
        one = Logged(view.origin, leaf.index, bytes(32), leaf.event, opened.get(leaf.event.session))
        watch.said(one, decode(lines.event(one)))
        bundle([resources.event(one)])
        watch.said(auditevent.decode(resources.event(one)))
    note = view.checkpoint()
    watch.said(decode(lines.checkpoint(view.origin, view.size, note)))
    watch.said(auditevent.decode(resources.checkpoint(view.origin, view.size, note)))
    with watch.failing():
        decode(planted("line").encode())
    with watch.failing():
        auditevent.decode(planted("resource").encode())
    with watch.failing():
        Deployment(planted("application") + "\0", planted("address"))
    with watch.failing():
        lines.event(replace(one, origin=planted("origin") + "\ud800"))


def asked(watch: Watch, vault: vaultfs.Vault, found: Accounting) -> None:
    """Tell a subject of disclosures, report on the log, and check it."""
    told = disclosures(found)
    watch.said(
        found,
        found.said,
        told,
        told.rows,
        [row.gone for row in told.rows],
        told.summarised(),
        told.proof,
        list(told.proof.disclosed()),
    )
    made = report(vault, 0, 1 << 62)
    watch.said(made, made.rows, made.table(Table.ACCESS_BY_PERSON))
    harmed = check_log(vault)
    wrong = Finding(Part.FILE, vaultfs.VaultError(leaf=1, file=FileId.of(bytes(16)), offset=2))
    watch.said(harmed, harmed.worst, wrong, wrong.index, wrong.file, wrong.offset)

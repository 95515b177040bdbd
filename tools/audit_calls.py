"""Which audit events every call of a host leaves: the table in SPEC.md is made from this, and tests make each call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What a call leaves in the log.

    Parameters
    ----------
    done, denied, failed
        Names of the events, in their order, where the call succeeds, is not permitted, or asks for what is not there or
        cannot be read. None where it cannot end so.
    why
        Why there is none, or what else there is to know.
    each
        Whether each of `done` comes any number of times, in any order.
    internal
        Whether it is no call of a host, though its name is public.
    """

    done: tuple[str, ...] = ()
    denied: tuple[str, ...] | None = None
    failed: tuple[str, ...] | None = None
    why: str = ""
    each: bool = False
    internal: bool = False


DENIED = ("ACCESS_DENIED",)
_UNLOCK_FAILED = ("UNLOCK_FAILED",)
_LOCAL = Row(why="says what the process knows of itself; nothing of the archive")
_KEYS = Row(why="says what is in no frame: states and dates of keys, which fsck shows too")
_LOG = Row(why="the keeper's own look at the log; what is given out of it is recorded, below")
_PARTS = Row(why="for the parts of the library, which give it the events that it writes", internal=True)
_PAIR = "for each of the two; failed, for the one that is not there"
_PENDING = "with the commit; a transaction that is rolled back has changed nothing, and told nothing"
_TOLD = "once in a transaction, with its end, whatever that is; in a strict session at once"
_SEVERAL = "SUBJECT_SEARCHED, failed, where several have the identifier"
_COMPARED = ("SUBJECTS_COMPARED", "SUBJECTS_COMPARED")
_TURNED = ("EPOCH_TURNING", "SETTLED", "EPOCH_TURNED", "SECRETS_DESTROYED")

CALLS: Mapping[str, Row] = {
    "vaultfs.create": Row(("VAULT_OPENED", "VAULT_CREATED")),
    "vaultfs.open": Row(
        ("VAULT_OPENED",),
        failed=(),
        why="who has no key cannot write; by a recipient that may not be used KEY_REFUSED, or KEY_RISK_ACCEPTED",
    ),
    "vaultfs.open_reader": Row(("READER_OPENED",), failed=(), why="in the access log; failures as of vaultfs.open"),
    "Vault.session": Row(("SESSION_OPENED",), failed=("SESSION_OPENED",)),
    "Vault.context_tokens": _LOCAL,
    "Vault.settle": Row(("SETTLED",)),
    "Vault.close": Row(("VAULT_CLOSED",)),
    "Vault.merge_access_logs": Row(("ACCESS_MERGED",), failed=(), why="the events of the reader follow"),
    "Vault.rebuild_index": Row(why="the index is a cache: nothing of the archive changes"),
    "Vault.retire": Row(why="SECRETS_DESTROYED for each secret that is left to be destroyed"),
    "Vault.space": Row(why="sums of sizes, which everybody can see who has the files"),
    "Vault.id": _LOCAL,
    "Vault.path": _LOCAL,
    "Vault.condition": _LOCAL,
    "Vault.keys": _LOCAL,
    "Vault.lives": _LOCAL,
    "Vault.maintenance": _LOCAL,
    "Vault.commit": _PARTS,
    "Vault.finish": _PARTS,
    "Vault.prune": _PARTS,
    "Vault.note": _PARTS,
    "Vault.record": _PARTS,
    "Vault.state": _PARTS,
    "Vault.steady": _PARTS,
    "Reader.session": Row(("SESSION_OPENED",), failed=("SESSION_OPENED",)),
    "Reader.context_tokens": _LOCAL,
    "Reader.close": Row(why="what it read is recorded; a reader that is killed could not say so"),
    "Reader.id": _LOCAL,
    "Reader.path": _LOCAL,
    "Reader.record": _PARTS,
    "Reader.steady": _PARTS,
    "Session.get": Row(("RECORD_READ",), DENIED, ("RECORD_READ",)),
    "Session.info": Row(("RECORD_READ",), DENIED, ("RECORD_READ",)),
    "Session.open": Row(("RECORD_READ",), DENIED, ("RECORD_READ",)),
    "Session.get_many": Row(("RECORDS_READ",), DENIED, ("RECORDS_READ",), "for each subject and kind"),
    "Session.versions": Row(("VERSIONS_LISTED",), DENIED, ("VERSIONS_LISTED",)),
    "Session.find": Row(("RECORDS_SEARCHED",), DENIED, ("RECORDS_SEARCHED",), "for each of linked subjects"),
    "Session.subjects": Row(("SUBJECT_SEARCHED",), DENIED, ("SUBJECT_SEARCHED",), "for each subject; one for none"),
    "Session.identifiers": Row(("IDENTIFIERS_LISTED",), DENIED, ("IDENTIFIERS_LISTED",)),
    "Session.all_subjects": Row(("SUBJECTS_LISTED",), DENIED, ("SUBJECTS_LISTED",)),
    "Session.state": Row(("STATE_READ",), DENIED, ("STATE_READ",)),
    "Session.disclose": Row(("SUBJECT_EXPORTED",), DENIED),
    "Session.compared": Row(("SOURCE_COMPARED",)),
    "Session.transaction": Row(why="what is done in it has events; of a reader there is none"),
    "Session.close": Row(why="the session is over for this process; its events say when it acted last"),
    "Session.authorize": Row((), DENIED, why="the access that is permitted has an event"),
    "Session.check": _PARTS,
    "Session.commit": _PARTS,
    "Session.event": _PARTS,
    "Session.note": _PARTS,
    "Session.note_failed": _PARTS,
    "Session.noting": _PARTS,
    "Session.noting_absence": _PARTS,
    "Session.steady": _PARTS,
    "Transaction.put": Row(("SUBJECT_CREATED", "RECORD_PUT"), DENIED, ("RECORD_PUT",), f"{_PENDING}; {_SEVERAL}"),
    "Transaction.put_many": Row(
        ("SUBJECT_CREATED", "RECORD_PUT", "RECORD_PUT"), DENIED, ("RECORD_PUT",), f"{_PENDING}; {_SEVERAL}"
    ),
    "Transaction.delete": Row(("RECORD_DELETED",), DENIED, ("RECORD_DELETED",), _PENDING),
    "Transaction.undelete": Row(("RECORD_UNDELETED",), DENIED, ("RECORD_UNDELETED",), _PENDING),
    "Transaction.subject": Row(
        ("SUBJECT_CREATED",), DENIED, ("SUBJECT_SEARCHED",), f"SUBJECT_SEARCHED where it is there, {_TOLD}"
    ),
    "Transaction.new_subject": Row(("SUBJECT_CREATED",), DENIED, why=_PENDING),
    "Transaction.identify": Row(("IDENTIFIER_ASSERTED",), DENIED, ("SUBJECT_SEARCHED",), _PENDING),
    "Transaction.link": Row(("SUBJECTS_LINKED",) * 2, DENIED, ("SUBJECT_SEARCHED",), _PAIR),
    "Transaction.unlink": Row(("SUBJECTS_UNLINKED",) * 2, DENIED, ("SUBJECT_SEARCHED",), _PAIR),
    "Transaction.claimants": Row(
        ("SUBJECT_SEARCHED",), failed=("SUBJECT_SEARCHED",), why=f"for each subject, one for none; {_TOLD}"
    ),
    "Transaction.linked": Row(_COMPARED, failed=_COMPARED, why=f"for each of the two; {_TOLD}"),
    "Transaction.disclose": Row(("RECORD_PUT", "SUBJECT_DISCLOSED"), DENIED, ("SUBJECT_SEARCHED",), _PENDING),
    "Transaction.suspend": Row(("RECORD_PUT",), DENIED, ("SUBJECT_SEARCHED",), _PENDING),
    "Transaction.identifiers": Row(("IDENTIFIERS_LISTED",), DENIED, ("IDENTIFIERS_LISTED",)),
    "Transaction.state": Row(("STATE_READ",), DENIED, ("STATE_READ",)),
    "Transaction.guard": Row(why="relies on a version that the caller has read"),
    "Transaction.set_state": Row(("STATE_SET",), DENIED, why=_PENDING),
    "Transaction.commit": Row(("STATE_SET",), failed=(), why="those of what it commits; a conflict changes nothing"),
    "Transaction.rollback": Row(why="nothing has happened"),
    "Keys.recipients": Row(why="what everybody can see who has the files"),
    "Keys.add": Row(("RECIPIENT_ADDED", "SETTLED"), failed=_UNLOCK_FAILED),
    "Keys.turn": Row(_TURNED, failed=_UNLOCK_FAILED, why="SUBJECT_DISPOSED for each; SIGNER_ADDED"),
    "Keys.rekey": Row(
        ("EPOCH_TURNING", "SETTLED", "RECIPIENT_RENEWED", "EPOCH_TURNED", "SECRETS_DESTROYED"),
        failed=_UNLOCK_FAILED,
        why="RECIPIENT_REMOVED and RECIPIENT_ADDED for each",
    ),
    "Keys.reencrypt": Row(("SETTLED", "REENCRYPTION_BEGUN", "SEGMENTS_REENCRYPTED", "SETTLED", "REENCRYPTION_ENDED")),
    "Keys.keep_secret": Row(("SECRET_KEPT",), failed=_UNLOCK_FAILED, why="SECRETS_DESTROYED for each before"),
    "Keys.drill": Row(("ESCROW_DRILLED",), failed=("ESCROW_DRILLED",)),
    "Lives.set_state": Row(("KEY_STATE_SET",), failed=(), why="what does not follow is an error of the caller"),
    "Lives.set_dates": Row(("KEY_STATE_SET",), failed=(), why="what does not ascend is an error of the caller"),
    "Lives.set_period": Row(("CRYPTOPERIOD_SET",)),
    "Lives.accept_risk": Row(why="vaultfs.open records it"),
    "Lives.life": _KEYS,
    "Lives.period": _KEYS,
    "Lives.refusing": _KEYS,
    "Lives.rotates": _KEYS,
    "Lives.restricted": _PARTS,
    "Lives.expired_signer": _KEYS,
    "Lives.check_process": _PARTS,
    "Lives.check_protect": _PARTS,
    "Lives.check_staying": _PARTS,
    "Lives.record_passed": Row(why="KEY_STATE_PASSED for each key whose state a date has changed"),
    "Lives.record_passed_in_use": Row(why="KEY_STATE_PASSED for each key whose state a date has changed"),
    "Lives.inherit": _PARTS,
    "Lives.began": _PARTS,
    "Lives.unlocked": _PARTS,
    "Maintenance.run": Row(("SETTLED",), why="SEGMENT_REPAIRED for each; those of what it calls"),
    "Maintenance.health": Row(why="counts and times, of no subject"),
    "Maintenance.overdue": Row(why="a time, of no subject"),
    "Maintenance.mirror_segments": Row(("MIRRORING_SET",)),
    "Maintenance.prune_log": Row(("LOG_PRUNED", "SETTLED"), failed=(), why="none where there is nothing to prune"),
    "storage.copies.copies_of": Row(why="ids and times of copies, of no subject"),
    "storage.copies.confirm_keys": Row(("COPY_KEYS_CONFIRMED",), failed=()),
    "storage.copies.give_up": Row(("COPY_GIVEN_UP",), failed=()),
    "audit.read_events": _LOG,
    "audit.read_leaves": _LOG,
    "audit.verify": _LOG,
    "audit.check_log": _LOG,
    "audit.checked": _PARTS,
    "audit.report": Row(("LOG_REPORTED", "SETTLED"), failed=()),
    "audit.account": Row(("SUBJECT_ACCOUNTED", "SETTLED"), failed=()),
    "audit.prove": Row(("LOG_EXPORTED", "SETTLED"), failed=("LOG_EXPORTED", "SETTLED")),
    "audit.export": Row(("LOG_EXPORTED", "SETTLED")),
    "audit.shown": Row(("LOG_EXPORTED", "SETTLED"), why="with as many entries and events as the caller says"),
    "audit.cosign": Row(("LOG_EXPORTED", "SETTLED"), failed=("LOG_EXPORTED", "SETTLED")),
    "audit.Delivery.run": Row(
        ("LOG_EXPORTED", "SETTLED"), failed=("LOG_EXPORTED", "SETTLED"), why="none where only deliveries have happened"
    ),
    "audit.Delivery.resend": Row(("LOG_EXPORTED",), why="before anything is sent; none where there is nothing to send"),
    "audit.reconcile": _LOG,
    "migrate.Importer.run": Row(
        (
            *("STATE_READ", "SUBJECT_CREATED", "IDENTIFIER_ASSERTED", "RECORD_PUT", "STATE_SET", "SETTLED"),
            *("RECORD_READ", "RECORDS_READ", "SOURCE_COMPARED", "SUBJECT_SEARCHED"),
        ),
        DENIED,
        why="those of its transactions, reads and settlings",
        each=True,
    ),
    "migrate.redrive": Row(
        (
            *("RECORDS_SEARCHED", "STATE_READ", "RECORDS_READ", "RECORD_READ", "SUBJECT_SEARCHED", "SUBJECT_CREATED"),
            *("IDENTIFIER_ASSERTED", "RECORD_PUT", "RECORD_DELETED", "STATE_SET", "SETTLED"),
        ),
        DENIED,
        why="those of its transactions, reads and settlings",
        each=True,
    ),
    "migrate.Exporter.run": Row(
        ("SUBJECTS_LISTED", "RECORDS_SEARCHED", "SUBJECT_EXPORTED", "RECORD_READ"),
        DENIED,
        why="the disclosures before anything is written, with RECORD_PUT and SUBJECT_DISCLOSED where they are stated",
        each=True,
    ),
    "vaultfs_tools.copying.Copier.run": Row(why="it has no key; vaultfs-backup leaves word of what it did"),
    "vaultfs_tools.backup.main": Row(("COPY_CLAIMED",), why="at the next opening: it has no key, and leaves word"),
    "vaultfs_tools.copying.restore": Row(("RESTORE_CLAIMED",), why="at the next opening of the restored vault"),
}
"""By the name of the call. Methods of a session of the process that writes stand with those of a session."""

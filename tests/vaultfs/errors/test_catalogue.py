"""docs/errors.md says of every error what it means and what to do, as the classes and the commands do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import error_catalogue
import pytest
from vaultfs_format.errors import VaultError
from vaultfs_tools import dump

from tests.vaultfs.errors.codes import NAMES, RETIRED
from vaultfs.errors import SourceUnreadable, StorageFull, VaultMissing

ERRORS = error_catalogue.defined()
TEXT = error_catalogue.CATALOGUE.read_text(encoding="utf-8")


def test_the_catalogue_is_that_of_the_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_catalogue.main(["--check"]) == 0, capsys.readouterr().out


def test_a_code_never_changes_its_name_and_is_never_given_out_again() -> None:
    assert {code: error.__name__ for code, error in ERRORS.items()} == NAMES
    assert not NAMES.keys() & RETIRED.keys()
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_says_what_is_the_case_and_what_to_do(code: int) -> None:
    error = ERRORS[code]
    assert re.fullmatch(r"[A-Z][^\n]*\.", error_catalogue.meaning(error))
    assert re.fullmatch(r"[A-Z][^\n]*\.", error.advice)
    assert error.advice != VaultError.advice or error is VaultError
    entry = TEXT.partition(f"### VFS-{code} ")[2].partition("\n#")[0]
    for part in (error.__name__, error_catalogue.meaning(error), error.advice):
        assert part in entry


def test_what_may_simply_be_tried_again_is_what_another_one_stood_in_the_way_of() -> None:
    """Each for its own reason: another transaction, another writer, another reader, somebody who writes to a source,
    another program that copies, a writer that settles, another delivery, a receiver.
    """
    retryable = {error.__name__ for error in ERRORS.values() if error.retryable}
    assert retryable == {
        "TransactionConflict",
        "WriterBusy",
        "AccessLogBusy",
        "SourceChanged",
        "CopyBusy",
        "SourceChanging",
        "DeliveryBusy",
        "ReceiverLost",
        "ReceiverTooSlow",
        "ReceiverUnreachable",
    }


def test_a_host_may_catch_what_python_has_a_name_for() -> None:
    builtin = {
        error.__name__: {base.__name__ for base in error.__mro__ if base.__module__ == "builtins"}
        - {"object", "Exception", "BaseException"}
        for error in ERRORS.values()
    }
    assert {name: names for name, names in builtin.items() if names} == {
        "NotEnoughMemory": {"MemoryError"},
        "ArgumentInvalid": {"ValueError"},
        "KindUnknown": {"LookupError"},
        "Closed": {"ValueError"},
        "NotFound": {"LookupError"},
        "Deleted": {"LookupError"},
        "SubjectAmbiguous": {"LookupError"},
        "AccessDenied": {"PermissionError", "OSError"},
        "AttestationFailed": {"PermissionError", "OSError"},
        "VaultExists": {"FileExistsError", "OSError"},
        "VaultMissing": {"FileNotFoundError", "OSError"},
        "StorageFull": {"OSError"},
        "StorageReadOnly": {"OSError"},
        "StorageFailed": {"OSError"},
        "ExtraMissing": {"ImportError"},
        "TokenKeyMissing": {"LookupError"},
        "PinWrong": {"PermissionError", "OSError"},
        "PinLocked": {"PermissionError", "OSError"},
        "ShareInvalid": {"ValueError"},
        "TransitionInvalid": {"ValueError"},
        "LineInvalid": {"ValueError"},
        "DisclosureInvalid": {"ValueError"},
        "SuspensionInvalid": {"ValueError"},
        "ReceiverFailed": {"OSError"},
        "ReceiverUnreachable": {"ConnectionError", "OSError"},
        "ReceiverTooSlow": {"TimeoutError", "OSError"},
        "ReceiverLost": {"ConnectionError", "OSError"},
        "ReceiverNotTrusted": {"OSError"},
        "ReceiverRefused": {"OSError"},
        "CredentialsUnusable": {"ValueError"},
        "CursorMissing": {"FileNotFoundError", "OSError"},
        "SpoolMissing": {"FileNotFoundError", "OSError"},
        "MessageInvalid": {"ValueError"},
        "SourceUnreadable": {"OSError"},
        "DestinationNotEmpty": {"FileExistsError", "OSError"},
        "DestinationFailed": {"OSError"},
        "PassphraseUnreadable": {"OSError"},
        "SystemFailed": {"OSError"},
    }


def test_an_error_of_the_operating_system_has_its_number_where_python_keeps_it() -> None:
    for error in (StorageFull(errno=28), VaultMissing(errno=2), SourceUnreadable(errno=5)):
        assert isinstance(error, OSError)
        assert error.errno == error.facts["errno"]
        assert str(error) == error.message()


def test_commands_say_what_the_catalogue_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump.main([str(tmp_path / "nothing")]) == 8
    message, advice = (line.removeprefix("vaultfs-dump: ") for line in capsys.readouterr().err.splitlines())
    code, _, text = message.partition(": ")
    entry = TEXT.partition(f"### {code} ")[2].partition("\n#")[0]
    assert text in entry
    assert f"- What to do: {advice}\n" in entry
    assert dump.main([str(tmp_path / "nothing"), "--json"]) == 8
    shown = json.loads(capsys.readouterr().err)["error"]
    assert f"- What to do: {shown['advice']}\n- Retry: {'yes' if shown['retryable'] else 'no'}\n" in entry


def test_a_catalogue_that_differs_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(error_catalogue, "CATALOGUE", tmp_path / "errors.md")
    assert error_catalogue.main(["--check"]) == 1
    assert error_catalogue.main([]) == 0
    assert error_catalogue.main(["--check"]) == 0
    (tmp_path / "errors.md").write_text(TEXT.replace("VFS-2203", "VFS-2204"), encoding="utf-8")
    assert error_catalogue.main(["--check"]) == 1
    assert "differs" in capsys.readouterr().out

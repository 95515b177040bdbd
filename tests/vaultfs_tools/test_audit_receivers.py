"""vaultfs-audit: what is sent to receivers, drained for them, and compared with what they have kept."""

from __future__ import annotations

import json
import os
import re
import resource
from contextlib import closing
from pathlib import Path

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from vaultfs_tools import audit
from vaultfs_tools.auditing import sending

from tests.vaultfs.audit.deliveries.authority import NAME, Authority
from tests.vaultfs.audit.deliveries.receivers import HOST, Rsyslog, silent_server
from tests.vaultfs.support import PASSPHRASE, crashed
from tests.vaultfs_tools import test_audit
from tests.vaultfs_tools.vaults import Run, secret_file

path, run = test_audit.path, test_audit.run

LATER = "2026-11-14T22:13:20Z"


class TestReceivers:
    def test_what_is_sent_is_there_and_what_is_taken_away_is_missed(self, run: Run, path: Path, tmp_path: Path) -> None:
        words = ("--to-directory", tmp_path / "out", "--name", "siem", "--cursors", tmp_path / "c")
        code, shown = run("send", path, *words)
        assert (code, shown["events"] > 5) == (0, True)
        (file,) = (tmp_path / "out").glob("*.log")
        code, found = run("reconcile", path, file, "--cursors", tmp_path / "c")
        assert (code, found["events"], found["received"]) == (0, shown["events"], shown["events"])
        assert (found["missing"], found["checkpoints"], found["unread"]) == ([], 1, 0)
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[:2] + lines[4:]) + b"other\n")
        code, found = run("reconcile", path, file, "--cursors", tmp_path / "c")
        assert (code, len(found["missing"]), found["unread"]) == (1, 1, 1)

    def test_what_is_missed_is_told_by_the_cursor_of_the_delivery_that_is_meant(
        self, run: Run, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Not by one of another delivery that is behind, nor by none."""
        words = ("--cursors", tmp_path / "c")
        run("send", path, "--to-directory", tmp_path / "behind", "--name", "behind", *words)
        run("send", path, "--to-directory", tmp_path / "out", "--name", "siem", *words)
        (file,) = (tmp_path / "out").glob("*.log")
        assert run("reconcile", path, file, *words, "--name", "siem")[0] == 0
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-2]))
        code, found = run("reconcile", path, file, *words, "--name", "siem")
        assert (code, len(found["missing"])) == (1, 1)
        assert run("reconcile", path, file, *words, "--name", "behind")[0] == 0
        for wrong in (["--cursors", tmp_path / "none"], [*words, "--name", "sime"]):
            code, found = run("reconcile", path, file, *wrong)
            assert (code, found["error"]["code"]) == (8, 2614)
        for usage in (words, ["--name", "siem"]):
            with pytest.raises(SystemExit) as told:
                run("reconcile", path, file, *usage)
            assert told.value.code == 16
            assert "--name" in capsys.readouterr().err

    def test_many_files_are_compared_one_after_the_other(self, run: Run, path: Path, tmp_path: Path) -> None:
        run("send", path, "--to-directory", tmp_path / "out", "--name", "siem", "--cursors", tmp_path / "c")
        (file,) = (tmp_path / "out").glob("*.log")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 60, before[1]))
        try:
            code, found = run("reconcile", path, *[file] * 100)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert (code, found["doubled"]) == (0, found["events"])

    def test_json_lines_are_sent_and_compared_too(self, run: Run, path: Path, tmp_path: Path) -> None:
        more = ("--name", "siem", "--cursors", tmp_path / "c", "--format", "json")
        code, shown = run("send", path, "--to-directory", tmp_path / "out", *more)
        (file,) = (tmp_path / "out").glob("*.log")
        code, found = run("reconcile", path, file, "--cursors", tmp_path / "c")
        assert (code, found["received"], found["checkpoints"], found["unread"]) == (0, shown["events"], 1, 0)

    def test_audit_events_are_compared_as_a_repository_gives_them_out(
        self, run: Run, path: Path, tmp_path: Path
    ) -> None:
        """Each with an id, a version and a time of its own, and in another order (NDJSON of Bulk Data Access)."""
        more = ("--name", "fhir", "--cursors", tmp_path / "c", "--format", "fhir")
        about = ("--application", "emr", "--address", "archive.example.org", "--site", "north")
        code, shown = run("send", path, "--to-directory", tmp_path / "out", *more, *about)
        (file,) = (tmp_path / "out").glob("*.log")
        kept = [json.loads(line) for line in file.read_bytes().splitlines()]
        assert (code, len(kept)) == (0, shown["events"] + 1)
        for number, one in enumerate(kept):
            assert one["source"]["site"] == "north"
            one["id"], one["meta"] = str(number), {**one.get("meta", {}), "versionId": "1", "lastUpdated": LATER}
        lines = [json.dumps(AuditEvent.model_validate(one).model_dump(mode="json"), sort_keys=True) for one in kept]
        given = tmp_path / "AuditEvent.ndjson"
        given.write_text("\n".join(reversed(lines)))
        code, found = run("reconcile", path, given, "--cursors", tmp_path / "c")
        assert (code, found["received"], found["checkpoints"], found["unread"]) == (0, shown["events"], 1, 0)
        given.write_text("\n".join(lines[:3] + lines[4:]))
        code, found = run("reconcile", path, given, "--cursors", tmp_path / "c")
        assert (code, len(found["missing"])) == (1, 1)

    @pytest.mark.parametrize(
        "words",
        [
            *(["--format", "json"], ["--format", "fhir", "--application", "emr", "--address", "host"]),
            *(["--largest", "10"], ["--largest", "65537"], ["--largest", "x"]),
            *(["--enterprise", "0"], ["--batch", "0"], ["--batch", "-1"], ["--timeout", "0"], ["--timeout", "1e3"]),
        ],
    )
    def test_options_that_are_wrong_are_named(
        self, run: Run, path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
    ) -> None:
        with pytest.raises(SystemExit) as told:
            run("send", path, "--syslog", "host", "--name", "siem", "--cursors", "c", *words)
        assert told.value.code == 16
        assert words[0] in capsys.readouterr().err.splitlines()[-1]

    @pytest.mark.parametrize("words", [[], ["--application", "emr"], ["--address", "host"]])
    def test_audit_events_say_where_the_vault_is_used(
        self, run: Run, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
    ) -> None:
        more = ("--name", "siem", "--cursors", tmp_path / "c", "--format", "fhir")
        with pytest.raises(SystemExit) as told:
            run("send", path, "--to-directory", tmp_path / "out", *more, *words)
        assert told.value.code == 16
        assert "--application and --address" in capsys.readouterr().err

    def test_a_receiver_is_given_as_long_as_is_said(self, run: Run, path: Path, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        words = ["--ca", authority.certificate, "--name", "siem", "--cursors", tmp_path / "c", "--timeout", "1"]
        with silent_server() as port:
            code, shown = run("send", path, "--syslog", f"{HOST}:{port}", *words)
        assert (code, shown["error"]["code"]) == (8, 2602)

    def test_a_spool_of_json_is_not_for_a_receiver_of_syslog(self, run: Run, path: Path, tmp_path: Path) -> None:
        more = ("--name", "siem", "--cursors", tmp_path / "c")
        run("send", path, "--to-directory", tmp_path / "out", "--format", "json", "--batch", "2", *more)
        authority = Authority(tmp_path)
        to = ("--syslog", HOST, "--ca", authority.certificate, "--batch", "2")
        code, shown = run("drain", tmp_path / "out", *to, *more, unlock=False)
        assert (code, shown["error"]["code"]) == (8, 2613)

    def test_a_leaf_that_was_changed_is_damage(self, run: Run, path: Path, tmp_path: Path) -> None:
        run("send", path, "--to-directory", tmp_path / "out", "--name", "siem", "--cursors", tmp_path / "c")
        (file,) = (tmp_path / "out").glob("*.log")
        changed = re.sub(rb'leaf="[0-9a-f]{8}', b'leaf="00000000', file.read_bytes())
        file.write_bytes(changed)
        code, found = run("reconcile", path, file)
        assert (code, bool(found["differing"])) == (4, True)

    def test_the_text_says_what_the_facts_say(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = secret_file(tmp_path / "passphrase", PASSPHRASE.secret)
        more = f"--passphrase-file={given}"
        words = ["--to-directory", tmp_path / "out", "--name", "siem", "--cursors", tmp_path / "c", more]
        assert audit.main([*map(str, ["send", path, *words])]) == 0
        assert "events sent" in capsys.readouterr().out
        (file,) = (tmp_path / "out").glob("*.log")
        lines = file.read_bytes().splitlines(keepends=True)
        older = crashed(path, tmp_path / "older")
        assert audit.main([*map(str, ["send", path, *words])]) == 0
        later = file.read_bytes()
        file.write_bytes(later.replace(lines[1], b"").replace(lines[3], lines[3].replace(b'leaf="', b'leaf="f')))
        file.write_bytes(re.sub(rb'leaf="f([0-9a-f]{63})[0-9a-f]', rb'leaf="f\1', file.read_bytes()))
        capsys.readouterr()
        assert audit.main([*map(str, ["reconcile", older, file, more])]) == 4
        text = capsys.readouterr().out
        for word in ("are there", "missing: ", "differing: ", "put back to an older state", "passed over: "):
            assert word in text
        assert "vaultfs/" not in text

    def test_a_spool_is_drained_without_a_key_to_a_receiver(self, run: Run, path: Path, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        server, client = authority.issue(NAME), authority.issue("client")
        rsyslog = Rsyslog(tmp_path / "rsyslog", "ossl", authority, server, "client")
        rsyslog.start()
        to = [
            *("--syslog", f"{HOST}:{rsyslog.port}", "--ca", authority.certificate, "--cursors", tmp_path / "c"),
            *("--cert", client.certificate, "--cert-key", client.key, "--server-name", NAME),
        ]
        with closing(rsyslog):
            _, sent = run("send", path, "--to-directory", tmp_path / "out", "--name", "a", "--cursors", tmp_path / "c")
            code, shown = run("drain", tmp_path / "out", "--name", "spool", *to, "--remove", unlock=False)
            assert (code, shown["lines"]) == (0, sent["events"] + 1)
            assert run("drain", tmp_path / "out", "--name", "spool", *to, unlock=False) == (0, {"lines": 0})
            code, directly = run("send", path, "--name", "b", *to, "--largest", "2048", "--enterprise", "12345")
            assert (code, directly["events"] > sent["events"]) == (0, True)
            code, shown = run("send", path, "--name", "c", *to[:6])
            assert code == 8
            assert shown["error"]["code"] in range(2600, 2606)
            rsyslog.wait_for(sent["events"] + directly["events"] + 2)
            code, found = run("reconcile", path, rsyslog.output, "--cursors", tmp_path / "c", "--name", "b")
        assert (code, found["doubled"] > 0, found["missing"]) == (0, True, [])

    @pytest.mark.parametrize(
        "words",
        [
            ["--syslog", "host"],
            ["--syslog", "host", "--ca", "/none/ca.pem"],
        ],
    )
    def test_without_certificates_nothing_is_sent(self, run: Run, path: Path, tmp_path: Path, words: list[str]) -> None:
        code, shown = run("send", path, *words, "--name", "siem", "--cursors", tmp_path / "c")
        assert (code, shown["error"]["code"]) == (8, 2606)

    @pytest.mark.parametrize(
        ("text", "found"),
        [("host", ("host", 6514)), ("host:1", ("host", 1)), ("[::1]:7", ("::1", 7)), ("::1", ("::1", 6514))],
    )
    def test_an_address_has_a_host_and_perhaps_a_port(self, text: str, found: tuple[str, int]) -> None:
        assert sending._address(text) == found

    @pytest.mark.parametrize("text", [":1", "host:", "host:0", "host:65536", "host:x", ""])
    def test_what_is_no_address_is_wrong_usage(self, path: Path, text: str) -> None:
        with pytest.raises(SystemExit) as told:
            audit.main(["send", str(path), "--syslog", text, "--name", "x", "--cursors", "c"])
        assert told.value.code == 16

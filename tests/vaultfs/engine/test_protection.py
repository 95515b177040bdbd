"""Nothing protective is optional: a vault from which something of it was taken away is refused, or known as damaged.

Taken away is a signature, a MAC, a commitment, a key, a secret or a file: once by somebody who has no key, and makes
digests fit as far as that takes none; and once by somebody who has all keys, and writes a head that names what is left.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from vaultfs_format.errors import FieldInvalid, VaultError
from vaultfs_format.head import HEADER, Head
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.keyring import Compartment, Keyring, Tag, seal_keyring
from vaultfs_format.keytable import KeyTable
from vaultfs_format.segment import FOOTER, FOOTER_SIZE
from vaultfs_format.signing import SIGNATURE, SigningKeys
from vaultfs_format.stanza import Stanza
from vaultfs_format.suite import DIGEST, SUITES, Suite
from vaultfs_format.superblock import INBOX, SIGNER, PublicKey, Superblock
from vaultfs_tools.keyless import VaultFiles, check

import vaultfs
from tests.vaultfs.support import MRN, PASSPHRASE, WHO, crashed, create, events, put, read_only, reopen, session
from tests.vaultfs_tools.vaults import groups_of, journals_of, write

Act = Callable[[Path], None]
SIGNATURES = 2484


def codes(path: Path) -> frozenset[int]:
    """Return the codes of what a check without keys finds."""
    return frozenset(finding.error.code for finding in check(VaultFiles(path)).findings)


def refusal(path: Path) -> int:
    """Return the code with which a vault is refused, when it is opened or all of it is read; 0 if it is not."""
    try:
        with reopen(path) as vault:
            with session(vault) as s:
                for hit in s.find(subject=MRN):
                    assert s.get(hit.id).data
            assert events(vault)
            put(vault, b"written later")
            vault.settle()
    except VaultError as error:
        return error.code
    return 0


@pytest.fixture(scope="module", params=SUITES.values(), ids=lambda suite: suite.name)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault with segments of every class and a live journal, without an index."""
    path = tmp_path_factory.mktemp("whole") / "v"
    suite: Suite = request.param
    with create(path, suite=suite.name) as vault:
        put(vault, b"settled" * 20)
        put(vault, bytes(100_000))
        with session(vault) as s, s.transaction() as txn:
            txn.set_state("example", b"key", b"value")
        vault.settle()
        put(vault, b"not settled")
    assert codes(path) == NOTHING
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return crashed(whole, tmp_path / "copy", index=False)


def suite(path: Path) -> Suite:
    """Return the suite of a vault, as any of its segments states it."""
    return SUITES[next(path.rglob("*.vseg")).read_bytes()[9]]


def edit(path: Path, name: str, at: int, size: int) -> None:
    """Write zeros over bytes of a file and of its copy, and make the digest at the end fit."""
    for place in (path / name, path / "copies" / name):
        data = bytearray(place.read_bytes())
        start = at if at >= 0 else len(data) + at
        assert any(data[start : start + size])
        data[start : start + size] = bytes(size)
        data[-DIGEST:] = suite(path).digest(bytes(data[:-DIGEST]))
        place.write_bytes(data)


# Without keys. -----------------------------------------------------------------------------------------------------

_END = DIGEST * 2
_SIGNER = HEADER.offset_of("signer")


def _segments(path: Path) -> None:
    """Take the signatures off all segments, from both footers."""
    at = FOOTER.offset_of("signature")
    for segment in path.rglob("*.vseg"):
        data = bytearray(segment.read_bytes())
        mark = data[-FOOTER_SIZE : -FOOTER_SIZE + 16]
        for start in (data.index(mark, HEADER_SIZE), len(data) - FOOTER_SIZE):
            data[start + at : start + FOOTER.size] = bytes(FOOTER.size - at)
            content = bytes(data[start : start + FOOTER_SIZE - DIGEST])
            data[start + FOOTER_SIZE - DIGEST : start + FOOTER_SIZE] = suite(path).digest(content)
        segment.write_bytes(data)


def _header_mac(path: Path) -> None:
    """Take the MAC off the header of the journal."""
    _zero(path, [HEADER_SIZE])


def _group_macs(path: Path) -> None:
    """Take the MACs off all groups of the journal, which their chain does not cover."""
    (journal,) = journals_of(path)
    _zero(path, groups_of(journal)[1:])


def _zero(path: Path, ends: Sequence[int]) -> None:
    (journal,) = journals_of(path)
    data = bytearray(journal.read_bytes())
    for end in ends:
        data[end - DIGEST : end] = bytes(DIGEST)
    write(journal, bytes(data))


def _remove(*patterns: str) -> Act:
    def act(path: Path) -> None:
        found = [one for pattern in patterns for one in path.glob(pattern)]
        assert found
        for one in found:
            shutil.rmtree(one) if one.is_dir() else one.unlink()

    return act


def _parity(path: Path) -> None:
    """Cut parity and all that follows it off all segments."""
    for segment in path.rglob("*.vseg"):
        data = segment.read_bytes()
        first = data.index(data[-FOOTER_SIZE:], HEADER_SIZE)
        segment.write_bytes(data[: first + FOOTER_SIZE])


@dataclass(frozen=True)
class Row:
    """Something that is taken away.

    Parameters
    ----------
    refused
        With what code the engine refuses the vault; 0: it does not.
    found
        What a check without keys finds.
    """

    name: str
    act: Act
    refused: int
    found: frozenset[int]


HEAD, NOTHING = -SIGNATURES - _END, frozenset[int]()
"""Where the signatures of a head begin, from its end; what is found where nothing is."""
_MISSING, _UNSIGNED = frozenset({9101}), frozenset({1205})

WITHOUT_KEYS = (
    Row("signatures of the head", lambda path: edit(path, "head", HEAD, SIGNATURES), 1201, _UNSIGNED),
    Row("Ed25519 signature of the head", lambda path: edit(path, "head", HEAD, SIGNATURE), 1201, _UNSIGNED),
    Row("ML-DSA signature of the head", lambda path: edit(path, "head", HEAD + SIGNATURE, 2420), 1201, _UNSIGNED),
    Row("signer of the head", lambda path: edit(path, "head", _SIGNER, 4), 2301, frozenset({1104})),
    Row("MAC of the head, which keys show", lambda path: edit(path, "head", -_END, DIGEST), 1201, NOTHING),
    Row("MAC of VAULT", lambda path: edit(path, "VAULT.1", -_END, DIGEST), 2301, frozenset({1106})),
    Row("commitment of the keyring", lambda path: edit(path, "keyring.1", 72, 32), 2301, frozenset({1106})),
    Row("signatures of segments, which fsck checks", _segments, 0, _UNSIGNED),
    Row("parity of segments", _parity, 0, frozenset({9104, 9108, 9116, 9117})),
    Row("MAC of the journal's header", _header_mac, 2301, frozenset({1107, 9113})),
    Row("epoch store, which lies elsewhere", _remove("../v.epoch"), 2204, NOTHING),
    Row("epoch secret, which lies elsewhere", _remove("../v.epoch/*/secret.1"), 2204, NOTHING),
    Row("both heads", _remove("head", "copies/head"), 2301, _MISSING),
    Row("both VAULT files", _remove("VAULT.1", "copies/VAULT.1"), 2301, _MISSING),
    Row("both keyrings", _remove("keyring.1", "copies/keyring.1"), 2301, _MISSING),
    Row("all key tables", _remove("**/*.vkey.1"), 2301, _MISSING),
    Row("second copies, which opening makes again", _remove("copies"), 0, frozenset({9101, 9166})),
)


@pytest.mark.parametrize("row", WITHOUT_KEYS, ids=lambda row: row.name)
def test_what_somebody_without_keys_takes_away_is_missed(row: Row, path: Path) -> None:
    row.act(path)
    assert (codes(path), refusal(path)) == (row.found, row.refused)
    assert row.found or row.refused


@pytest.mark.parametrize("act", [_group_macs, _remove("journal/*.vjrn", "copies/journal/*.vjrn")])
def test_the_end_of_a_journal_is_missed_by_whoever_knows_of_it(act: Act, whole: Path, tmp_path: Path) -> None:
    """Without its MACs a journal ends before them, as after a power cut: the index tells that it went on."""
    path = crashed(whole, tmp_path / "copy")
    act(path)
    assert refusal(path) == 2301


# With all keys. ----------------------------------------------------------------------------------------------------


class Owner:
    """Somebody with all keys of a vault, who writes files of it that lack something, and a head that names them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def writing(self, amended: Callable[[Head], Head]) -> Iterator[vaultfs.Vault]:
        """Yield the open vault; its next head is amended."""
        with reopen(self.path) as vault:
            yield vault
            vault.keys._settle(amended)

    def superblock(self, change: Callable[[Superblock], Superblock], *, mac: bool = True) -> None:
        """Put another VAULT in force."""
        data = (self.path / "VAULT.1").read_bytes()
        old = Superblock.decode(data)
        new = change(old).encode(PASSPHRASE.unlock(old))
        if not mac:
            new = new[: -2 * DIGEST] + bytes(DIGEST)
            new += old.suite.digest(new)
        digest = old.suite.digest(new)
        with self.writing(lambda head: replace(head, superblock_digest=digest)):
            self._write("VAULT.1", new)

    def keyring(self, change: Callable[[Keyring], Keyring]) -> None:
        """Put another keyring in force."""
        (path,) = self.path.glob("keyring.*")
        new = change(Keyring.decode(path.read_bytes()))
        data = new.encode()
        digest = suite(self.path).digest(data)
        with self.writing(lambda head: replace(head, keyring_digest=digest)):
            self._write(path.name, data)

    def tables(self, change: Callable[[KeyTable], KeyTable]) -> None:
        """Put other key tables in force, for all segments that there are."""
        made = {}
        for path in self.path.glob("segments/**/*.vkey.1"):
            table = change(KeyTable.decode(path.read_bytes()))
            made[path.relative_to(self.path).as_posix()] = table.segment_id, table.encode()
        digests = {segment: data[-DIGEST:] for segment, data in made.values()}

        def amended(head: Head) -> Head:
            rows = [row._replace(table_digest=digests.get(row.segment_id, row.table_digest)) for row in head.segments]
            return replace(head, segments=rows)

        with self.writing(amended):
            pass
        for name, (_, data) in made.items():
            if (self.path / name).exists():
                self._write(name, data)

    def _write(self, name: str, data: bytes) -> None:
        for place in (self.path / name, self.path / "copies" / name):
            place.write_bytes(data)


def _keys(old: Superblock, purpose: int, change: Callable[[bytes], bytes] | None) -> Superblock:
    """Return VAULT with other public keys of a purpose, or without them."""
    others = [one for one in old.public_keys if one.purpose != purpose]
    changed = [PublicKey(purpose, change(one.value)) for one in old.public_keys if change and one.purpose == purpose]
    return replace(old, public_keys=[*others, *changed])


def _no_lattice(key: bytes) -> bytes:
    return key[:-1312] + bytes(1312)


def _stanza(old: Superblock, at: int, size: int) -> Superblock:
    """Return VAULT with zeros in the place of bytes of its stanza, counted from its end."""
    (stanza,) = old.stanzas
    start = len(stanza.body) - at
    body = stanza.body[:start] + bytes(size) + stanza.body[start + size :]
    return replace(old, stanzas=[Stanza(stanza.kind, body)])


def _without(ring: Keyring, compartment: Compartment) -> Keyring:
    return replace(ring, compartments={n: data for n, data in ring.compartments.items() if n != compartment})


@dataclass(frozen=True)
class Omission:
    """Something that is left out. Fields as in `Row`."""

    name: str
    act: Callable[[Owner], None]
    refused: int
    found: frozenset[int] = NOTHING


OWNED = (
    Omission("signers", lambda o: o.superblock(lambda old: _keys(old, SIGNER, None)), 1104, frozenset({1104})),
    Omission("lattice key", lambda o: o.superblock(lambda old: _keys(old, SIGNER, _no_lattice)), 1205, _UNSIGNED),
    Omission("MAC of VAULT", lambda o: o.superblock(lambda old: old, mac=False), 1201),
    Omission("commitment of a stanza", lambda o: o.superblock(lambda old: _stanza(old, 80, 32)), 1210),
    Omission("MAC of a stanza", lambda o: o.superblock(lambda old: _stanza(old, 16, 16)), 1210),
    Omission("commitment of the keyring", lambda o: o.keyring(lambda ring: replace(ring, commitment=bytes(32))), 1202),
    Omission("signing keys", lambda o: o.keyring(lambda ring: _without(ring, Compartment.SIGNING)), 1200),
    Omission("inbox key", lambda o: o.keyring(lambda ring: _without(ring, Compartment.INBOX)), 1200),
    Omission("commitments of tables", lambda o: o.tables(lambda table: replace(table, commitment=bytes(32))), 1202),
)


@pytest.mark.parametrize("row", OWNED, ids=lambda row: row.name)
def test_what_somebody_with_all_keys_leaves_out_is_missed(row: Omission, path: Path) -> None:
    row.act(Owner(path))
    shutil.rmtree(path / "index")
    assert (codes(path), refusal(path)) == (row.found, row.refused)


@pytest.mark.parametrize(
    "change",
    [
        lambda ring: replace(ring, suite=next(one for one in SUITES.values() if one is not ring.suite)),
        lambda ring: replace(ring, vault_id=bytes(16)),
        lambda ring: replace(ring, epoch=2),
    ],
    ids=["suite", "vault", "epoch"],
)
def test_a_keyring_that_states_something_else_than_the_head_is_refused(
    path: Path, change: Callable[[Keyring], Keyring]
) -> None:
    Owner(path).keyring(change)
    shutil.rmtree(path / "index")
    assert (codes(path), refusal(path)) == (frozenset({9104}), 2301)


def test_a_vault_file_that_states_another_generation_than_the_head_is_refused(path: Path) -> None:
    Owner(path).superblock(lambda old: replace(old, generation=2))
    shutil.rmtree(path / "index")
    assert (codes(path), refusal(path)) == (frozenset({9104}), 2301)


def test_a_keyring_that_does_not_say_how_its_epoch_began_is_refused(path: Path) -> None:
    """Nobody would know which copies are behind, or try again to destroy what is left of earlier secrets."""
    with reopen(path) as vault:
        vault.keys.turn(PASSPHRASE)
        root = bytes(vault.engine.chain.epoch_root)

    def without(ring: Keyring) -> Keyring:
        content = {number: dict(ring.open(root, Compartment(number))) for number in ring.compartments}
        del content[Compartment.DATA][Tag.TURN]
        return seal_keyring(ring.suite, ring.vault_id, ring.epoch, root, bytes(32), content)

    Owner(path).keyring(without)
    shutil.rmtree(path / "index")
    assert (codes(path), refusal(path)) == (NOTHING, 1104)


def test_without_an_inbox_nobody_reads_beside_the_writer(path: Path) -> None:
    """There is nothing to seal the key of a log to, and what cannot be logged is not read."""
    Owner(path).superblock(lambda old: _keys(old, INBOX, None))
    with reopen(path), pytest.raises(FieldInvalid), read_only(path) as reader, reader.session(WHO, "TREAT") as s:
        s.find(subject=MRN)


@pytest.mark.parametrize("kept", ["neither", "Ed25519", "ML-DSA"])
def test_a_head_that_its_own_writer_has_not_signed_whole_is_refused(
    path: Path, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = SigningKeys.sign_head

    def partly(keys: SigningKeys, statement: bytes) -> bytes:
        first, second = (made := sign(keys, statement))[:SIGNATURE], made[SIGNATURE:]
        return (first if kept == "Ed25519" else bytes(SIGNATURE)) + (second if kept == "ML-DSA" else bytes(2420))

    with monkeypatch.context() as patched, reopen(path) as vault:
        patched.setattr(SigningKeys, "sign_head", partly)
        vault.settle()
    assert (codes(path), refusal(path)) == (_UNSIGNED, 1205)


def test_segments_that_their_own_writer_has_not_signed_are_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, reopen(path) as vault:
        patched.setattr(SigningKeys, "sign_segment", lambda *_: bytes(SIGNATURE))
        vault.settle()
    assert codes(path) == _UNSIGNED

"""Recipient stanzas: bounded before they cost anything, opened by one passphrase."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
import textwrap

import pytest
from blake3 import blake3
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from vaultfs_format import limits
from vaultfs_format.errors import (
    AlgorithmMissing,
    CommitmentMismatch,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    NotEnoughMemory,
    Structure,
    TrailingBytes,
    Truncated,
    UnsupportedFeature,
    VaultError,
)
from vaultfs_format.stanza import PASSPHRASE as LAYOUT
from vaultfs_format.stanza import (
    PBKDF2,
    Argon2Cost,
    PassphraseStanza,
    Pbkdf2Cost,
    Stanza,
    StanzaType,
    permitted,
    seal_passphrase,
)
from vaultfs_format.suite import DEFAULT, FIPS

from tests.vaultfs_format.examples import CHEAP, PASSPHRASE, ROOT_KEY, VAULT_ID

SALT = b"p" * 32
SEALED = seal_passphrase(DEFAULT, VAULT_ID, ROOT_KEY, PASSPHRASE, SALT, CHEAP)


def test_a_stanza_is_as_the_specification_derives_it() -> None:
    hashed = Argon2id(salt=SALT, length=32, iterations=1, lanes=1, memory_cost=8).derive(PASSPHRASE)
    label = b"vaultfs/0/stanza-kek"
    derived = blake3(bytes([len(label)]) + label + SALT, key=hashed).digest(length=64)
    sealed = AESGCM(derived[:32]).encrypt(bytes(12), ROOT_KEY, VAULT_ID)
    costs = b"\x08\0\0\0\x01\0\0\0\x01\0\0\0"
    assert SEALED.encode() == costs + SALT + derived[32:] + sealed


def test_what_is_written_is_read_and_opens_with_its_passphrase() -> None:
    found = Stanza(StanzaType.PASSPHRASE, SEALED.encode()).passphrase()
    assert found == SEALED
    assert found.open(DEFAULT, VAULT_ID, PASSPHRASE) == ROOT_KEY


def test_argon2id_is_that_of_rfc_9106() -> None:
    """The vector of RFC 9106 section 5.3 has a secret and data, of which stanzas have none."""
    secret, data = b"\3" * 8, b"\4" * 12
    function = Argon2id(salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, secret=secret, ad=data)
    expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert function.derive(b"\1" * 32).hex() == expected


@pytest.mark.parametrize(
    ("memory", "lanes", "expected"),
    [
        (65_536, 1, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (256, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        (256, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
    ],
)
def test_a_passphrase_leads_to_the_secret_that_argon2id_gives(memory: int, lanes: int, expected: str) -> None:
    """Vectors of the reference implementation (test.c of phc-winner-argon2), version 0x13."""
    assert Argon2Cost(memory, 2, lanes).hash(b"password", b"somesalt").hex() == expected


def test_another_passphrase_is_told_by_the_commitment() -> None:
    with pytest.raises(CommitmentMismatch):
        SEALED.open(DEFAULT, VAULT_ID, PASSPHRASE + b"\n")


def test_a_stanza_of_another_vault_is_refused() -> None:
    with pytest.raises(DecryptionFailed):
        SEALED.open(DEFAULT, bytes(16), PASSPHRASE)


@pytest.mark.parametrize("at", [44, 75, 76, 107, 123])
def test_a_changed_commitment_or_ciphertext_is_refused(at: int) -> None:
    data = bytearray(SEALED.encode())
    data[at] ^= 1
    with pytest.raises((CommitmentMismatch, DecryptionFailed)):
        PassphraseStanza.decode(data).open(DEFAULT, VAULT_ID, PASSPHRASE)


def test_another_type_is_unsupported() -> None:
    with pytest.raises(UnsupportedFeature):
        Stanza(9, SEALED.encode()).passphrase()


@pytest.mark.parametrize(
    ("cost", "error"),
    [
        ((limits.MAX_ARGON_MEMORY + 1, 1, 1), LimitExceeded),
        ((8, limits.MAX_ARGON_PASSES + 1, 1), LimitExceeded),
        ((limits.MAX_ARGON_MEMORY, limits.MAX_ARGON_WORK // limits.MAX_ARGON_MEMORY + 1, 1), LimitExceeded),
        ((2**32 - 1, 1, limits.MAX_ARGON_LANES + 1), LimitExceeded),
        ((512 + 8, 1, limits.MAX_ARGON_LANES + 1), LimitExceeded),
        ((8, 0, 1), FieldInvalid),
        ((8, 1, 0), FieldInvalid),
        ((0, 1, 0), FieldInvalid),
        ((7, 1, 1), FieldInvalid),
        ((15, 1, 2), FieldInvalid),
    ],
)
def test_costs_out_of_bounds_are_refused_before_they_run(cost: tuple[int, int, int], error: type[VaultError]) -> None:
    with pytest.raises(error):
        PassphraseStanza.decode(LAYOUT.pack(*cost, SALT, bytes(32), bytes(48)))
    with pytest.raises(error):
        seal_passphrase(DEFAULT, VAULT_ID, ROOT_KEY, PASSPHRASE, SALT, Argon2Cost(*cost))


@pytest.mark.parametrize(("passes", "rule"), [(0, 1), (1, 2)])
def test_a_broken_rule_is_named(passes: int, rule: int) -> None:
    with pytest.raises(FieldInvalid) as refused:
        Argon2Cost(7, passes, 1).check()
    assert refused.value.facts == {"structure": Structure.STANZA, "rule": rule}


def test_the_body_has_one_size() -> None:
    body = SEALED.encode()
    with pytest.raises(Truncated):
        PassphraseStanza.decode(body[:-1])
    with pytest.raises(TrailingBytes):
        PassphraseStanza.decode(body + b"\0")


def test_a_cost_beyond_the_memory_there_is_is_a_coded_error() -> None:
    """In a process of its own, whose address space cannot hold what the stanza asks for."""
    program = """
        import resource
        from vaultfs_format.errors import NotEnoughMemory
        from vaultfs_format.stanza import Argon2Cost, seal_passphrase
        from vaultfs_format.suite import DEFAULT

        resource.setrlimit(resource.RLIMIT_AS, (512 * 2**20, 512 * 2**20))
        try:
            seal_passphrase(DEFAULT, bytes(16), bytes(32), b"passphrase", bytes(32), Argon2Cost(2**20, 1, 1))
        except NotEnoughMemory as error:
            print(error.code)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(NotEnoughMemory.code)


# Suite 2: PBKDF2.

FEWEST = Pbkdf2Cost()
APPROVED = seal_passphrase(FIPS, VAULT_ID, ROOT_KEY, PASSPHRASE, SALT, FEWEST)


def test_a_stanza_of_suite_2_is_as_the_specification_derives_it() -> None:
    hashed = hashlib.pbkdf2_hmac("sha256", PASSPHRASE, SALT, 600_000, 32)
    label = b"vaultfs/0/stanza-kek"
    info = bytes([len(label)]) + label + SALT
    first = hmac.digest(hashed, info + b"\1", "sha256")
    second = hmac.digest(hashed, first + info + b"\2", "sha256")
    sealed = AESGCM(first).encrypt(bytes(12), ROOT_KEY, VAULT_ID)
    assert APPROVED.encode() == (600_000).to_bytes(4, "little") + SALT + second + sealed
    found = Stanza(StanzaType.PBKDF2, APPROVED.encode()).passphrase()
    assert found == APPROVED
    assert found.open(FIPS, VAULT_ID, PASSPHRASE) == ROOT_KEY
    with pytest.raises(CommitmentMismatch):
        found.open(FIPS, VAULT_ID, PASSPHRASE + b"\n")


@pytest.mark.parametrize(
    ("iterations", "error"),
    [
        (0, FieldInvalid),
        (limits.MIN_PBKDF2_ITERATIONS - 1, FieldInvalid),
        (limits.MAX_PBKDF2_ITERATIONS + 1, LimitExceeded),
    ],
)
def test_iterations_out_of_bounds_are_refused_before_they_run(iterations: int, error: type[VaultError]) -> None:
    with pytest.raises(error):
        PassphraseStanza.decode(PBKDF2.pack(iterations, SALT, bytes(32), bytes(48)), StanzaType.PBKDF2)
    with pytest.raises(error):
        seal_passphrase(FIPS, VAULT_ID, ROOT_KEY, PASSPHRASE, SALT, Pbkdf2Cost(iterations))


def test_the_most_iterations_are_legal() -> None:
    Pbkdf2Cost(limits.MAX_PBKDF2_ITERATIONS).check()


def test_each_suite_has_its_passphrase_stanza_and_any_that_is_not_known() -> None:
    for kind, suites in ((1, [DEFAULT]), (2, [FIPS]), (9, [DEFAULT, FIPS]), (0, [DEFAULT, FIPS])):
        assert [suite for suite in (DEFAULT, FIPS) if permitted(suite, kind)] == suites
        assert Stanza(kind, b"").takes_passphrase == (kind in {1, 2})


def test_a_machine_without_argon2id_is_told_in_a_coded_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise UnsupportedAlgorithm("not under this provider")

    monkeypatch.setattr("vaultfs_format.stanza.Argon2id", refuse)
    with pytest.raises(AlgorithmMissing) as refused:
        SEALED.open(DEFAULT, VAULT_ID, PASSPHRASE)
    assert refused.value.facts == {"structure": Structure.STANZA}

"""What a VAULT asks for is bounded before anything is computed for it, whoever wrote it.

Each VAULT is unlocked in a process that has half a GiB of address space and a minute of processor time: more than a
refusal takes, and far less than what is asked for.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from vaultfs_format import limits
from vaultfs_format.errors import LimitExceeded, NotEnoughMemory
from vaultfs_format.escrowstanza import ESCROW, GROUP
from vaultfs_format.stanza import PASSPHRASE, PBKDF2, Argon2Cost, Stanza, StanzaType
from vaultfs_format.suite import DEFAULT, FIPS, Suite
from vaultfs_format.superblock import Superblock

from tests.vaultfs.keys.support import ROOT, VAULT
from vaultfs.keys import Escrow

SEAL = bytes(32), bytes(32), bytes(48)
DEAREST = Argon2Cost(limits.MAX_ARGON_MEMORY, limits.MAX_ARGON_WORK // limits.MAX_ARGON_MEMORY, 4)
"""The most that a stanza may ask for: 1 GiB, sixteen times."""

ESCROWED = Escrow.draw([(2, 3)], iteration_exponent=0)
PROGRAM = """
    import resource
    import sys
    from vaultfs_format.superblock import Superblock
    from vaultfs.errors import VaultError
    from vaultfs.keys import Passphrase, Shares

    resource.setrlimit(resource.RLIMIT_AS, (512 * 2**20, 512 * 2**20))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    shares = sys.stdin.buffer.readline().decode().strip().split(",")
    unlock = Shares(shares) if any(shares) else Passphrase(b"a passphrase")
    try:
        unlock.unlock(Superblock.decode(sys.stdin.buffer.read()))
    except VaultError as error:
        print(error.code)
"""


def refusal(suite: Suite, stanzas: list[Stanza], *shares: str) -> int:
    """Return the code of the error that a VAULT with these stanzas is refused with."""
    words = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    data = ",".join(shares).encode() + b"\n" + Superblock(suite, VAULT, 1, stanzas, ()).encode(ROOT)
    return int(subprocess.run(words, input=data, capture_output=True, check=True).stdout)


def argon2(memory_kib: int, passes: int = 1, lanes: int = 4) -> Stanza:
    """Return a stanza that asks for this, whether or not it may."""
    return Stanza(StanzaType.PASSPHRASE, PASSPHRASE.pack(memory_kib, passes, lanes, *SEAL))


def test_what_a_stanza_may_ask_for_is_computed() -> None:
    """Which this process cannot do: that nothing was computed elsewhere is told by this error not being raised."""
    dearest = argon2(DEAREST.memory_kib, DEAREST.passes)
    DEAREST.check()
    assert refusal(DEFAULT, [dearest] * limits.MAX_STANZAS) == NotEnoughMemory.code


def test_more_stanzas_than_a_vault_has_are_refused_before_any_is_tried() -> None:
    dearest = argon2(DEAREST.memory_kib, DEAREST.passes)
    assert refusal(DEFAULT, [dearest] * (limits.MAX_STANZAS + 1)) == LimitExceeded.code


@pytest.mark.parametrize(
    "stanza",
    [
        pytest.param(argon2(2**30), id="a TiB of memory"),
        pytest.param(argon2(2**32 - 1, 2**32 - 1, 2**32 - 1), id="the most that can be written"),
        pytest.param(argon2(8 * 64, 2**32 - 1), id="passes"),
        pytest.param(argon2(2**20, 1, 2**17), id="lanes"),
        pytest.param(argon2(DEAREST.memory_kib, DEAREST.passes + 1), id="work"),
    ],
)
def test_argon2id_beyond_its_limits_is_refused_before_it_runs(stanza: Stanza) -> None:
    assert refusal(DEFAULT, [stanza]) == LimitExceeded.code


def test_pbkdf2_beyond_its_limit_is_refused_before_it_runs() -> None:
    stanza = Stanza(StanzaType.PBKDF2, PBKDF2.pack(2**32 - 1, *SEAL))
    assert refusal(FIPS, [stanza]) == LimitExceeded.code


@pytest.mark.parametrize("exponent", [limits.MAX_ESCROW_EXPONENT + 1, 15, 255])
def test_a_passphrase_of_shares_beyond_its_cost_is_refused_before_it_runs(exponent: int) -> None:
    body = ESCROW.pack(ESCROWED.plan.identifier, exponent, 1, 1, *SEAL) + GROUP.pack(2, 3)
    assert refusal(DEFAULT, [Stanza(StanzaType.ESCROW, body)], *ESCROWED.groups[0]) == LimitExceeded.code

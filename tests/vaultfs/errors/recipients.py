"""Scenarios: recipients that are not passphrases, and what keeps them from opening a vault."""

from __future__ import annotations

import errno
import sys
from dataclasses import replace
from unittest.mock import patch

import pkcs11
from vaultfs_tools.custody.errors import SharesInDoubt

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs.errors.world import PLANTED, SECRET, World, reaches
from tests.vaultfs.support import failing_open
from vaultfs.keys import Escrow, HostKey, Shares, Token, cryptoki
from vaultfs.testing.vfs import FaultyVfs, Operation, When


def sealed_for_token(world: World, token: Token) -> None:
    """Let a token open the vault of a scenario."""
    with world.opened() as vault:
        vault.keys.add(token, unlock=SECRET)


@reaches("ExtraMissing")
def a_token_is_used_where_the_extra_is_not_installed(world: World) -> None:
    token = softhsm.new_token()
    sealed_for_token(world, token)
    with patch.dict(sys.modules, {"pkcs11": None}):
        world.opened(unlock=token)


@reaches("TokenMissing")
def a_token_is_not_plugged_in(world: World) -> None:
    token = softhsm.new_token()
    sealed_for_token(world, token)
    world.opened(unlock=replace(token, label=PLANTED.plain("label")))


@reaches("TokenKeyMissing")
def another_token_is_plugged_in(world: World) -> None:
    sealed_for_token(world, softhsm.new_token())
    world.opened(unlock=softhsm.new_token(key=False))


@reaches("PinWrong")
def a_pin_is_mistyped(world: World) -> None:
    token = softhsm.new_token()
    sealed_for_token(world, token)
    world.opened(unlock=replace(token, pin=PLANTED.plain("pin").encode()))


@reaches("PinLocked")
def a_token_has_locked_itself(world: World) -> None:
    token = softhsm.new_token()
    sealed_for_token(world, token)
    with patch.object(cryptoki, "_login", side_effect=pkcs11.PinLocked):  # SoftHSM locks none
        world.opened(unlock=token)


@reaches("TokenFailed")
def a_token_is_pulled_out_while_it_is_used(world: World) -> None:
    token = softhsm.new_token()
    sealed_for_token(world, token)
    with patch.object(cryptoki, "unwrap", side_effect=pkcs11.DeviceRemoved(PLANTED.text("device"))):
        world.opened(unlock=token)


class _Service:
    """A key service that fails after a while, and says more than it should."""

    def __init__(self) -> None:
        self.fails = False

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return secret

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        if self.fails:
            raise OSError(f"https://{PLANTED.text('account')}@kms")
        return blob


@reaches("KeyServiceFailed")
def a_key_service_cannot_be_reached(world: World) -> None:
    service = _Service()
    with world.opened() as vault:
        vault.keys.add(HostKey("kms/records", service), unlock=SECRET)
    service.fails = True
    world.opened(unlock=HostKey("kms/records", service))


def escrow(world: World) -> tuple[vaultfs.Vault, Escrow]:
    """Let an escrow open the vault of a scenario."""
    passphrase = PLANTED.plain("shares").encode()
    made = Escrow.draw([(2, 3)], passphrase=passphrase, iteration_exponent=0)
    vault = world.opened()
    vault.keys.add(made, unlock=SECRET)
    return vault, made


@reaches("ShareInvalid")
def a_share_is_mistyped(world: World) -> None:
    vault, made = escrow(world)
    (first, _, _) = made.groups[0]
    vault.keys.drill(Shares([first, PLANTED.text("mistyped")], made.passphrase))


@reaches("SharesMissing")
def too_few_people_have_come(world: World) -> None:
    vault, made = escrow(world)
    vault.keys.drill(Shares(made.groups[0][:1], made.passphrase))


@reaches("RecipientsUnheld")
def a_root_key_is_replaced_and_shares_are_forgotten(world: World) -> None:
    vault, _ = escrow(world)
    vault.keys.rekey(unlock=SECRET)


@reaches("SharesInDoubt")
def a_disk_fails_while_shares_are_taken_into_use(world: World) -> set[int]:
    """At one of the moves of files by which the head is replaced."""
    with world.opened() as vault:
        vault.settle()
    seen: set[int] = set()
    for number in range(20, 0, -1):
        opens = failing_open(FaultyVfs(), Operation.MOVE, error=errno.EIO, number=number, when=When.ALL_DONE)
        with patch.object(vaultfs, "open", opens):
            seen |= world.keys("escrow", "split", world.path, world.hidden / f"{number}", "--group", "1/1")
        if SharesInDoubt.code in seen:
            break
    return seen

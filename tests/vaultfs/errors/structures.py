"""Scenarios: bytes that are not what the format says, that a newer program wrote, or that these keys did not seal."""

from __future__ import annotations

import os
from unittest import mock
from zlib import crc32

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from vaultfs_format import compression
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.keyring import Compartment, Keyring, Tag, seal_keyring
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT, KEY

from tests.vaultfs.errors.world import PLANTED, SECRET, World, cut, flip, reaches
from tests.vaultfs_tools import vaults


def _prefix(world: World, at: int) -> set[int]:
    """Give a file the prefix of a program that knows more, and describe it."""
    path = world.path / "head"
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    data[12:16] = crc32(data[:12]).to_bytes(4, "little")
    path.write_bytes(data)
    return world.dump(path)


@reaches("UnsupportedVersion")
def a_file_has_a_later_version(world: World) -> set[int]:
    return _prefix(world, 8)


@reaches("UnsupportedSuite")
def a_file_has_another_suite(world: World) -> set[int]:
    return _prefix(world, 9)


@reaches("UnsupportedFeature")
def a_file_has_features_of_a_later_version(world: World) -> set[int]:
    return _prefix(world, 10)


@reaches("AlgorithmMissing")
def a_provider_without_lattice_schemes_is_put_in_place(world: World) -> set[int]:
    missing = UnsupportedAlgorithm("what a library says")
    with mock.patch.object(MLDSA44PublicKey, "from_public_bytes", side_effect=missing):
        return world.fsck()


@reaches("BadMagic")
def the_first_byte_of_the_head_flips(world: World) -> set[int]:
    flip(world.path / "head", 0)
    return world.dump(world.path / "head")


@reaches("Truncated")
def the_head_is_cut(world: World) -> set[int]:
    cut(world.path / "head", -5)
    return world.dump(world.path / "head")


@reaches("TrailingBytes")
def a_byte_is_appended_to_the_head(world: World) -> set[int]:
    with (world.path / "head").open("ab") as file:
        file.write(b"x")
    return world.dump(world.path / "head")


@reaches("DigestMismatch")
def a_byte_in_the_keyring_flips(world: World) -> set[int]:
    flip(world.path / "keyring.1", 60)
    return world.fsck("--check-only")


@reaches("FieldInvalid")
def the_kind_of_a_group_flips(world: World) -> set[int]:
    vaults.flip_both(vaults.journals_of(world.path)[0], HEADER_SIZE + 4)
    return world.fsck()


@reaches("ChainBroken")
def the_number_of_a_group_flips(world: World) -> set[int]:
    vaults.flip_both(vaults.journals_of(world.path)[0], HEADER_SIZE + 6)
    return world.fsck()


@reaches("LimitExceeded")
def the_head_has_become_larger_than_a_gibibyte(world: World) -> set[int]:
    os.truncate(world.path / "head", (1 << 30) + 1)
    return world.fsck()


@reaches("MacMismatch")
def both_heads_were_written_with_other_keys(world: World) -> None:
    vaults.put_head(world.path, vaults.head_of(world.path), unlock=SECRET)
    world.opened()


@reaches("CommitmentMismatch")
def a_keyring_is_opened_with_the_root_of_another_epoch(_: World) -> None:
    _keyring().open(bytes(range(KEY)), Compartment.DATA)


@reaches("DecryptionFailed")
def a_body_that_is_not_settled_yet_flips(world: World) -> set[int]:
    vaults.flip_both(world.file("*.part"), 6000)
    return world.fsck(keys=True)


@reaches("DecompressionFailed")
def a_body_does_not_expand_to_its_size(_: World) -> None:
    codec, packed = compression.compress(PLANTED.data("body") * 2)
    compression.expand(codec, bytes(packed), 5, 1 << 20)


@reaches("SignatureInvalid")
def a_signature_is_not_the_signers(_: World) -> None:
    SigningKeys(DEFAULT, 1, bytes(96)).signer.verify_segment(PLANTED.data("statement"), bytes(64))


@reaches("NotAuthentic")
def a_compartment_was_taken_out_of_a_keyring(_: World) -> None:
    _keyring().open(bytes(KEY), Compartment.SIGNING)


def _keyring() -> Keyring:
    values: dict[int, bytes] = {Tag.RECORD_ID_KEY: bytes(KEY), Tag.IDENTIFIER_KEY: bytes(KEY)}
    sealed = seal_keyring(DEFAULT, bytes(16), 1, bytes(KEY), bytes(32), {Compartment.DATA: values})
    return Keyring.decode(sealed.encode())

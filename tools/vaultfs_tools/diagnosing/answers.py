"""Self-tests of the algorithms of both suites: published answers, or that what was made is taken back.

Each is asked of the code by which vaults use it. In approved mode the provider of OpenSSL answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import urandom

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import MD5, BLAKE2b, Hash
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from vaultfs_format import sealing, sha2
from vaultfs_format.errors import AlgorithmMissing, Structure
from vaultfs_format.schemes import ECDSA_P256, ED25519, ML_DSA_44, Scheme
from vaultfs_format.suite import DEFAULT, FIPS, Suite, same

from vaultfs_tools.diagnosing.facts import Fact, State

_MISSING = (AlgorithmMissing, UnsupportedAlgorithm, InternalError, ValueError)
"""How `cryptography` says that its OpenSSL has not got, or may not use, an algorithm: the last of a key for it."""


@dataclass(frozen=True, slots=True)
class Test:
    """A self-test.

    Parameters
    ----------
    name
        The algorithm, and what its answer was compared with.
    suites
        The suites that need it.
    right
        Returns whether the answer was right; raises one of `_MISSING`.
    optional
        Whether vaults of suite fips are made without it where it is missing.
    """

    name: str
    suites: tuple[Suite, ...]
    right: Callable[[], bool]
    optional: bool = False


def _known(answer: str, ask: Callable[[], bytes]) -> Callable[[], bool]:
    return lambda: same(ask(), bytes.fromhex(answer))


def _signs(scheme: Scheme) -> bool:
    private, message = scheme.draw(urandom), b"a message"
    signature = scheme.sign(private, message)
    public = scheme.public(private)
    return scheme.verify(public, message, signature) and not scheme.verify(public, b"another", signature)


def _verifies_ecdsa() -> bool:
    private = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
    signature = (
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )
    public = ECDSA_P256.public(bytes.fromhex(private))
    return ECDSA_P256.verify(public, b"sample", bytes.fromhex(signature)) and _signs(ECDSA_P256)


def _seals(suite: Suite) -> bool:
    private, plain = suite.draw_private_key(urandom), b"a secret"
    sealed = suite.seal_to(suite.public_key(private), plain, b"bound", Structure.STANZA)
    return suite.open_from(private, sealed, b"bound", Structure.STANZA) == plain


def _argon2id() -> bytes:
    function = Argon2id(
        salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\4" * 12, secret=b"\3" * 8
    )
    return function.derive(b"\1" * 32)


_BOTH = (DEFAULT, FIPS)
_COUNTED = bytes(range(32))
_PRK = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
_ED25519 = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
TESTS = (
    Test(
        "AES-256-GCM: test case 14 of its specification",
        _BOTH,
        _known(
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
            lambda: sealing.seal(bytes(32), bytes(16), b""),
        ),
    ),
    Test(
        "AES-256, one block: FIPS 197, C.3",
        _BOTH,
        _known(
            "8ea2b7ca516745bfeafc49904b496089",
            lambda: sealing.encrypt_blocks(_COUNTED, bytes.fromhex("00112233445566778899aabbccddeeff")),
        ),
    ),
    Test(
        "SHA-256: FIPS 180-4, example abc",
        _BOTH,
        _known("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", lambda: sha2.digest(b"abc")),
    ),
    Test(
        "HMAC-SHA-256: RFC 4231, test case 1",
        (FIPS,),
        _known(
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            lambda: sha2.mac(b"\x0b" * 20, b"Hi There"),
        ),
    ),
    Test(
        "HKDF-Expand with SHA-256: RFC 5869, A.1",
        (FIPS,),
        _known(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            lambda: sha2.expand(_PRK, bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), 42),
        ),
    ),
    Test(
        "PBKDF2 with HMAC-SHA-256: RFC 6070, the fifth, by SHA-256",
        (FIPS,),
        _known(
            "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9",
            lambda: sha2.stretch(b"passwordPASSWORDpassword", b"saltSALT" * 4 + b"salt", 4096, 40),
        ),
    ),
    Test("HPKE with P-256: sealed and opened", (FIPS,), lambda: _seals(FIPS)),
    Test("ECDSA with P-256: RFC 6979, A.2.5; signed and checked", (FIPS,), _verifies_ecdsa),
    Test(
        "Ed25519: RFC 8032, 7.1, test 1",
        _BOTH,
        _known(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b",
            lambda: ED25519.sign(_ED25519, b""),
        ),
    ),
    Test("ML-DSA-44: signed and checked", _BOTH, lambda: _signs(ML_DSA_44), optional=True),
    Test(
        "BLAKE3, keyed: its test vector of one byte",
        (DEFAULT,),
        _known(
            "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
            lambda: DEFAULT.mac(b"whats the Elvish word for friend", b"", b""),  # whose length is the byte
        ),
    ),
    Test(
        "Argon2id: RFC 9106, 5.3",
        (DEFAULT,),
        _known("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659", _argon2id),
    ),
    Test("HPKE with MLKEM768-X25519: sealed and opened", (DEFAULT,), lambda: _seals(DEFAULT)),
)
NOT_APPROVED: dict[str, Callable[[], object]] = {
    "MD5": lambda: Hash(MD5()),  # noqa: S303 - that it is refused
    "BLAKE2b": lambda: Hash(BLAKE2b(64)),
    "ChaCha20-Poly1305": lambda: ChaCha20Poly1305(bytes(32)),
}
"""What a provider in approved mode must refuse."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the self-tests of a suite gave.

    Parameters
    ----------
    missing, wrong
        Names of tests: of what is not there, and of what gave another answer.
    lattice
        Whether ML-DSA-44 is there.
    """

    suite: Suite
    count: int
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    lattice: bool

    @property
    def usable(self) -> bool:
        """Whether vaults of this suite can be made and opened here."""
        return not (self.missing or self.wrong)

    def fact(self, *, needed: bool) -> Fact:
        """Return what is to be said of it. `needed`: that the suite can be used was asked for."""
        name = f"suite {self.suite.name}"
        if self.wrong:
            return Fact(name, State.WRONG, f"a wrong answer: {'; '.join(self.wrong)}")
        if self.missing:
            state = State.WRONG if needed else State.NOTE
            return Fact(name, state, f"cannot be used here; missing: {'; '.join(self.missing)}")
        without = "" if self.lattice else "; without ML-DSA-44: heads have one signature, and none with two is opened"
        return Fact(name, State.GOOD, f"{self.count} self-tests gave the right answers{without}")


def _result(test: Test) -> bool | None:
    """Return whether the answer was right, None where there is none."""
    try:
        return test.right()
    except _MISSING:
        return None


def asked(suite: Suite, tests: Iterable[Test] = TESTS) -> Answers:
    """Run the self-tests of a suite."""
    results = {test: _result(test) for test in tests if suite in test.suites}
    lattice = all(result is not None for test, result in results.items() if test.optional)
    return Answers(
        suite,
        sum(result is not None for result in results.values()),
        tuple(
            test.name for test, result in results.items() if result is None and not (test.optional and suite is FIPS)
        ),
        tuple(test.name for test, result in results.items() if result is False),
        lattice,
    )


def not_refused() -> Iterator[str]:
    """Yield the names of what is not approved and is there all the same."""
    for name, ask in NOT_APPROVED.items():
        try:
            ask()
        except _MISSING:
            continue
        yield name

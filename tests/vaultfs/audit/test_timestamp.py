"""Time stamps by a real authority: what is right is taken, by OpenSSL as well, and nothing else."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vaultfs.audit.tsa import Authority
from vaultfs.audit import timestamp
from vaultfs.audit.timestamp import StampFlaw, make_request, stamp, verify
from vaultfs.errors import LimitExceeded
from vaultfs.keys.errors import Extra, ExtraMissing

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
DATA = b"vaultfs/0011\n7\nroot\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that gives right answers."""
    pytest.importorskip("rfc3161_client", reason="rfc3161-client is not installed")
    return Authority.make(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture(scope="module")
def answered(authority: Authority) -> tuple[bytes, bytes]:
    """Return a request, and the answer to it."""
    request = make_request(DATA)
    return request, authority.send(request)


def flaw_of(*given: bytes) -> StampFlaw:
    """Return what is wrong with a time stamp."""
    with pytest.raises(timestamp.TimestampInvalid) as refused:
        verify(*given)
    flaw = refused.value.facts["flaw"]
    assert isinstance(flaw, StampFlaw)
    return flaw


def test_a_checkpoint_is_stamped_and_openssl_agrees(authority: Authority) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    response, stamped = stamp(DATA, authority.send, authority.root)
    assert before <= stamped.time <= datetime.now(UTC) + timedelta(seconds=1)
    assert verify(DATA, response, authority.root) == stamped
    assert authority.verifies(DATA, response)
    again, later = stamp(DATA, authority.send, authority.root)
    assert later.serial == stamped.serial + 1
    assert again != response


def test_a_request_has_a_nonce_of_its_own_and_asks_for_the_certificate(authority: Authority) -> None:
    from rfc3161_client._rust import parse_timestamp_request

    one, two = (parse_timestamp_request(make_request(DATA)) for _ in range(2))
    assert one.cert_req
    assert one.nonce != two.nonce
    assert one.message_imprint.hash_algorithm.dotted_string == "2.16.840.1.101.3.4.2.1"


def test_an_answer_to_another_request_is_refused(authority: Authority, answered: tuple[bytes, bytes]) -> None:
    request, response = answered
    verify(DATA, response, authority.root, request)
    assert authority.verifies(DATA, response, request)
    other = make_request(DATA)
    assert not authority.verifies(DATA, response, other)
    for wrong in (other, b"no request"):
        assert flaw_of(DATA, response, authority.root, wrong) is StampFlaw.NONCE


def test_a_request_without_a_nonce_is_answered_by_nothing(authority: Authority, answered: tuple[bytes, bytes]) -> None:
    """Whatever was asked before would do."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(DATA).hash_algorithm(HashAlgorithm.SHA256)
    bare = builder.nonce(nonce=False).cert_request(cert_request=True).build().as_bytes()
    response = authority.send(bare)
    assert verify(DATA, response, authority.root).serial
    for request in (bare, b"garbage", answered[0]):
        assert flaw_of(DATA, response, authority.root, request) is StampFlaw.NONCE


def test_a_time_stamp_that_was_granted_with_changes_is_refused(
    authority: Authority, answered: tuple[bytes, bytes]
) -> None:
    assert b"\x30\x03\x02\x01\x00" in answered[1][:16]
    changed = answered[1].replace(b"\x30\x03\x02\x01\x00", b"\x30\x03\x02\x01\x01", 1)
    with pytest.raises(timestamp.TimestampRefused) as refused:
        verify(DATA, changed, authority.root)
    assert refused.value.facts == {"status": 1}
    assert "Status 0 alone" in timestamp.TimestampRefused.advice


def test_a_time_stamp_of_other_bytes_is_refused(authority: Authority, answered: tuple[bytes, bytes]) -> None:
    assert flaw_of(DATA + b"x", answered[1], authority.root) is StampFlaw.MESSAGE
    assert not authority.verifies(DATA + b"x", answered[1])


def test_another_authority_is_not_believed(authority: Authority, answered: tuple[bytes, bytes], tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other")
    assert flaw_of(DATA, answered[1], other.root) is StampFlaw.SIGNER
    assert not other.verifies(DATA, answered[1])
    assert verify(DATA, answered[1], other.root + authority.root + authority.root).serial


@pytest.fixture
def another(authority: Authority, tmp_path: Path) -> Authority:
    """Return a copy of the authority, whose signer may get another certificate."""
    found = Authority(tmp_path / "tsa")
    shutil.copytree(authority.place, found.place)
    config = (found.place / "config").read_text().replace(str(authority.place), str(found.place))
    (found.place / "config").write_text(config)
    return found


def test_a_certificate_that_had_expired_is_refused(another: Authority) -> None:
    another.certify("stamps", days=-1)
    response = another.send(make_request(DATA))
    assert not another.verifies(DATA, response)
    assert flaw_of(DATA, response, another.root) is StampFlaw.SIGNER


def test_a_certificate_that_is_for_something_else_is_refused(another: Authority) -> None:
    """OpenSSL does not stamp with it: the signature is made apart, which the control shows to be right."""
    good = another.send(make_request(DATA))
    assert verify(DATA, another.signed_apart(good), another.root) == verify(DATA, good, another.root)
    another.certify("pages", days=20)
    assert flaw_of(DATA, another.signed_apart(good), another.root) is StampFlaw.SIGNER


def test_whatever_is_changed_it_is_refused_or_says_the_same(
    authority: Authority, answered: tuple[bytes, bytes]
) -> None:
    """Algorithms and versions in the envelope are not signed; nothing that is said hangs on them."""
    response, said = answered[1], verify(DATA, answered[1], authority.root)
    refused = 0
    for at in range(0, len(response), 3):
        harmed = response[:at] + bytes([response[at] ^ 1 << at % 8]) + response[at + 1 :]
        try:
            assert verify(DATA, harmed, authority.root) == said
        except (timestamp.TimestampInvalid, timestamp.TimestampRefused):
            refused += 1
    assert refused > len(response) // 3 * 0.9


@pytest.mark.parametrize("response", [b"", b"x", b"\x30\x03\x02\x01\x00"], ids=["empty", "garbage", "no status"])
def test_what_is_no_answer_is_malformed(authority: Authority, response: bytes) -> None:
    assert flaw_of(DATA, response, authority.root) is StampFlaw.MALFORMED


def test_an_answer_that_is_cut_is_malformed(authority: Authority, answered: tuple[bytes, bytes]) -> None:
    for length in range(0, len(answered[1]), 50):
        assert flaw_of(DATA, answered[1][:length], authority.root) is StampFlaw.MALFORMED


def test_granted_without_a_token_is_malformed(authority: Authority) -> None:
    assert flaw_of(DATA, b"\x30\x05\x30\x03\x02\x01\x00", authority.root) is StampFlaw.MALFORMED


def test_an_authority_that_refuses_is_told(authority: Authority) -> None:
    answer = authority.send(
        make_request(DATA).replace(bytes.fromhex("0609608648016503040201"), b"\x06\x09" + b"\x2a" * 9)
    )
    with pytest.raises(timestamp.TimestampRefused) as refused:
        verify(DATA, answer, authority.root)
    assert refused.value.facts == {"status": 2}


@pytest.mark.parametrize("pem", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_certificates_that_are_none_are_told(authority: Authority, answered: tuple[bytes, bytes], pem: bytes) -> None:
    assert flaw_of(DATA, answered[1], pem) is StampFlaw.AUTHORITIES


def test_what_is_given_is_bounded(authority: Authority, answered: tuple[bytes, bytes]) -> None:
    request, response = answered
    for given in (
        (DATA, bytes(timestamp.MAX_RESPONSE + 1), authority.root),
        (DATA, response, bytes(timestamp.MAX_AUTHORITIES + 1)),
        (DATA, response, authority.root, bytes(timestamp.MAX_REQUEST + 1)),
    ):
        with pytest.raises(LimitExceeded):
            verify(*given)
    assert len(request) <= timestamp.MAX_REQUEST


def test_without_the_extra_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    for act in (lambda: make_request(DATA), lambda: verify(DATA, b"", b"")):
        with pytest.raises(ExtraMissing) as refused:
            act()
        assert refused.value.facts == {"extra": Extra.TSA}

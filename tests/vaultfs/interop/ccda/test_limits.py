"""What a hostile or broken text costs, and how it is refused."""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.vaultfs.interop.ccda.documents import HEAD, TAIL, document, record_target
from vaultfs.errors import EncodingUnknown, FormatUnknown, SourceError, XmlForbidden, XmlMalformed, XmlTooDeep
from vaultfs.interop.ccda import CcdaAdapter
from vaultfs.interop.ccda.walk import MAX_DEPTH
from vaultfs.interop.pieces import Facts
from vaultfs.interop.registry import recognise

MANY = 100_000_000


def describe(data: bytes) -> Facts:
    return CcdaAdapter().describe(io.BytesIO(data), len(data))


@contextmanager
def little(mebibytes: int = 8, seconds: float = 5.0) -> Iterator[None]:
    """See to it that a test takes no more than this beside its input."""
    tracemalloc.start()
    begun = time.process_time()
    try:
        yield
        assert time.process_time() - begun < seconds
        assert tracemalloc.get_traced_memory()[1] < mebibytes << 20
    finally:
        tracemalloc.stop()


def test_elements_nested_a_thousand_deep_are_refused() -> None:
    with little(), pytest.raises(XmlTooDeep):
        describe(f"{HEAD}{'<a>' * 1000}{'</a>' * 1000}{TAIL}".encode())


def test_elements_nested_as_deep_as_the_limit_are_read() -> None:
    inner = MAX_DEPTH - 1
    text = f"{HEAD}{'<a>' * inner}{'</a>' * inner}{record_target(('1.2.3', '7'))}{TAIL}"
    assert describe(text.encode()).identifiers


LAUGHS = (
    '<!DOCTYPE ClinicalDocument [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    f'{HEAD}<title>&c;</title><id root="1.2.3" extension="&c;"/>{TAIL}'
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        f'<!DOCTYPE ClinicalDocument SYSTEM "file:///etc/hostname">{HEAD}{TAIL}',
        f'<!DOCTYPE ClinicalDocument [<!ENTITY x SYSTEM "file:///etc/hostname">]>{HEAD}<title>&x;</title>{TAIL}',
        f'<!DOCTYPE n:ClinicalDocument [<!ENTITY % p SYSTEM "http://localhost:9/">%p;]>{HEAD}{TAIL}',
        f"<!DOCTYPE ClinicalDocument>{HEAD}{TAIL}",
    ],
    ids=["billion laughs", "external type", "external entity", "parameter entity", "empty type"],
)
def test_document_types_are_recognised_and_refused_before_anything_is_expanded_or_fetched(text: str) -> None:
    data = text.encode()
    assert isinstance(recognise(data), CcdaAdapter)
    with little(1, 1.0), pytest.raises(XmlForbidden):
        describe(data)


def test_an_entity_that_nobody_declared_is_refused() -> None:
    with pytest.raises(XmlMalformed):
        describe(document("<title>&nbsp;</title>").encode())


def test_a_text_of_a_hundred_megabytes_is_passed_over_in_constant_memory() -> None:
    """Scans and films are embedded so, in base64."""
    data = f"{HEAD}<text>".encode() + b"QUJD" * (MANY // 4) + f"</text>{record_target(('1.2.3', '7'))}{TAIL}".encode()
    with little():
        facts = describe(data)
    assert facts.identifiers


@pytest.mark.parametrize("around", [(b"<!--", b"-->"), (b"<?p ", b"?>"), (b"<a b='", b"'/>"), (b"<a", b"/>")])
def test_a_tag_or_comment_of_a_hundred_megabytes_is_refused_in_constant_memory(around: tuple[bytes, bytes]) -> None:
    before, after = around
    data = b"".join((HEAD.encode(), before, b"x" * MANY, after, TAIL.encode()))
    with little(), pytest.raises(XmlTooDeep):
        describe(data)


def test_a_document_is_either_read_to_its_end_or_refused() -> None:
    """Cut at any byte: never half a truth, never another exception."""
    data = document('<id root="1.2.3"/>', record_target(("1.2.3", "4711")), "<title>é</title>").encode()
    assert describe(data).identifiers
    for length in range(len(data)):
        with pytest.raises(SourceError) as refused:
            describe(data[:length])
        assert type(refused.value) is XmlMalformed
        assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<?xml version='1.0' encoding='no-such'?>" + document().encode(), EncodingUnknown),
        (b"<?xml version='1.0' encoding='big5'?>" + document().encode(), EncodingUnknown),
        (document("<title>\xdc</title>").encode("latin-1"), XmlMalformed),
        (document().encode() + document().encode(), XmlMalformed),
        (document("<a b='1' b='2'/>").encode(), XmlMalformed),
        (document("<a></b>").encode(), XmlMalformed),
        (b"<a/>", FormatUnknown),
    ],
)
def test_what_is_wrong_is_told_by_code(data: bytes, error: type[SourceError]) -> None:
    with pytest.raises(error) as refused:
        describe(data)
    assert refused.value.__context__ is None
    assert refused.value.__cause__ is None


def test_nothing_outside_of_the_text_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Style sheets and schema locations name files; nobody looks for them."""
    opened: list[object] = []
    monkeypatch.setattr("builtins.open", lambda *given, **_: opened.append(given))
    text = f'<?xml-stylesheet href="{tmp_path}/CDA.xsl"?>' + document('<a schemaLocation="http://localhost:9/x.xsd"/>')
    describe(text.encode())
    assert opened == []

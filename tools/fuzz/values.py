"""Targets: what the engine itself keeps in records, control states and the keyring, once it has been opened."""

from __future__ import annotations

from contextlib import suppress

from vaultfs_format.events.records import RecordPut
from vaultfs_format.events.session import CareSetting, PersonSignature, SessionOpened, SignatureScheme
from vaultfs_format.registry import HOST_FIRST
from vaultfs_format.suite import DEFAULT

from fuzz.files import SAME_BYTES
from fuzz.target import CODED, Target, must
from tests.vaultfs_format import examples
from vaultfs.audit import events
from vaultfs.engine.reading.state import decode_state, encode_state
from vaultfs.engine.reading.subjects import decode_identifier, encode_identifier
from vaultfs.errors import FieldInvalid, KindUnknown, RecipeInvalid
from vaultfs.kinds import Registry, decode_names, encode_names
from vaultfs.migrate.recipes import RecipePart, SourceState, Status, decode_part, decode_source_state, encode
from vaultfs.model import Identifier
from vaultfs.storage.scrub import Round, decode_round, encode_round

SAME_VALUE = "decoding what a value is encoded as gives the value"


def _events(body: bytes) -> None:
    found = list(events.unsealed(DEFAULT, body))
    again = list(events.unsealed(DEFAULT, _salted([events.encode_event(event) for event, _ in found])))
    must([event for event, _ in again] == [event for event, _ in found], SAME_VALUE)


def _salted(encoded: list[bytes]) -> bytes:
    return b"".join(len(data).to_bytes(4, "little") + examples.SALT + data for data in encoded)


def _bodies() -> list[bytes]:
    signature = PersonSignature(SignatureScheme.ED25519, b"key", b"s" * 64)
    opened = SessionOpened(
        *(1_700_000_000_000_000, b"s" * 16, "dr-example", ("physician",), "TREAT", True),
        *(CareSetting.IMP, b"e" * 16, b"o" * 16, signature),
    )
    put = RecordPut(1_700_000_000_000_001, b"s" * 16, b"p" * 16, 96, b"r" * 16, 1, events.Outcome.DONE)
    later = events.encode_part([9999, 1_700_000_000_000_002, b"s" * 16, {"a": [None]}])
    all_three = [*(events.encode_event(one) for one in (opened, put)), later]
    apart = [_salted([one]) for one in all_three]
    return [*apart, _salted(all_three), b"".join(events.sealable(DEFAULT, all_three).chunks)]


def _recipe(data: bytes) -> None:
    part = decode_part(data)
    must(decode_part(encode(part)) == part, SAME_VALUE)


def _source(data: bytes) -> None:
    state = decode_source_state(data)
    must(decode_source_state(encode(state)) == state, SAME_VALUE)
    state.earlier()


def _round(data: bytes) -> None:
    state = decode_round(data)
    must(decode_round(encode_round(state)) == state, SAME_VALUE)


def _state(data: bytes) -> None:
    namespace, key, value = decode_state(data)
    name = namespace.encode()
    lengths = len(name).to_bytes(2, "little") + len(key).to_bytes(2, "little")
    must(lengths + name + key + value == data, SAME_BYTES)


def _identifier(data: bytes) -> None:
    must(encode_identifier(decode_identifier(data)) == data, SAME_BYTES)


def _registry(data: bytes) -> None:
    kinds, media_types = decode_names(data)
    must("\n".join([*_own(kinds), "", *_own(media_types)]).encode() == data, SAME_BYTES)


def _own(registry: Registry) -> list[str]:
    """Return the names that a vault registered itself, which are numbered from `HOST_FIRST` on."""
    names: list[str] = []
    with suppress(KindUnknown):
        while True:
            names.append(registry.name(HOST_FIRST + len(names)))
    return names


_STEPS = (b"r" * 16 + (1).to_bytes(4, "little")) * 2

TARGETS = [
    Target("audit-events", _events, _bodies),
    Target(
        "recipe",
        _recipe,
        lambda: [
            encode(RecipePart(b"t" * 16, b"", b"n" * 16, b"o" * 16, _STEPS)),
            encode(RecipePart(b"t" * 16, b"p" * 16, b"", b"o" * 16, _STEPS, _STEPS)),
        ],
        (RecipeInvalid,),
    ),
    Target(
        "source-state",
        _source,
        lambda: [
            encode(SourceState(Status.COMPLETE, b"r" * 16, 1000, 20)),
            encode(SourceState(Status.PARTIAL, b"r" * 16, 1000, 20, 3, b"b" * 16, (b"g" * 16,), b"s" * 16)),
        ],
        (RecipeInvalid,),
    ),
    Target(
        "scrub-state", _round, lambda: [encode_round(Round()), encode_round(Round(2, 1, b"s" * 16))], (FieldInvalid,)
    ),
    Target("control-state", _state, lambda: [encode_state("a.namespace", b"key", b"value")], CODED),
    Target("identifier", _identifier, lambda: [encode_identifier(Identifier("urn:oid:1.2.3", "4711"))], CODED),
    Target("registry", _registry, lambda: [encode_names(["a.B", "c d"], ["x/y"]), encode_names([], [])], CODED),
]

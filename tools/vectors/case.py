"""A vector before it is a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vaultfs_format.errors import Structure, VaultError

from vectors.operations.registry import OPERATIONS, Facts, plain


@dataclass(frozen=True, slots=True)
class Refusal:
    """What must be reported: an error, and for rules below 20 their number."""

    error: type[VaultError]
    structure: Structure | None = None
    rule: int | None = None

    def facts(self) -> Facts:
        """Return what stands in the file."""
        facts: Facts = {"error": self.error.code}
        if self.structure is not None:
            facts["structure"] = self.structure.name.lower()
        if self.rule is not None:
            facts["rule"] = self.rule
        return facts


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario.

    Parameters
    ----------
    name
        Topic and name, as `heads/two-of-one-id`.
    holds, breaks
        Rules of SPEC.md that the scenario keeps, where keeping them matters, and those that it breaks.
    facts
        Some of the facts that the operation must find, stated by whoever made the scenario.
    refusal
        The error, where it must be refused.
    probe
        Whether what is found is right in other ways.
    """

    name: str
    comment: str
    operation: str
    given: dict[str, Any]
    holds: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    facts: Facts = field(default_factory=dict)
    refusal: Refusal | None = None
    probe: Callable[[Facts], bool] = lambda _: True


class Unexpected(Exception):
    """The library does not find what a scenario was made to show."""


def expectation(case: Case) -> Facts:
    """Return ``expect`` of a scenario, which the library must meet.

    Raises
    ------
    Unexpected
    """
    found = outcome(lambda: OPERATIONS[case.operation](**case.given))
    if case.refusal is not None:
        if found != case.refusal.facts():
            raise Unexpected(f"{case.name}: {found}, not {case.refusal.facts()}")
    elif "ok" not in found or not _meets(case, found["ok"]):
        raise Unexpected(f"{case.name}: {found}, not {plain(case.facts)}")
    return found


def _meets(case: Case, found: Facts) -> bool:
    return {name: found.get(name) for name in case.facts} == plain(case.facts) and case.probe(found)


def outcome(call: Callable[[], Facts]) -> Facts:
    """Return what an operation finds, or how it refuses, as it stands in a file."""
    try:
        return {"ok": plain(call())}
    except VaultError as error:
        structure, rule = error.facts.get("structure"), error.facts.get("rule")
        named = structure if isinstance(structure, Structure) else None
        return Refusal(type(error), named, rule if isinstance(rule, int) else None).facts()


class Topic:
    """Collects the scenarios of one topic."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.cases: list[Case] = []

    def good(
        self,
        name: str,
        comment: str,
        operation: str,
        holds: str = "",
        *,
        breaks: str = "",
        facts: Facts | None = None,
        probe: Callable[[Facts], bool] = lambda _: True,
        **given: Any,
    ) -> None:
        """Add what is read. Rules are given as text with blanks between them; `facts` are some that must be found."""
        self._add(name, comment, operation, holds, breaks, given, facts=facts or {}, probe=probe)

    def bad(
        self,
        name: str,
        comment: str,
        operation: str,
        breaks: str,
        error: type[VaultError],
        structure: Structure | None = None,
        rule: int | None = None,
        *,
        holds: str = "",
        **given: Any,
    ) -> None:
        """Add what must be refused."""
        self._add(name, comment, operation, holds, breaks, given, refusal=Refusal(error, structure, rule))

    def _add(
        self,
        name: str,
        comment: str,
        operation: str,
        holds: str,
        breaks: str,
        given: dict[str, Any],
        facts: Facts | None = None,
        refusal: Refusal | None = None,
        probe: Callable[[Facts], bool] = lambda _: True,
    ) -> None:
        full = f"{self._name}/{name}"
        rules = tuple(holds.split()), tuple(breaks.split())
        self.cases.append(Case(full, comment, operation, given, *rules, facts or {}, refusal, probe))

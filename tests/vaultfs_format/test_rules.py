"""Every rule of SPEC.md that says MUST is shown by vectors, kept and broken, or is of a process and tested there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import spec_tables

from tests.vaultfs_format import vector_runner

ROOT = Path(__file__).resolve().parents[2]
RULE = re.compile(r"^\| ([A-Z]{3}-\d+) \| (.*) \|$", re.MULTILINE)
STATED = dict(RULE.findall(spec_tables.SPEC.read_text(encoding="utf-8")))
REQUIRED = {rule for rule, text in STATED.items() if "MUST" in text}
PROCESSES = json.loads((vector_runner.ROOT / "processes.json").read_text(encoding="ascii"))
VECTORS = {name: vector_runner.load(name) for name in vector_runner.names()}


def cited(field: str) -> set[str]:
    return {rule for vector in VECTORS.values() for rule in vector[field]}


def test_the_rules_are_found() -> None:
    assert len(REQUIRED) > 150
    assert "SEG-8" in REQUIRED


def test_what_must_be_is_said_by_rules_alone() -> None:
    lines = spec_tables.SPEC.read_text(encoding="utf-8").splitlines()
    assert [one for one in lines if "MUST" in one and not RULE.match(one) and "RFC 2119" not in one] == []


def test_only_rules_that_exist_are_cited() -> None:
    assert sorted((cited("holds") | cited("breaks") | PROCESSES.keys()) - STATED.keys()) == []


def test_every_rule_is_kept_in_a_vector_or_is_of_a_process() -> None:
    assert sorted(REQUIRED - cited("holds") - PROCESSES.keys()) == []


def test_every_rule_is_broken_in_a_vector_or_is_of_a_process() -> None:
    assert sorted(REQUIRED - cited("breaks") - PROCESSES.keys()) == []


def test_a_rule_that_vectors_show_is_not_said_to_be_of_a_process() -> None:
    assert sorted(PROCESSES.keys() & cited("holds") & cited("breaks")) == []


def test_a_refusal_under_a_rule_cites_it() -> None:
    letters = {structure.name.lower(): rules for structure, rules in spec_tables.RULES.items()}
    for name, vector in VECTORS.items():
        expected = vector["expect"]
        if "rule" in expected:
            assert f"{letters[expected['structure']]}-{expected['rule']}" in vector["breaks"], name


def test_a_rule_of_a_process_is_tested_where_it_is_said_to_be() -> None:
    for rule, process in PROCESSES.items():
        assert process["why"], rule
        assert process["tests"], rule
        for test in process["tests"]:
            path, *names = test.split("::")
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            assert set(names) <= defined, (rule, test)

"""Kinds of records and namespaces of states that migration keeps for itself."""

from __future__ import annotations

RECIPE = "vaultfs.recipe"
GAP = "vaultfs.gap"
QUARANTINE = "vaultfs.quarantine"
CANDIDATE = "vaultfs.link-candidate"

SOURCES = "import.source"
"""Namespace of the states of sources; the key is the source token."""

REASONS = "quarantine"
"""Namespace of the reasons of quarantine: code and source token; the key is the record id."""

CANDIDATES = "link-candidate"
"""Namespace of the marks of link candidates; the key is both subjects."""

"""All targets, by name."""

from __future__ import annotations

from fuzz import clinical, files, journals, logs, sealed, segments, values, vaults
from fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (files, sealed, journals, segments, logs, values, clinical, vaults)
    for target in module.TARGETS
}

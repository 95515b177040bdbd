"""The rows by name, in the order of the table."""

from __future__ import annotations

from bench import blobs, firsts, ingest, reading, scale, turning
from bench.audit import rows as audit
from bench.blast import rows as blast
from bench.durability import healing, mending, parity, scrub
from bench.figures import Row
from bench.keys import envelopes, unlocking
from bench.peers import rows as peers

ROWS: dict[str, Row] = {
    "ingest-10": ingest.ten,
    "ingest-100": ingest.hundred,
    "ingest-1": ingest.one,
    "ingest-synthea": ingest.sample,
    "sustained": ingest.sustained,
    "reads": reading.reads,
    "opening": reading.opening,
    "space": ingest.space,
    "blobs-incompressible": blobs.incompressible,
    "blobs-pixels": blobs.pixels,
    "scrub": scrub.cached,
    "scrub-disk": scrub.disk,
    "parity": parity.rows,
    "mending": mending.rows,
    "healing": healing.rows,
    "blast-radius": blast.radius,
    "unlock": unlocking.rows,
    "envelope": envelopes.rows,
    "turn": turning.ten,
    "turn-1": turning.one,
    "audit-speed": audit.speeds,
    "audit-log": audit.whole,
    "import-time": firsts.import_time,
    "main-job": firsts.main_job,
    "peers": peers.generated,
    "peers-synthea": peers.sample,
    "scale-5": scale.five,
    "scale-1": scale.one,
}

LONG = frozenset({"scrub-disk", "turn-1", "scale-5", "scale-1"})
"""Rows that take very long: measured only when they are named."""

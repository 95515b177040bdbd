"""The report of an import: counts, bytes, rates; nothing that names a patient."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vaultfs.interop.pieces import Facts, Piece
from vaultfs.migrate.kinds import QUARANTINE


@dataclass(slots=True)
class Report:
    """What an import did.

    Parameters
    ----------
    records
        Count by (kind, year of the clinical date or 0, outcome); outcomes are stored, version, unchanged, quarantined.
    sources
        Count of source files by outcome: imported, resumed, changed, unchanged, failed.
    reasons
        Count of quarantined pieces, and of failed sources, by error code.
    bytes_in
        Bytes of the sources that were read.
    bytes_held
        Those among them that the vault held already.
    bytes_stored
        Bytes by which record and blob segments with their keys have grown.
    verified, differing
        Source files that were read back from the vault and were, or were not, the same byte for byte.
    candidates
        Pairs of subjects that a person should compare.
    seconds
        Duration of the import, settling included, and of the verification.
    """

    records: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    reasons: Counter[int] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_held: int = 0
    bytes_stored: int = 0
    verified: int = 0
    differing: int = 0
    candidates: int = 0
    seconds: float = 0.0
    verify_seconds: float = 0.0

    def count(self, piece: Piece, outcome: str) -> None:
        """Count a piece: as quarantined where it has no facts."""
        if outcome == "unchanged":
            self.bytes_held += len(piece.before) + len(piece.data) + len(piece.after)
        if piece.facts is None:
            self.quarantined(piece.problem.code if piece.problem else 0)
        else:
            self.record(piece.facts, outcome)

    def record(self, facts: Facts, outcome: str) -> None:
        """Count a record."""
        self.records[facts.kind, facts.date.when.year if facts.date else 0, outcome] += 1

    def quarantined(self, code: int) -> None:
        """Count a piece in quarantine."""
        self.records[QUARANTINE, 0, "quarantined"] += 1
        self.reasons[code] += 1

    def failure(self, code: int, sources: int = 1) -> None:
        """Count sources that could not be imported."""
        if sources:
            self.sources["failed"] += sources
            self.reasons[code] += sources

    def add(self, other: Report) -> None:
        """Add the counts of records of another report."""
        self.records.update(other.records)
        self.reasons.update(other.reasons)
        self.bytes_held += other.bytes_held

    def outcome(self, outcome: str) -> int:
        """Return how many records had an outcome."""
        return sum(count for (_, _, one), count in self.records.items() if one == outcome)

    @property
    def read(self) -> int:
        """Records of the sources that were read: the sum of all outcomes."""
        return sum(self.records.values())

    @property
    def stored(self) -> int:
        """Records that were stored, as new ones or as new versions."""
        return self.outcome("stored") + self.outcome("version")

    @property
    def ratio(self) -> float:
        """Bytes that are new to the vault by bytes stored, 0 where nothing was stored."""
        new = self.bytes_in - self.bytes_held
        return new / self.bytes_stored if self.stored and self.bytes_stored > 0 else 0.0

    @property
    def failed(self) -> int:
        """Source files that could not be imported."""
        return self.sources["failed"]

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON values."""
        rows = [
            {"kind": kind, "year": year or None, "outcome": outcome, "count": count}
            for (kind, year, outcome), count in sorted(self.records.items())
        ]
        return {
            "records": rows,
            "read": self.read,
            "outcomes": {name: self.outcome(name) for name in ("stored", "version", "unchanged", "quarantined")},
            "sources": dict(sorted(self.sources.items())),
            "reasons": {f"VFS-{code}": count for code, count in sorted(self.reasons.items())},
            "bytes_in": self.bytes_in,
            "bytes_held": self.bytes_held,
            "bytes_stored": self.bytes_stored,
            "ratio": round(self.ratio, 2) if self.ratio else None,
            "link_candidates": self.candidates,
            "seconds": round(self.seconds, 3),
            "records_per_second": round(self.read / self.seconds) if self.seconds else None,
            "megabytes_per_second": round(self.bytes_in / 1e6 / self.seconds, 2) if self.seconds else None,
            "verification": {
                "sources_equal": self.verified,
                "sources_differing": self.differing,
                "seconds": round(self.verify_seconds, 3),
            },
        }

    def as_text(self) -> str:
        """Return the report for people."""
        lines = [f"{'kind':<28}{'outcome':<14}{'years':<12}{'records':>9}"]
        table: dict[tuple[str, str], tuple[int, int, int]] = {}
        for (kind, year, outcome), count in self.records.items():
            total, first, last = table.get((kind, outcome), (0, 9999, 0))
            table[kind, outcome] = total + count, min(first, year or 9999), max(last, year)
        for (kind, outcome), (total, first, last) in sorted(table.items()):
            years = f"{first}-{last}" if last else "undated"
            lines.append(f"{kind:<28}{outcome:<14}{years:<12}{total:>9,}")
        sources = ", ".join(f"{count:,} {name}" for name, count in sorted(self.sources.items())) or "none"
        reasons = ", ".join(f"VFS-{code}: {count:,}" for code, count in sorted(self.reasons.items())) or "none"
        lines += ["", f"sources      {sources}", f"quarantine   {reasons}"]
        ratio = f", {self.ratio:.1f} to 1" if self.ratio else ""
        lines.append(
            f"bytes        {self.bytes_in:,} in, {self.bytes_held:,} held already, {self.bytes_stored:,} stored{ratio}"
        )
        if self.seconds:
            rate = f"{self.read / self.seconds:,.0f} records/s, {self.bytes_in / 1e6 / self.seconds:,.1f} MB/s"
            lines.append(f"time         {self.seconds:.1f} s: {rate}")
        if self.candidates:
            lines.append(f"identity     {self.candidates:,} pairs of patients to be compared by a person")
        lines.append(f"verification {self._verification()}")
        return "\n".join(lines)

    def _verification(self) -> str:
        if not self.verified and not self.differing:
            return "nothing to read back"
        same = f"{self.verified:,} sources read back byte for byte in {self.verify_seconds:.1f} s"
        return same + (f", {self.differing:,} DIFFER" if self.differing else "")

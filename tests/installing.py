"""A package as pip would have left it."""

from pathlib import Path


def pretend_installed(folder: Path, source: str, value: str = "acme_jobs:one") -> None:
    """Lay the package acme-jobs into a folder: a module of this source, and an entry point that leads into it."""
    facts = folder / "acme_jobs-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-jobs\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[lavori.job_types]\none = {value}\n")
    (folder / "acme_jobs.py").write_text(source)

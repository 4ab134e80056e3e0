"""What is installed is locked by hash, and the bill of materials of the image names all of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def locked(name: str) -> dict[str, set[str]]:
    """The packages of a lock, `name==version`, and the SHA-256 of the files that each may come as."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        package, _, rest = line.partition(" ")
        found[re.sub(r"\[.*?\]", "", package)] = set(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", rest))
    return found


@pytest.mark.parametrize("name", ["run", "dev", "image"])
def test_every_locked_package_has_its_version_and_its_hashes(name: str) -> None:
    packages = locked(name)
    assert len(packages) > 30
    assert {one for one in packages if not re.fullmatch(r"[a-z0-9._-]+==[0-9][0-9a-z.+]*", one)} == set()
    assert {one for one, hashes in packages.items() if not hashes} == set()


def test_the_bill_of_materials_names_all_that_is_locked_with_its_hashes(tmp_path: Path) -> None:
    made = tmp_path / "sbom.json"
    subprocess.run(
        ["make", "-s", "-o", ".venv/dev.lock", "sbom", f"SBOM={made}", f"BIN={Path(sys.executable).parent}"],
        cwd=ROOT,
        check=True,
    )
    bill = json.loads(made.read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "lavori")
    named = {
        f"{one['name']}=={one['version']}": {
            hashed["content"] for source in one["externalReferences"] for hashed in source["hashes"]
        }
        for one in bill["components"]
    }
    assert named == locked("image")

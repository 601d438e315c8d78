"""The bill of materials of an image: every installed distribution as CycloneDX 1.6, written where the image is built.

python deploy/image/sbom.py > sbom.cdx.json
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import distributions
from typing import Any

__all__ = ["bill"]


def bill() -> dict[str, Any]:
    """What is installed beside this interpreter, by name, without a time or a serial number: the same image, the same bill."""
    found = {}
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        component: dict[str, Any] = {"type": "library", "name": name, "version": one.version, "purl": f"pkg:pypi/{name}@{one.version}"}
        if licence := one.metadata.json.get("license_expression"):
            component["licenses"] = [{"expression": licence}]
        found[name] = component
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", **{k: v for k, v in found.pop("headway").items() if k != "type"}}},
        "components": [found[name] for name in sorted(found)],
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)

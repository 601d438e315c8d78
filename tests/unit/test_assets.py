"""The committed style sheet is what its sources make of GOV.UK Frontend, and holds nothing that is not ours to use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[2] / "console"
REQUIRED = os.environ.get("HEADWAY_REQUIRE_BROWSER") == "1"


@pytest.mark.slow
def test_the_style_sheet_reproduces(tmp_path: Path) -> None:
    """Needs Node and the packages of console/assets (`make assets` fetches them)."""
    if shutil.which("node") is None or not (CONSOLE / "assets/node_modules/sass").is_dir():
        if REQUIRED:
            pytest.fail("HEADWAY_REQUIRE_BROWSER=1, and console/assets has no packages: run `npm ci` there")
        pytest.skip("no Node, or no packages in console/assets")
    built = tmp_path / "headway.css"
    command = ["./node_modules/.bin/sass", "--style=compressed", "--no-source-map", "--no-charset", "--load-path=node_modules"]
    subprocess.run([*command, "headway.scss", str(built)], cwd=CONSOLE / "assets", check=True)
    assert built.read_bytes() == (CONSOLE / "static/headway.css").read_bytes(), "run `make assets`"


def test_no_typeface_crown_or_image_of_gov_uk_is_shipped() -> None:
    css = (CONSOLE / "static/headway.css").read_text("utf-8")
    assert re.findall(r"url\(|@font-face|@import|GDS Transport|crest", css) == []
    assert "system-ui" in css
    assert {p.name for p in (CONSOLE / "static").iterdir()} == {"LICENCE-govuk-frontend.txt", "headway.css", "headway.svg"}
    assert "MIT License" in (CONSOLE / "static/LICENCE-govuk-frontend.txt").read_text("utf-8")


def test_the_packages_are_pinned_without_any_registry() -> None:
    lock = (CONSOLE / "assets/package-lock.json").read_text("utf-8")
    assert "resolved" not in lock
    assert lock.count('"integrity": "sha512-') > 5

"""The tree of errors is whole: who meets one finds it there."""

from __future__ import annotations

import ast
from pathlib import Path

from schemas import errors

STREAMS = Path(__file__).parents[2] / "streams"


def test_every_error_stands_in_the_tree() -> None:
    classes = [node for path in STREAMS.glob("*.py") for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
    known, found = set(errors.__all__), {""}
    while found:
        found = {c.name for c in classes if {b.id for b in c.bases if isinstance(b, ast.Name)} & known} - known
        known |= found
    public = {name for name in known if not name.startswith("_")}
    tree = (errors.__doc__ or "").replace(",", " ").split()
    assert sorted(public - set(tree)) == []

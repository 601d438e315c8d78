"""What no file may do with Faust, whatever a test on a broker happens to see: nothing is acknowledged out of order. (issue 606)"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LIVE = [path for path in sorted((Path(__file__).parents[2] / "streams").glob("*.py")) if "faust" in path.read_text("utf-8").lower()]
FORBIDDEN = {
    "noack": "an event that is never acknowledged holds nothing up: later ones are committed past it",
    "Table": "a table takes 1,860 writes a second and comes back at 3,200",
    "GlobalTable": "the same",
    "SetTable": "the same",
    "SetGlobalTable": "the same",
}
TASKS = {"create_task", "ensure_future", "add_future", "run_coroutine_threadsafe"}


def called(node: ast.AST) -> str:
    """The last part of what is called."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def agents(tree: ast.AST) -> list[tuple[ast.AsyncFunctionDef, ast.expr]]:
    """Every agent and its decorator."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    return [
        (function, decorator)
        for function in functions
        for decorator in function.decorator_list
        if "agent" in {called(decorator), getattr(decorator, "attr", "")}
    ]


def broken(text: str) -> list[str]:
    """What a file does that it must not."""
    tree = ast.parse(text)
    found = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN]
    given = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "processing_guarantee"]
    found += [str(node.arg) for node in given if ast.literal_eval(node.value) != "at_least_once"]
    for function, decorator in agents(tree):
        keywords = {k.arg: k.value for k in decorator.keywords} if isinstance(decorator, ast.Call) else {}
        if "concurrency" not in keywords or ast.literal_eval(keywords["concurrency"]) != 1:
            found.append(f"{function.name}: concurrency")
        found += [f"{function.name}: {name}" for node in ast.walk(function) if (name := called(node)) in TASKS]
    return found


@pytest.mark.parametrize("path", LIVE, ids=lambda path: path.name)
def test_nothing_is_acknowledged_out_of_order(path: Path) -> None:
    assert broken(path.read_text("utf-8")) == []


def test_the_agents_are_found() -> None:
    found = [function.name for path in LIVE for function, _ in agents(ast.parse(path.read_text("utf-8")))]
    assert sorted(found) == ["control", "registers"]


@pytest.mark.parametrize(
    "text",
    [
        "async for x in stream.noack(): pass",
        "counts = app.Table('counts')",
        "app = faust.App('x', processing_guarantee='exactly_once')",
        "@app.agent(topic)\nasync def a(stream): pass",
        "@app.agent\nasync def a(stream): pass",
        "@app.agent(topic, concurrency=2)\nasync def a(stream): pass",
        "@app.agent(topic, concurrency=1)\nasync def a(stream): asyncio.create_task(f())",
        "@app.agent(topic, concurrency=1)\nasync def a(stream):\n    async for x in stream: app.add_future(f())",
    ],
)
def test_each_is_found(text: str) -> None:
    source = text if text.startswith("@") or "await" in text else f"async def f():\n    {text}"
    assert broken(source) != []

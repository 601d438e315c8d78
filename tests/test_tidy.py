"""The repository's own rules: what no linter of others knows. (style.md; each test's name is the rule)"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections import Counter
from functools import cache, reduce
from pathlib import Path

import pytest

from streams.topology import LOGS, STAGES

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "models", "streams", "casebook", "console")
CODE = (*PACKAGES, "benchmarks", "tests")
FUNCTION_LINES_MAX, FILE_LINES_MAX, FILE_BYTES_MAX = 60, 400, 1_000_000
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
UNGUESSABLE = ROOT / "streams/unguessable.py"
CLOCK = ROOT / "streams" / "clock.py"
TOPOLOGY = ROOT / "streams" / "topology.py"

TOPIC = re.compile(r"\b(?:attendance|reference)\.[a-z]+\.v[0-9]+\b")
MACHINE = re.compile(
    r"(?<![\w.])/(?:root|home|work|Users)/|pyp[i]\.org|pythonhoste[d]|registry\.np[m]js|repo\.mave[n]|crate[s]\.io"
    r"|proxy\.golan[g]|deb\.debia[n]"
)
TEMPORARY = re.compile(r"(?<![\w.])/tm[p]/")
UNCODED = re.compile(r"#\s*noqa(?!: [A-Z]+[0-9]+)|type:\s*ignore(?!\[[a-z-]+)")
UNREASONED = re.compile(r"#\s*noqa: [A-Z0-9, ]+$")
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is committed and still there."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so there is no list of the project's files")
    return tuple(p for p in (ROOT / name.decode() for name in listed.split(b"\0") if name) if p.is_file())


def python(*folders: str) -> list[Path]:
    """The committed Python files of these folders."""
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in folders]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def lines(paths: list[Path] | tuple[Path, ...], pattern: re.Pattern[str]) -> list[str]:
    """Where a pattern occurs, as file:line: text; files that are no text are passed over."""
    found = []
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}:{n}: {line.strip()}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return found


def imported(path: Path) -> set[str]:
    """The first part of every module that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def asks_the_time(path: Path) -> bool:
    """Whether a file uses `now`, `utcnow` or `today` of a class called datetime or date, however it was reached."""
    asked = [n.value for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute) and n.attr in {"now", "utcnow", "today"}]
    names = {n.id if isinstance(n, ast.Name) else n.attr for n in asked if isinstance(n, ast.Name | ast.Attribute)}
    return bool(names & {"datetime", "date"})


def test_a_topic_has_its_name_in_the_topology_alone() -> None:
    elsewhere = [p for p in python("schemas", "models", "streams", "benchmarks") if p != TOPOLOGY]
    assert lines(elsewhere, TOPIC) == []
    assert all(TOPIC.fullmatch(log.name) for log in LOGS)
    assert max(Counter(log.name for log in LOGS).values()) == 1


def test_the_topology_fits_on_one_screen_and_every_step_exists() -> None:
    assert len(TOPOLOGY.read_text("utf-8").splitlines()) <= FUNCTION_LINES_MAX
    for stage in STAGES:
        module, _, name = stage.step.partition(":")
        assert callable(reduce(getattr, name.split("."), importlib.import_module(module))), stage


@pytest.mark.slow
def test_one_file_reads_the_clock() -> None:
    readers = [p for p in python(*PACKAGES) if "time" in imported(p) or asks_the_time(p)]
    assert readers == [CLOCK]
    assert lines(python(*PACKAGES), re.compile(r"noqa.*(TID251|DTZ)")) == []


def test_nothing_is_pickled_and_no_chance_is_global() -> None:
    for path in python(*CODE):
        banned = imported(path) & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "random", "secrets"}
        assert banned <= ({"secrets"} if path == UNGUESSABLE else set()), f"{path}: {banned}"


def test_a_guard_raises_since_an_assert_disappears_under_optimisation() -> None:
    guards = [f"{p}:{node.lineno}" for p in python(*PACKAGES) for node in ast.walk(tree(p)) if isinstance(node, ast.Assert)]
    assert guards == []


def test_a_file_is_named_for_what_is_in_it() -> None:
    assert [p for p in python(*PACKAGES) if p.stem in NAMES_THAT_SAY_NOTHING] == []


@pytest.mark.slow
def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{p.relative_to(ROOT)}:{node.lineno} {node.name}"
        for p in python(*CODE)
        for node in ast.walk(tree(p))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert long == []


def test_a_file_can_be_read_in_one_go() -> None:
    assert [p for p in python(*CODE) if len(p.read_text("utf-8").splitlines()) > FILE_LINES_MAX] == []


def test_every_module_says_what_it_offers() -> None:
    for path in python(*PACKAGES):
        assert ast.get_docstring(tree(path)), f"{path}: say what the file is"
        if path.name == "__init__.py":
            continue
        names = {t.id for n in tree(path).body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
        assert "__all__" in names, f"{path}: list the public names"


def test_an_ignore_names_its_code_and_in_the_packages_its_reason() -> None:
    files = [p for p in python(*CODE) if p != Path(__file__)]
    assert lines(files, UNCODED) == []
    assert lines([p for p in files if p.relative_to(ROOT).parts[0] in PACKAGES], UNREASONED) == []


def test_every_ignore_of_ruff_carries_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    ignored = re.findall(r'^ {4}"[A-Z]+[0-9]*",.*$', text, re.MULTILINE)
    assert len(ignored) > 10
    assert [line for line in ignored if "  # " not in line] == []


def test_no_file_holds_a_path_of_a_machine_or_the_host_of_a_registry() -> None:
    assert lines(tracked(), MACHINE) == []
    assert lines([p for p in tracked() if p.relative_to(ROOT).parts[0] != "tests"], TEMPORARY) == []


def test_what_is_installed_is_pinned_by_hash_and_comes_from_no_named_place() -> None:
    for name in ("runtime", "dev"):
        text = (ROOT / "requirements" / f"{name}.lock").read_text("utf-8")
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert [b for b in blocks if "==" not in b or "--hash=sha256:" not in b] == []
        assert "//" not in text


def test_what_is_committed_is_small() -> None:
    assert [p for p in tracked() if p.stat().st_size > FILE_BYTES_MAX] == []


def test_the_map_of_the_code_shows_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    missing = [str(p.relative_to(ROOT)) for p in python(*PACKAGES) if p.name != "__init__.py" and f"`{p.stem}`" not in text]
    assert missing == [], "add them to the code map of ARCHITECTURE.md"


def test_the_glossary_and_the_map_name_every_log() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    assert [log.name for log in LOGS if log.name not in glossary] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [p for p in tracked() if p.suffix == ".md"]
    dead = [f"{p.relative_to(ROOT)}: {to}" for p in pages for to in LINK.findall(p.read_text("utf-8")) if not (p.parent / to).exists()]
    assert dead == []


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    docs = ROOT / "docs"
    assert [str(p) for p in tracked() if p.suffix == ".md" and docs in p.parents and str(p.relative_to(docs)) not in contents] == []

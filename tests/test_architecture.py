"""The layering: nothing imports upward, gin stays in one module."""

import ast
import re
from pathlib import Path

import tf_i2i
from tf_i2i.verbs import VERBS

PACKAGE = Path(tf_i2i.__file__).parent
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"


def read_map():
    """The table of CONTRIBUTING.md: pairs (rooms, rooms that they import)."""
    rows = re.findall(
        r"^\| (`.*) \| .* \| (.*) \|$", CONTRIBUTING.read_text(), re.M
    )
    names = [
        (re.findall(r"`(\w+)`", rooms), allowed) for rooms, allowed in rows
    ]
    common = {*names[0][0]}
    return [
        (
            rooms,
            {*re.findall(r"`(\w+)`", allowed)}
            | (common if re.match("common|each other", allowed) else set()),
        )
        for rooms, allowed in names
    ]


MAY_IMPORT = {room: allowed for rooms, allowed in read_map() for room in rooms}


def modules():
    """Files of the package; those that run a command are no part of a room."""
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py"
    )


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def calls(path):
    """Pairs of the name of a function and its call in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            yield getattr(function, "attr", getattr(function, "id", "")), node


def test_text_files_have_one_encoding():
    """The locale of the user does not matter."""
    for path in PACKAGE.rglob("*.py"):
        for name, call in calls(path):
            words = ast.unparse(call)
            binary = re.search(r", '[rwax]b'", words)
            opens = isinstance(call.func, ast.Name) and name == "open"
            if name in ("read_text", "write_text") or (opens and not binary):
                assert "utf-8" in words, (path, words)


def imported(path):
    """Full names of all modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def test_every_room_is_in_the_plan():
    rooms = {room(p) for p in modules()} - {"__init__"}
    assert rooms == set(MAY_IMPORT) | set(VERBS)


def test_a_room_imports_from_rows_above_its_own():
    above: set[str] = set()
    for rooms, allowed in read_map():
        assert allowed <= above | {*rooms}, rooms
        above |= {*rooms}


def test_nothing_imports_upward():
    wrong = []
    for path in modules():
        here = room(path)
        if here not in MAY_IMPORT:
            continue
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "tf_i2i" or len(parts) < 2:
                continue
            if parts[1] not in MAY_IMPORT[here] | {here}:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert wrong == []


def test_verbs_import_no_verb():
    verbs = set(VERBS) - set(MAY_IMPORT)
    wrong = [
        f"{name} imports {other}"
        for name in sorted(verbs)
        for other in imported(PACKAGE / f"{name}.py")
        if set(other.split(".")[1:2]) & (verbs - {name})
    ]
    assert wrong == []


def test_gin_is_imported_in_one_module():
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        if any(name.split(".")[0] == "gin" for name in imported(path))
    ]
    assert users == ["configuration.py"]

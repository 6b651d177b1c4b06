"""The layering: nothing imports upward, gin stays in one module."""

import ast
from pathlib import Path

import tf_i2i
from tf_i2i.verbs import VERBS

PACKAGE = Path(tf_i2i.__file__).parent
# Room -> rooms that it may import.
LOW = {"cache", "disk", "domains", "errors", "images"}
MAY_IMPORT = {
    "errors": set(),
    "images": set(),
    "domains": {"errors"},
    "cache": set(),
    "disk": set(),
    "configs": {"errors"},
    "cli": {"errors", "models"},
    "models": {"errors", "cli"},
    "extras": {"errors"},
    "verbs": set(),
    "losses": LOW,
    "layers": LOW,
    "data": LOW | {"extras"},
    "faces": LOW | {"extras"},
    "features": LOW | {"extras"},
    "metrics": LOW | {"extras", "features"},
    "evaluation": LOW | {"data", "features", "methods", "metrics"},
    "report": LOW | {"evaluation", "metrics", "extras"},
    "networks": LOW | {"layers", "losses"},
    "optimizers": set(),
    "methods": LOW | {"layers", "losses", "networks", "features", "optimizers"},
    "training": LOW
    | {"methods", "data", "layers", "losses", "evaluation", "features"}
    | {"optimizers"},
    "configuration": LOW
    | {"configs", "data", "features", "methods", "evaluation", "training"}
    | {"optimizers"},
    "runs": LOW | {"configuration", "data", "methods", "training"},
    "styles": LOW | {"data", "methods"},
    "files": LOW | {"data"},
    "geometry": LOW,
    "file_translation": LOW | {"data", "faces", "files", "geometry", "styles"},
    "exporting": LOW | {"layers", "methods", "cli", "extras"},
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Full names of all modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def test_every_room_is_in_the_plan():
    rooms = {room(p) for p in modules()} - {"__init__", "__main__"}
    assert rooms == set(MAY_IMPORT) | set(VERBS)


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

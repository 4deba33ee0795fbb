"""The house rules that a reader relies on: layers, one place a library, small rooms, exports, no code in packages."""

import ast
import importlib
from pathlib import Path

import pytest

import busline

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "busline"
MODULES = sorted(SOURCE.rglob("*.py"))
LAYERS = {
    "errors": -1,
    "record": 0,
    "names": 0,
    "contract": 1,
    "codec": 2,
    "platform": 2,
    "transport": 3,
    "bus": 4,
    "governance": 5,
    "cli": 7,
    "testing": 8,
    "__main__": 9,
    "": 9,
}
LIBRARIES = {
    "aiokafka": ["transport/kafka/"],
    "kafka": ["transport/kafka/"],
    "cramjam": ["transport/kafka/"],
    "apsw": ["transport/sqlite"],
    "httpx": ["governance/registry/http"],
    "yaml": ["contract/yaml_reader.py", "contract/yaml_scan.py", "contract/declaration.py", "contract/yaml_edit.py"],
    "click": ["cli/"],
    "rich": ["cli/"],
    "fastavro": [],
    "pytest": ["testing/"],
    "hypothesis": ["testing/"],
}
MAX_LINES = 400
MAX_FUNCTION = 50
MAX_PARAMETERS = 6


def room(path: Path) -> str:
    """The layer a module belongs to: its package, or its own name at the top."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports(path: Path) -> list[tuple[str, int]]:
    """Every absolute module name imported anywhere in the file, with its line; TYPE_CHECKING blocks do not count."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for node in ast.walk(block)
    }
    out = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            out += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "busline":
            out += [(f"busline.{alias.name}", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            out.append((node.module, node.lineno))
    return out


def test_a_module_imports_only_lower_layers_or_its_own_package() -> None:
    wrong = []
    for path in MODULES:
        own = room(path)
        for name, line in imports(path):
            parts = name.split(".")
            if parts[0] != "busline":
                continue
            other = parts[1] if len(parts) > 1 and parts[1] in LAYERS else ""
            if other != own and LAYERS[other] >= LAYERS[own]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_each_library_is_imported_in_its_named_place_only() -> None:
    wrong = []
    for path in MODULES:
        place = path.relative_to(SOURCE).as_posix()
        for name, line in imports(path):
            allowed = LIBRARIES.get(name.split(".")[0])
            if allowed is not None and not any(place.startswith(prefix) for prefix in allowed):
                wrong.append(f"{place}:{line} imports {name}")
    assert wrong == []


def test_packages_hold_no_code() -> None:
    filled = [p for p in SOURCE.rglob("__init__.py") if p.parent != SOURCE and p.read_text().strip()]
    assert filled == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_a_room_is_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES, "split it by idea"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines"
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [a.arg for a in given if a.arg not in ("self", "cls")]
            assert len(names) <= MAX_PARAMETERS, f"{node.name} takes {len(names)} parameters"


def test_every_module_says_what_it_is() -> None:
    silent = [p for p in MODULES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_public_names_are_exported_once_and_exist() -> None:
    names = busline.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(busline, name)] == []


def test_every_error_has_a_code_of_its_own_and_stands_in_the_drawing() -> None:
    errors = importlib.import_module("busline.errors")
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.BuslineError)]
    codes = [c.code for c in classes]
    assert len(codes) == len(set(codes))
    drawing = errors.__doc__ or ""
    assert [c.__name__ for c in classes if f"{c.__name__} " not in drawing or c.code not in drawing] == []


def test_the_file_map_of_the_design_is_fresh() -> None:
    from scripts.file_map import DESIGN, written

    text = DESIGN.read_text()
    assert written(text) == text, "run: python scripts/file_map.py"

"""The file map of DESIGN.md, made from the modules' own first lines: `python scripts/file_map.py` writes it there."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "busline"
DESIGN = ROOT / "DESIGN.md"
BEGIN, END = "<!-- file map: python scripts/file_map.py -->", "<!-- end of file map -->"
ORDER = ("", "contract", "codec", "transport", "bus", "governance", "cli", "testing")


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]


def file_map() -> str:
    rooms: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        line = first_line(path)
        if line:
            room = path.parent.relative_to(SOURCE).as_posix().removeprefix(".")
            rooms.setdefault(room, []).append(f"- `{path.stem}` {line}")
    names = sorted(rooms, key=lambda room: (ORDER.index(room.split("/")[0]), room))
    return "\n".join(f"\n**{name or 'busline'}/**\n\n" + "\n".join(rooms[name]) for name in names)


def written(text: str) -> str:
    """DESIGN.md with its map made anew."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{file_map()}\n\n{END}{after}"


if __name__ == "__main__":
    DESIGN.write_text(written(DESIGN.read_text()))

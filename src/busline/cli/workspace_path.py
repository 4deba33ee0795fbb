"""Where the workspace is, looked for without reading it: a shell that completes asks this at every key."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from busline.bus.settings import Settings
from busline.errors import ConfigurationError

FOLDER: Final = "schemas"
FILE: Final = "busline.yaml"


def find_workspace(given: Path | None, settings: Settings) -> Path | None:
    """--workspace, the setting, or schemas/ with a busline.yaml in this folder or above. Raises ConfigurationError."""
    said = given or (Path(path) if (path := settings.get("workspace")) else None)
    if said is not None:
        if not (said / FILE).is_file():
            raise ConfigurationError(f"{said} holds no {FILE}", fix="Make one: busline init.")
        return said
    here = Path.cwd()
    found = next((d / FOLDER for d in (here, *here.parents) if (d / FOLDER / FILE).is_file()), None)
    return found.relative_to(here) if found is not None and found.is_relative_to(here) else found


def workspace_folder(given: Path | None) -> Path:
    """Raises ConfigurationError where there is none."""
    path = find_workspace(given, Settings.load())
    if path is None:
        raise ConfigurationError(
            "there is no workspace here", where=str(Path.cwd()), fix="Make one: busline init, or name it: --workspace."
        )
    return path

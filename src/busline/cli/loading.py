"""`module:bus` to the Bus that it names, the user's own errors shown as the user's."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from busline.errors import BuslineError, ConfigurationError

if TYPE_CHECKING:
    from busline.bus.bus import Bus


def load_bus(spec: str) -> Bus:
    """Import the module, with this folder in front of the search path, and take its bus.

    Raises ConfigurationError for a wrong spec and for a module that fails while it is imported, with its traceback
    from the user's code on; errors of busline's tree, as a model's, pass with their own words.
    """
    from busline.bus.bus import Bus

    module, colon, path = spec.partition(":")
    if not module or not colon or not path:
        raise ConfigurationError(f"{spec!r} names no bus", fix="Write module:name, e.g. hello:bus.")
    if "/" in module or module.endswith(".py"):
        dotted = module.removesuffix(".py").strip("./").replace("/", ".")
        raise ConfigurationError(f"{module!r} is a file", fix=f"Write the module: {dotted}:{path}.")
    found: object = _imported(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, Bus):
        names = [name for name, value in vars(sys.modules[module]).items() if isinstance(value, Bus)]
        fix = f"There is {', '.join(f'{module}:{name}' for name in names)}." if names else "Make one: bus = Bus(…)."
        raise ConfigurationError(f"{spec} is no Bus", fix=fix)
    return found


def _imported(module: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise _failed(module, error) from error
        raise ConfigurationError(
            f"there is no module {error.name!r}", where=here, fix="Run it where the module is, or install the package."
        ) from None
    except BuslineError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(module, error) from error


def _failed(module: str, error: BaseException) -> ConfigurationError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    lines = [*traceback.format_list(own), *traceback.format_exception_only(error)]
    return ConfigurationError(f"{module} fails while it is imported", why="\n" + "".join(lines).rstrip())

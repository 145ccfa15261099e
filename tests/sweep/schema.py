"""W&B's own schema of a sweep, by which its server checks what `wandb sweep` sends.

`published/schema.json` is that of the package `sweeps` 0.3.0 (MIT, see the licence beside it), which wants numpy 1.
"""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, FormatChecker

_SCHEMA = json.loads((Path(__file__).parent / "published" / "schema.json").read_text(encoding="utf-8"))
PROPERTIES: dict[str, Any] = _SCHEMA["properties"]
"""By the keys of a sweep."""
_FORMATS = FormatChecker()
_FORMATS.checks("float")(lambda value: isinstance(value, float))
_FORMATS.checks("integer")(lambda value: isinstance(value, int))


def violations(sweep: Any) -> list[str]:
    """What the server would find wrong."""
    return [error.message for error in Draft7Validator(_SCHEMA, format_checker=_FORMATS).iter_errors(sweep)]

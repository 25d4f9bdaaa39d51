"""``python -m longshore_config FILE [OUT]``: checks a configuration file and, given OUT, compiles it. Exit 2: wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from longshore_config.compile import InvalidConfigError, canonical, compile_config
from longshore_config.scanning import scan_notes

USAGE = "usage: python -m longshore_config longshore.yaml [config.json]"


def main(arguments: list[str]) -> int:
    """0 when the file is good (and compiled), 2 when it or the usage is wrong."""
    if len(arguments) not in {1, 2}:
        return _fail(USAGE)
    try:
        config = compile_config(Path(arguments[0]))
        compiled, notes = canonical(config), scan_notes(Path(arguments[0]))
    except InvalidConfigError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{arguments[0]}: {error.strerror or error}")
    for note in notes:
        print(note, file=sys.stderr)
    if len(arguments) > 1:
        out = Path(arguments[1])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(compiled, encoding="utf-8", newline="\n")
    return 0


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

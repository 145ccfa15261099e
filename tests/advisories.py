"""Known advisories for the installed packages, as PyPI has them, asked by pip-audit. A part of `make lint`.

    python -m tests.advisories

Exit status 0: none is known, or PyPI cannot be asked, as a line says; 1: a package is to be changed.
"""

import json
import re
import subprocess
import sys
from typing import Any

COMMAND = ["-m", "pip_audit", "--local", "--skip-editable", "--format=json", "--progress-spinner=off", "--timeout=5"]
PATIENCE = 300
"""Seconds after which PyPI counts as out of reach."""
NOT_OURS = {"pip", "setuptools", "wheel"}
"""What a fresh environment holds before the project is installed into it."""
UNREACHABLE = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries exceeded|Could not (connect|reach)"
)


def verdict(out: str, err: str) -> tuple[int, list[str]]:
    """Return the exit status and the lines that follow from what pip-audit printed."""
    try:
        listed: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (err.strip().splitlines() or ["it said nothing"])[-1][:200]
        if UNREACHABLE.search(err):
            return 0, [f"advisories: skipped, no network ({last})"]
        return 1, [f"advisories: pip-audit failed: {last}"]
    asked = [one for one in listed if "vulns" in one]
    if not asked:
        return 0, ["advisories: skipped, PyPI says nothing of any package here"]
    found = []
    for one in asked:
        names = sorted(advisory["id"] for advisory in one["vulns"])
        mends = sorted({version for advisory in one["vulns"] for version in advisory.get("fix_versions", ())})
        if names and one["name"] not in NOT_OURS:
            mend = f"mended in {', '.join(mends)}" if mends else "no version mends it"
            found.append(f"advisories: {one['name']} {one['version']}: {', '.join(names)}; {mend}")
    if found:
        return 1, found
    rest = len(listed) - len(asked)
    return 0, [f"advisories: none for {len(asked)} packages" + (f"; {rest} are unknown to PyPI" if rest else "")]


def main(command: list[str] | None = None) -> int:
    """Ask by `command` (default: pip-audit); print what it found and return the exit status."""
    try:
        started = command or [sys.executable, *COMMAND]
        done = subprocess.run(started, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"advisories: skipped, no answer in {PATIENCE} s")
        return 0
    status, lines = verdict(done.stdout, done.stderr)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())

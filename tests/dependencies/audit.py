"""`make audit`: asks for the known vulnerabilities of what is in requirements.lock, by pip-audit.

Example: `python -m tests.dependencies.audit --strict`. The exit code is 1 for a vulnerability. What the service does
not know, or a service that does not answer, is said and passes, since neither says anything of the change that is
checked; with `--strict` it is exit code 2.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "requirements.lock"
ANSWER_S = 15
"""How long the service may take for one answer."""


def asked() -> list[dict[str, Any]] | None:
    """What pip-audit says of each dependency, or None where it could not say anything."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", LOCK, "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", "--timeout", str(ANSWER_S)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except json.JSONDecodeError:
        sys.stderr.write(done.stderr)
        return None


def verdict(dependencies: list[dict[str, Any]], *, strict: bool) -> tuple[int, list[str]]:
    """The exit code, and the lines to say."""
    lines = [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no release'}"
        for each in dependencies
        for found in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    code = 1 if lines else 2 if strict and skipped else 0
    lines.append(f"{len(dependencies) - len(skipped)} of {len(dependencies)} dependencies audited")
    if skipped:
        lines.append(
            f"not known to the service: {', '.join(skipped[:3])}{', ...' if len(skipped) > 3 else ''}"
        )
    return code, lines


def main() -> int:
    """Exit code 0, 1 for a vulnerability, 2 with `--strict` where not all could be asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strict", action="store_true", help="fail too where not all could be asked for")
    strict = parser.parse_args().strict
    if (dependencies := asked()) is None:
        print("nothing audited: the service did not answer", file=sys.stderr)
        return 2 if strict else 0
    code, lines = verdict(dependencies, strict=strict)
    print("\n".join(lines), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""The list of commands."""

import sys
from importlib import import_module
from pathlib import Path

COMMANDS = ("kill", "writers", "memory", "slow")


def main() -> None:
    """Run the named module's `main` with what is left of the line."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        raise SystemExit(f"usage: python -m benchmarks.reliability {'|'.join(COMMANDS)}")
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
    command = sys.argv.pop(1)
    import_module(f"benchmarks.reliability.{command}").main()


if __name__ == "__main__":
    main()

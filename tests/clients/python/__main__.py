"""Runs the scenarios of ../README.md, or those that are named, and prints a line for each."""

import sys

import balancing
import connecting
import failing
import finding
import following
import invoking
import keepalive
import once
import replicas


def main() -> int:
    failed = 0
    for module in (invoking, following, connecting, failing, finding, keepalive, balancing, once, replicas):
        for name, scenario in module.SCENARIOS.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            try:
                scenario()
            except Exception as error:
                failed += 1
                print(f"FAILED {name}:", " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
            else:
                print("ok", name, flush=True)
    return 1 if failed else 0


sys.exit(main())

"""Runs the attacks, or those that are named, and prints a line for each."""

import sys
import time

import answers
import certificates
import files
import heads
import health
import keys
import odd
import secrecy
import slow
import streams
import tokens


def main() -> int:
    failed = 0
    for family in (heads, streams, odd, health, slow, answers, keys, tokens, certificates, secrecy, files):
        for name, attack in family.ATTACKS.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            start = time.monotonic()
            try:
                figures = attack()
            except Exception as error:
                failed += 1
                print(f"FAILED {name}:", " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
            else:
                print(f"ok {name}: {figures}; {time.monotonic() - start:.0f} s", flush=True)
    return 1 if failed else 0


sys.exit(main())

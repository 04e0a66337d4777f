"""The door to one run: `_run_command` is what happens behind it.

python -m crossattack.run --target dcmh          # the same as `crossattack run --target dcmh`
"""

import sys

from crossattack._cli_start import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]], called="python -m crossattack.run"))

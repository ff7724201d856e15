"""The runner's program: `python -I -S runner/__main__.py RUN_DIR LEASE_FD`, or ahead of its run with a connection on
which it hears of that (`queue/spawn.py`). Python compiles this file at each start, and so it is short."""

import os
import sys

# appended, not prepended: the folder may be a site-packages, and the standard library comes first
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.runner.serve import main

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""`python -m espalier`, the command line."""

from espalier.cli.__main__ import main

if __name__ == "__main__":
    main()

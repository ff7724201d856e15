"""`espalier`, the console script; also `python -m espalier.cli`."""

import sys

import espalier


def main() -> None:
    """Carry out the command of this process, and end it with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):  # (nothing else is loaded for it)
        if sys.stdout is not None:
            sys.stdout.write(f"espalier {espalier.__version__}\n")
        return
    from espalier.cli.app import carry_out

    raise SystemExit(carry_out(sys.argv[1:]))


if __name__ == "__main__":
    main()

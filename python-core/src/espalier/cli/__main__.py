"""`espalier`, the console script; also `python -m espalier`."""

import sys

import espalier


def main() -> None:
    """Carry out the command of this process, and end it with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):  # (nothing else is loaded for it)
        if sys.stdout is not None:
            sys.stdout.write(f"espalier {espalier.__version__}\n")
        return
    try:
        from espalier.cli.app import carry_out
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        raise SystemExit(_without_click()) from None
    raise SystemExit(carry_out(sys.argv[1:]))


def _without_click() -> int:
    if sys.stderr is not None:
        lines = ["Error: Can't start the command line: the package click is missing.",
                 "i Install it: python -m pip install click jmespath. In R: install_espalier_cli()."]  # fmt: skip
        sys.stderr.write("\n".join(lines) + "\n")
    return 4


if __name__ == "__main__":
    main()

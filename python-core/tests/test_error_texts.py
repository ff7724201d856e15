"""The texts of all errors are the ones of `error_texts.txt`. ESPALIER_WRITE_DOCS=yes writes that file again."""

import os
from pathlib import Path

import espalier
from error_texts import error_texts

KEPT = Path(__file__).with_name("error_texts.txt")


def test_the_texts_of_errors_are_the_kept_ones() -> None:
    found = error_texts(Path(espalier.__file__).parent)
    if os.environ.get("ESPALIER_WRITE_DOCS") == "yes":
        KEPT.write_text(found, "utf-8")
    assert found == KEPT.read_text("utf-8"), "read the changed texts, then run this with ESPALIER_WRITE_DOCS=yes"
    assert found.count("\n* ") > 400

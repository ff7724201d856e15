from typing import Tuple

import pytest
from espalier.provision.packages.causes import find_cause, last_lines

R_END = "\nespalier: could not install pkg 1.0\n"
# What builds say -> package, what the system lacks, what to install.
SAID = [
    ("/usr/bin/ld: cannot find -lxml2: No such file or directory" + R_END, "pkg", "the library xml2", ("libxml2-dev",)),
    ("/usr/bin/ld: cannot find -lz\ncollect2: error" + R_END, "pkg", "the library z", ("zlib1g-dev",)),
    ("/usr/bin/ld: cannot find -lnobodyknows" + R_END, "pkg", "the library nobodyknows", ()),
    ("a.c:1:10: fatal error: openssl/ssl.h: No such file or directory\ncompilation terminated." + R_END, "pkg", "the header openssl/ssl.h", ("libssl-dev",)),
    ("a.c:1:10: fatal error: 'gdal.h' file not found" + R_END, "pkg", "the header gdal.h", ("libgdal-dev",)),
    ("configure: error: pg_config executable not found.\nError: pg_config executable not found.\n", None, "the program pg_config", ("libpq-dev",)),
    ("Package libxml-2.0 was not found in the pkg-config search path." + R_END, "pkg", "the library libxml-2.0", ("libxml2-dev",)),
    ("No package 'libcurl' found" + R_END, "pkg", "the library libcurl", ("libcurl4-openssl-dev",)),
    ("/bin/sh: 1: gfortran: not found\nmake: *** [a.o] Error 127" + R_END, "pkg", "the program gfortran", ("gfortran",)),
    ("make: gcc: No such file or directory" + R_END, "pkg", "the program gcc", ("gcc",)),
    ("sh: 1: make: not found" + R_END, "pkg", "the program make", ("make",)),
    ("error: command 'gcc' failed: No such file or directory\n", None, "the program gcc", ("gcc",)),
    ("Configuration failed because libsodium was not found. Try installing:\n * deb: libsodium-dev (Debian, Ubuntu)\n" + R_END, "pkg", "libsodium-dev", ("libsodium-dev",)),
    ("ERROR: compilation failed for package 'curl'\nfatal error: curl/curl.h: No such file or directory\n", "curl", "the header curl/curl.h", ("libcurl4-openssl-dev",)),
    ("  x Failed to build `psycopg2==2.9`\n  Error: pg_config executable not found.\n", "psycopg2", "the program pg_config", ("libpq-dev",)),
]  # fmt: skip
OTHERS = [
    ("write failed: No space left on device" + R_END, "pkg", "the disk is full"),
    ("ERROR: this R is version 4.2.2, package 'newer' requires R >= 4.3.0" + R_END, "newer", "does not work with this version of R"),
    ("Warning: package \u2018abc\u2019 is not available for this version of R", "abc", "does not work with this version of R"),
    ("Error in loadNamespace(x) : there is no package called \u2018gone\u2019" + R_END, "pkg", "needs the R package gone"),
    ("ERROR: No matching distribution found for nothere==1", "nothere==1", "No index has"),
    ("Because nothere was not found in the package registry and you require nothere,", "nothere", "No index has"),
    ("x No solution found when resolving dependencies:", None, "contradict each other"),
    ("error: No interpreter found for Python 3.99 in search path", None, "Python 3.99 is not on this machine"),
    ("g++: fatal error: Killed signal terminated program cc1plus" + R_END, "pkg", "ran out of memory"),
    ("error sending request for url (https://pypi.org/simple/x/)", None, "network did not answer"),
    ("something else" + R_END, "pkg", "The package pkg failed to install."),
    ("nothing that is known", None, ""),
]


@pytest.mark.parametrize(("said", "package", "missing", "apt"), SAID)
def test_what_the_system_lacks(said: str, package: str, missing: str, apt: Tuple[str, ...]) -> None:
    cause = find_cause("some lines before\n" * 50 + said)
    assert (cause.package, cause.missing, cause.apt) == (package, missing, apt)
    assert all(f'"{name}"' in cause.hint for name in apt)
    assert cause.reason.endswith("which the system doesn't have.")


@pytest.mark.parametrize(("said", "package", "reason"), OTHERS)
def test_other_reasons(said: str, package: str, reason: str) -> None:
    cause = find_cause(said)
    assert cause.package == package
    assert reason in cause.reason if reason else cause.reason == ""


def test_only_the_end_is_read() -> None:
    assert find_cause("cannot find -lxml2\n" + "x" * 200_000).missing is None


def test_the_last_lines_can_be_shown() -> None:
    lines = ["first", "", "  ", "\x1b]0;title\x07red\x1b[31m\r", "y" * 5000, "\tlast"]
    assert last_lines(lines, 3) == ["?]0;title?red?[31m", "y" * 300 + "...", "\tlast"]

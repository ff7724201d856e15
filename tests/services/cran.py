"""A small CRAN: sources made here, and the index of them.

    ROOT/src/contrib/              the newest of each package, PACKAGES, and Archive/NAME/NAME_VERSION.tar.gz
    ROOT/2024-05-01/src/contrib/   how it stood then: a dated mirror

What is in it:

    plain, plain.two    pure R
    chain.a … chain.d   each imports the next; chain.d depends on plain
    compiled            C; linked in by `linking`, which finds its header
    versions            1.0.0 and 1.1.0 in the archive, 2.0.0 today, 1.1.0 on the dated mirror
    slow                a second or so of compiling
    no.compile          C that does not compile
    no.header           C that wants <foo.h>
    no.library          C that links with -lfoo
    no.tool             whose configure says that libxml-2.0 is missing
    no.load             installs, but does not load
    no.dependency       imports a package that nobody has
    filler01 … filler48 pure R, the first 32; the others compiled
    canary              prints its environment while it is installed: whoever passes it a token will find it in the log
"""

import gzip
import hashlib
import sys
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Tuple

from archives import tar_gz

DATED = "2024-05-01"
FILLERS = 48


class Package(NamedTuple):
    """Sources of one version of one package."""

    name: str
    version: str = "1.0.0"
    imports: Tuple[str, ...] = ()
    depends: Tuple[str, ...] = ()
    linking: Tuple[str, ...] = ()
    c: str = ""
    makevars: str = ""
    configure: str = ""
    requires: str = ""
    headers: Mapping[str, str] = {}
    code: str = ""

    @property
    def file(self) -> str:
        """Name of its archive."""
        return f"{self.name}_{self.version}.tar.gz"

    def fields(self) -> Dict[str, str]:
        """What DESCRIPTION and the index say in the same words."""
        depends = ", ".join(("R (>= 3.5.0)", *self.depends))
        made = {"Package": self.name, "Version": self.version, "Depends": depends, "Imports": ", ".join(self.imports),
                "LinkingTo": ", ".join(self.linking), "License": "MIT", "SystemRequirements": self.requires,
                "NeedsCompilation": "yes" if self.c else "no"}
        return {key: value for key, value in made.items() if value}

    def archive(self) -> bytes:
        """The file that a CRAN serves."""
        return tar_gz(self.files())

    def files(self) -> Dict[str, bytes]:
        """What is in it, below a folder of the package's name."""
        about = {"Title": "Test Package", "Description": f"What {self.name} is for: tests.", "Author": "A. Tester",
                 "Maintainer": "A. Tester <tester@example.org>", "Packaged": "2024-04-01 12:00:00 UTC; tester"}
        symbol = self.name.replace(".", "_")
        exports = [f"export({symbol})", *(f"import({name})" for name in self.imports)]
        call = f'.Call("{symbol}_c")' if self.c else "TRUE"
        code = self.code or f'{symbol} <- function() if ({call}) "{self.name} {self.version}"'
        files = {"DESCRIPTION": _dcf({**self.fields(), **about}), "R/code.R": code + "\n"}
        if self.c:
            exports.append(f"useDynLib({self.name})")
            files["src/code.c"] = self.c
        if self.makevars:
            files["src/Makevars"] = self.makevars
        if self.configure:
            files["configure"] = "#!/bin/sh\n" + self.configure
        files.update({f"inst/include/{name}": text for name, text in self.headers.items()})
        files["NAMESPACE"] = "\n".join(exports) + "\n"
        return {f"{self.name}/{name}": text.encode() for name, text in files.items()}


def _dcf(fields: Mapping[str, str]) -> str:
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def _c(name: str, top: str = "", value: str = "1") -> str:
    return f"""#include <Rinternals.h>
{top}
SEXP {name.replace(".", "_")}_c(void) {{ return Rf_ScalarLogical({value}); }}
"""


def _compiled(name: str, version: str = "1.0.0") -> Package:
    return Package(name, version, c=_c(name))


def heavy(name: str, functions: int) -> Package:
    """One that takes its time to compile: some seconds for a thousand functions."""
    lines = (f"double f{i}(double x) {{ for (int k = 0; k < 9; k++) x = x * {i}.5 + k; return x; }}"
             for i in range(functions))
    return Package(name, c=_c(name, "\n".join(lines)))


def packages() -> List[Package]:
    """All that there is today, each in its newest version."""
    xml = """cat >&2 <<TEXT
Package libxml-2.0 was not found in the pkg-config search path.
Perhaps you should add the directory containing 'libxml-2.0.pc'
TEXT
echo "ERROR: configuration failed" >&2
exit 1
"""
    return [
        Package("plain"), Package("plain.two"),
        Package("chain.a", imports=("chain.b",)), Package("chain.b", imports=("chain.c",)),
        Package("chain.c", imports=("chain.d",)), Package("chain.d", depends=("plain",)),
        Package("compiled", c=_c("compiled"), headers={"compiled.h": "#define COMPILED 1\n"}),
        Package("linking", linking=("compiled",), c=_c("linking", "#include <compiled.h>", "COMPILED")),
        Package("versions", "2.0.0"),
        heavy("slow", 500),
        Package("no.compile", c=_c("no.compile", "this is not C")),
        Package("no.header", c=_c("no.header", "#include <foo.h>"), requires="libfoo"),
        Package("no.library", c=_c("no.library"), makevars="PKG_LIBS = -lfoo\n", requires="libfoo"),
        Package("no.tool", c=_c("no.tool"), configure=xml, requires="libxml2"),
        Package("no.load", code='no_load <- 1\n.onLoad <- function(...) stop("does not load, on purpose")'),
        Package("no.dependency", imports=("nobody.has.this",)),
        Package("canary", configure="env | sort\n", c=_c("canary")),
        *(Package(f"filler{i:02}") if i <= 32 else _compiled(f"filler{i:02}") for i in range(1, FILLERS + 1)),
    ]


def older() -> List[Package]:
    """What lies in the archive."""
    return [Package("versions", "1.0.0"), Package("versions", "1.1.0"), Package("plain", "0.9.0")]


def make(root: Path) -> Path:
    """Write the repository.

    Args:
        root: An empty or missing folder.

    Returns:
        The same: what R calls a repository.
    """
    today = packages()
    _write(root / "src" / "contrib", today)
    for package in older():
        folder = root / "src" / "contrib" / "Archive" / package.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / package.file).write_bytes(package.archive())
    then = {package.name: package for package in [*today, *older()]}
    _write(root / DATED / "src" / "contrib", list(then.values()))
    return root


def _write(contrib: Path, content: List[Package]) -> None:
    contrib.mkdir(parents=True)
    index = []
    for package in content:
        data = package.archive()
        (contrib / package.file).write_bytes(data)
        index.append(_dcf({**package.fields(), "MD5sum": hashlib.md5(data).hexdigest()}))
    text = "\n".join(index).encode()
    (contrib / "PACKAGES").write_bytes(text)
    (contrib / "PACKAGES.gz").write_bytes(gzip.compress(text, mtime=0))


def add(root: Path, package: Package) -> None:
    """Put one more package, or a newer version of one, into a repository that `make` wrote."""
    contrib = root / "src" / "contrib"
    data = package.archive()
    (contrib / package.file).write_bytes(data)
    kept = [entry for entry in (contrib / "PACKAGES").read_text().split("\n\n")
            if not entry.startswith(f"Package: {package.name}\n")]
    entry = _dcf({**package.fields(), "MD5sum": hashlib.md5(data).hexdigest()})
    text = "\n\n".join([*(one.strip("\n") for one in kept), entry]).encode()
    (contrib / "PACKAGES").write_bytes(text)
    (contrib / "PACKAGES.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    print(make(Path(sys.argv[1])).resolve().as_uri())

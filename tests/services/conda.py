"""A small conda channel: linux-64 and noarch, `.tar.bz2` and `.conda`.

What is in it:

    python      the version of /usr/bin/python3, which it borrows: no real conda Python need be reachable
    hello       1.0 and 2.0 (a command; linux-64), needs libhello
    libhello    1.0 (a file; linux-64, `.conda` where zstandard is there)
    nice        1.0 (a Python module; noarch), needs python
    torn        1.0, needs a package that nobody has
"""

import bz2
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Dict, Mapping, NamedTuple, Tuple

from archives import tar, zipped

PYTHON = "/usr/bin/python3"


class Package(NamedTuple):
    """One file of the channel."""

    name: str
    version: str
    files: Mapping[str, bytes]
    depends: Tuple[str, ...] = ()
    links: Mapping[str, str] = {}
    python: bool = False
    modern: bool = False

    @property
    def subdir(self) -> str:
        """Where in the channel it lies."""
        return "noarch" if self.python else "linux-64"

    def index(self) -> Dict[str, object]:
        """What the package says of itself."""
        kind = {"noarch": "python"} if self.python else {}
        return {"name": self.name, "version": self.version, "build": "0", "build_number": 0, "subdir": self.subdir,
                "depends": list(self.depends), "timestamp": 1700000000000, **kind}

    def info(self) -> Dict[str, bytes]:
        """The folder `info/`, which is all that an installer reads first."""
        paths = [{"_path": name, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(),
                  "size_in_bytes": len(data)} for name, data in sorted(self.files.items())]
        paths += [{"_path": name, "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(),
                   "size_in_bytes": 0} for name in sorted(self.links)]
        made = {"info/index.json": _json(self.index()), "info/paths.json": _json({"paths": paths, "paths_version": 1}),
                "info/files": "".join(f"{name}\n" for name in sorted([*self.files, *self.links])).encode()}
        if self.python:
            made["info/link.json"] = _json({"noarch": {"type": "python"}, "package_metadata_version": 1})
        return made

    def archive(self) -> Tuple[str, bytes]:
        """Name and content of the file."""
        stem = f"{self.name}-{self.version}-0"
        if self.modern:
            try:
                import zstandard
            except ImportError:
                pass
            else:
                pack = zstandard.ZstdCompressor().compress
                return f"{stem}.conda", zipped({
                    "metadata.json": _json({"conda_pkg_format_version": 2}),
                    f"pkg-{stem}.tar.zst": pack(tar(self.files, self.links)), f"info-{stem}.tar.zst": pack(tar(self.info())),
                }, compressed=False)
        return f"{stem}.tar.bz2", bz2.compress(tar({**self.files, **self.info()}, self.links))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def python_version() -> str:
    """The version that the channel's Python has: the host's own."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def _python() -> Package:
    """A prefix with this in it is a virtual environment of the host's Python."""
    version = python_version()
    series = ".".join(version.split(".")[:2])
    home = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {version}\n"
    interpreter = f"/usr/bin/python{series}"
    return Package("python", version, {"pyvenv.cfg": home.encode()},
                   links={"bin/python": interpreter, "bin/python3": interpreter, f"bin/python{series}": interpreter})


def packages() -> Tuple[Package, ...]:
    """All that there is."""
    def hello(version: str) -> Package:
        return Package("hello", version, {"bin/hello": f"#!/bin/sh\necho hello {version}\n".encode()}, ("libhello",))

    return (
        _python(), hello("1.0"), hello("2.0"), Package("libhello", "1.0", {"lib/hello.txt": b"hello\n"}, modern=True),
        Package("nice", "1.0", {"site-packages/nice/__init__.py": b'__version__ = "1.0"\n'}, ("python",), python=True),
        Package("torn", "1.0", {"lib/torn.txt": b"torn\n"}, ("nobody-has-this",)),
    )


def make(root: Path) -> Path:
    """Write the channel.

    Args:
        root: An empty or missing folder.

    Returns:
        The same: what conda calls a channel.
    """
    for subdir in ("linux-64", "noarch"):
        records: Dict[str, Dict[str, Dict[str, object]]] = {"packages": {}, "packages.conda": {}}
        (root / subdir).mkdir(parents=True)
        for package in packages():
            if package.subdir != subdir:
                continue
            name, data = package.archive()
            (root / subdir / name).write_bytes(data)
            digests = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            records["packages.conda" if name.endswith(".conda") else "packages"][name] = {**package.index(), **digests}
        (root / subdir / "repodata.json").write_bytes(_json({"info": {"subdir": subdir}, "repodata_version": 1, **records}))
    return root


if __name__ == "__main__":
    print(make(Path(sys.argv[1])).resolve().as_uri())

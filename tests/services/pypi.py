"""A small PyPI: a simple index (PEP 503) of wheels and a source distribution made here.

    ROOT/simple/NAME/index.html, and the files beside it

What is in it:

    alpha       1.0 and 2.0
    beta        1.0, needs alpha; with a command `beta`
    gamma       1.0 as a source distribution, which is built without a network
    delta       1.0, needs a package that nobody has
    broken      1.0 as a source distribution that does not build
"""

import base64
import hashlib
import sys
from pathlib import Path
from typing import Dict, List, Tuple

from archives import tar_gz, zipped

Release = Tuple[str, str, bytes]  # project, file, content


def wheel(name: str, version: str, needs: Tuple[str, ...] = (), command: bool = False) -> Release:
    """A wheel with one module that knows its version."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f'__version__ = "{version}"\n\n\ndef main() -> None:\n    print("{name} {version}")\n',
        f"{info}/METADATA": _metadata(name, version, needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if command:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}:main\n"
    record = [f"{path},sha256={_urlsafe(text.encode())},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    return name, f"{name}-{version}-py3-none-any.whl", zipped({path: text.encode() for path, text in files.items()})


def source(name: str, version: str, builds: bool = True) -> Release:
    """A source distribution that brings its own build backend: it zips the wheel that lies in it."""
    _, file, content = wheel(name, version)
    backend = "raise SystemExit('gamma.h: No such file or directory')\n" if not builds else f"""
import os, shutil
HERE = os.path.dirname(os.path.abspath(__file__))
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    shutil.copy(os.path.join(HERE, "{file}"), wheel_directory)
    return "{file}"
"""
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n\n'
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    folder = f"{name}-{version}"
    files = {"pyproject.toml": (project + system).encode(), "backend.py": backend.encode(), file: content,
             "PKG-INFO": _metadata(name, version, ()).encode()}
    return name, f"{folder}.tar.gz", tar_gz({f"{folder}/{path}": data for path, data in files.items()})


def _metadata(name: str, version: str, needs: Tuple[str, ...]) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in needs)]
    return "\n".join(lines) + "\n"


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def releases() -> List[Release]:
    """All that there is."""
    return [wheel("alpha", "1.0"), wheel("alpha", "2.0"), wheel("beta", "1.0", ("alpha>=1",), command=True),
            source("gamma", "1.0"), wheel("delta", "1.0", ("nobody-has-this",)), source("broken", "1.0", builds=False)]


def make(root: Path) -> Path:
    """Write the index.

    Args:
        root: A folder.

    Returns:
        The folder that is the index: ROOT/simple.
    """
    projects: Dict[str, List[str]] = {}
    for project, file, content in releases():
        folder = root / "simple" / project
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        projects.setdefault(project, []).append(f'<a href="{file}#sha256={digest}">{file}</a><br>')
    for project, links in projects.items():
        _page(root / "simple" / project, links)
    _page(root / "simple", [f'<a href="{project}/">{project}</a><br>' for project in projects])
    return root / "simple"


def _page(folder: Path, links: List[str]) -> None:
    (folder / "index.html").write_text("<!DOCTYPE html><html><body>\n" + "\n".join(links) + "\n</body></html>\n")


if __name__ == "__main__":
    print(make(Path(sys.argv[1])).resolve().as_uri())

"""An image of a few megabytes: a shell and a dozen tools of this machine, with the libraries that they load.

For tests in which images are pushed, pulled, harmed and run, and neither R nor Python matters. Made in a second.
"""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Optional, Set

IMAGE = "espalier-test-small:1"
TOOLS = ("cat", "chmod", "cp", "env", "id", "ls", "mkdir", "mv", "rm", "sleep", "touch", "true", "head", "dd", "sha256sum")


def tar() -> bytes:
    """The file system, as `docker import` takes it."""
    programs = {f"bin/{name}": shutil.which(name) for name in (*TOOLS, "sh")}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("usr", 0o755)):
            _add(archive, folder, mode=mode)
        _add(archive, "usr/bin", link="../bin")
        _add(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        needed: Set[str] = set()
        for name, program in programs.items():
            if program is None:
                raise RuntimeError(f"There is no {name} here")
            _add(archive, name, Path(program).read_bytes(), mode=0o755)
            needed |= _libraries(program)
        for library in sorted(needed):
            _add(archive, library.lstrip("/"), Path(library).read_bytes(), mode=0o755)
    return out.getvalue()


def _libraries(program: str) -> Set[str]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return set(re.findall(r"(/\S+) \(0x", said))


def _add(archive: tarfile.TarFile, name: str, data: Optional[bytes] = None, mode: int = 0o644, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type = tarfile.SYMTYPE if link else tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    member.linkname, member.mode, member.size = link, mode, len(data or b"")
    archive.addfile(member, io.BytesIO(data or b""))


def make(name: str = IMAGE) -> str:
    """Import it into the engine, unless it is there.

    Returns:
        Its name.
    """
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode != 0:
        subprocess.run(["docker", "import", "-", name], input=tar(), check=True, stdout=subprocess.DEVNULL)
    return name


if __name__ == "__main__":
    print(make())

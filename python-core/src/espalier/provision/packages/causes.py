"""Why a build failed, read from its output: which package, and what the system lacks."""

import re
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple

# What an error shows of a line.
_LONGEST = 300


@dataclass(frozen=True)
class Cause:
    """Why a build failed.

    Args:
        package: The package that could not be installed, where that is known.
        missing: What the system lacks: a library, a header or a program.
        apt: The Debian packages that have it; to be put into `apt_packages`.
        hint: What to do, one sentence or more.
    """

    package: Optional[str] = None
    reason: str = ""
    missing: Optional[str] = None
    apt: Tuple[str, ...] = ()
    hint: str = ""


def _table(text: str) -> Dict[str, str]:
    pairs = (pair.partition(":") for pair in text.split())
    return {name: value for name, _, value in pairs}


# What is missing -> the Debian package that has it; a header -> its library.
_LIBRARIES = _table("""
    xml:libxml2-dev openssl:libssl-dev geos:libgeos-dev udunits:libudunits2-dev postgresql:libpq-dev
    xml2:libxml2-dev libxml-2.0:libxml2-dev ssl:libssl-dev crypto:libssl-dev
    curl:libcurl4-openssl-dev z:zlib1g-dev bz2:libbz2-dev lzma:liblzma-dev pcre2-8:libpcre2-dev png:libpng-dev
    jpeg:libjpeg-dev png16:libpng-dev tiff:libtiff-dev
    cairo:libcairo2-dev X11:libx11-dev Xt:libxt-dev gsl:libgsl-dev gslcblas:libgsl-dev gmp:libgmp-dev
    mpfr:libmpfr-dev glpk:libglpk-dev lapack:liblapack-dev blas:libblas-dev gfortran:gfortran fftw3:libfftw3-dev
    gdal:libgdal-dev proj:libproj-dev geos_c:libgeos-dev udunits2:libudunits2-dev hdf5:libhdf5-dev
    netcdf:libnetcdf-dev sodium:libsodium-dev zmq:libzmq3-dev git2:libgit2-dev ssh:libssh-dev ssh2:libssh2-1-dev
    pq:libpq-dev mariadb:libmariadb-dev mysqlclient:libmariadb-dev odbc:unixodbc-dev sqlite3:libsqlite3-dev
    magic:libmagic-dev archive:libarchive-dev poppler-cpp:libpoppler-cpp-dev harfbuzz:libharfbuzz-dev
    fribidi:libfribidi-dev freetype:libfreetype6-dev fontconfig:libfontconfig1-dev Magick++:libmagick++-dev
    tbb:libtbb-dev uuid:uuid-dev protobuf:libprotobuf-dev secret-1:libsecret-1-dev v8:libnode-dev ffi:libffi-dev
    icuuc:libicu-dev jq:libjq-dev nlopt:libnlopt-dev webp:libwebp-dev zstd:libzstd-dev
""")
_HEADERS = _table("""
    libxml/tree.h:xml2 libxml/parser.h:xml2 openssl/ssl.h:ssl openssl/opensslv.h:ssl curl/curl.h:curl zlib.h:z
    bzlib.h:bz2 lzma.h:lzma png.h:png jpeglib.h:jpeg tiffio.h:tiff cairo.h:cairo gsl/gsl_version.h:gsl gmp.h:gmp
    mpfr.h:mpfr glpk.h:glpk fftw3.h:fftw3 gdal.h:gdal proj.h:proj geos_c.h:geos_c udunits2.h:udunits2 hdf5.h:hdf5
    netcdf.h:netcdf sodium.h:sodium zmq.h:zmq git2.h:git2 libpq-fe.h:pq mysql.h:mariadb sql.h:odbc sqlite3.h:sqlite3
    magic.h:magic ft2build.h:freetype hb-ft.h:harfbuzz fontconfig/fontconfig.h:fontconfig Magick++.h:Magick++
    uuid/uuid.h:uuid ffi.h:ffi unicode/utypes.h:icuuc libssh/libssh.h:ssh libsecret/secret.h:secret-1 v8.h:v8
    zstd.h:zstd
""")
_PROGRAMS = _table("""
    pg_config:libpq-dev xml2-config:libxml2-dev curl-config:libcurl4-openssl-dev gdal-config:libgdal-dev
    geos-config:libgeos-dev nc-config:libnetcdf-dev gsl-config:libgsl-dev mysql_config:libmariadb-dev
    mariadb_config:libmariadb-dev pkg-config:pkg-config cmake:cmake gcc:gcc g++:g++ cc:gcc c++:g++ gfortran:gfortran
    make:make java:default-jdk javac:default-jdk cargo:cargo rustc:rustc git:git perl:perl pandoc:pandoc swig:swig
    bison:bison flex:flex krb5-config:libkrb5-dev freetype-config:libfreetype6-dev Magick++-config:libmagick++-dev
    ccache:ccache autoconf:autoconf
""")

_R_PACKAGE = re.compile(r"^espalier: could not install (\S+) (\S+)$", re.MULTILINE)
_R_ERROR = re.compile(r"^ERROR: (?:configur|compil|depend|lazy|load|install)[a-z ]*.*?package .(\S+?).$", re.MULTILINE)
_PYTHON_PACKAGE = re.compile(
    r"Failed to (?:download and )?(?:build|download|fetch)[: ]+`?([A-Za-z0-9_.-]+?)(?:==[^`\s]*)?[`\s]"
)
_PIP_PACKAGE = re.compile(r"(?:Failed building wheel for|Could not build wheels for) ([A-Za-z0-9_.-]+)")
# The message by which many R packages' configure scripts say what to install.
_ANTICONF = re.compile(r"\* deb: ([a-z0-9+.-]+)")
_RULES = [
    (kind, re.compile(pattern, re.MULTILINE))
    for kind, pattern in [
        ("disk", r"No space left on device|ENOSPC|Disk quota exceeded|os error 28"),
        ("library", r"cannot find -l([A-Za-z0-9_+.-]+?)(?::|$|\s)"),
        ("header", r"fatal error: '?([^\s:']+\.(?:h|hpp))'?(?:: No such file or directory| file not found)"),
        ("module", r"Package '?([A-Za-z0-9_+.-]+)'?,? (?:was not found|required by .*? not found)"),
        ("module", r"No package '([A-Za-z0-9_+.-]+)' found"),
        ("program", r"(?:^|[\s/:])([A-Za-z0-9_+.-]+): (?:command )?not found"),
        ("program", r"[Ee]rror: ([A-Za-z0-9_+-]+) executable not found"),
        ("program", r"make(?:\[\d+\])?: ([A-Za-z0-9_+.-]+): (?:No such file or directory|Permission denied)"),
        ("program", r"command ['\"`]([A-Za-z0-9_+.-]+)['\"`].*?(?:failed: No such file|not found)"),
        ("program", r"(?:[Cc]ould not find|[Cc]annot find|Failed to find) (?:the )?(?:program )?['\"`]?([a-z+_0-9-]+)"),
        ("r_version", r"package .(\S+?). is not available for this version of R"),
        ("r_version", r"this R is version [0-9.]+, package .(\S+?). requires R"),
        ("r_dependency", r"dependenc(?:y|ies) .(.+?). (?:is|are) not available for package"),
        ("r_dependency", r"there is no package called .([A-Za-z0-9.]+)."),
        ("pip_missing", r"No matching distribution found for ([^\s]+)"),
        ("pip_missing", r"Because (\S+) was not found in the package registry"),
        ("pip_unsolvable", r"No solution found when resolving dependencies|ResolutionImpossible"),
        ("hash", r"Hash mismatch for `([^`]+)`|THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("no_python", r"No interpreter found for (Python [0-9.]+)|No download found for request: (\S+)"),
        ("memory", r"Killed \(?(?:signal terminated )?program|virtual memory exhausted|cannot allocate memory"),
        ("network", r"dns error|Could not resolve host|Connection refused|error sending request|Name or service not"),
    ]
]


def find_cause(output: str) -> Cause:
    """Read from a build's output why it failed; without a reason where that is not known.

    Args:
        output: The end of its output, of which a hundred thousand characters are read.
    """
    text = output[-100_000:]
    package = _package(text)
    deb = _ANTICONF.search(text)
    if deb:
        return _lacks(package, deb[1], deb[1])
    for kind, pattern in _RULES:
        match = pattern.search(text)
        if match:
            found = _cause(kind, match, package)
            if found is not None:
                return found
    return Cause(package, f"The package {package} failed to install." if package else "")


def _package(text: str) -> Optional[str]:
    for pattern in (_R_PACKAGE, _R_ERROR, _PYTHON_PACKAGE, _PIP_PACKAGE):
        match = pattern.search(text)
        if match:
            return match[1]
    return None


def _cause(kind: str, match: "re.Match[str]", package: Optional[str]) -> Optional[Cause]:
    what = next((group for group in match.groups() if group), "")
    name = package or "The build"
    if kind == "disk":
        return Cause(package, f"{name} failed because the disk is full.", hint="Free some space, and try again.")
    if kind == "library":
        return _lacks(package, f"the library {what}", _LIBRARIES.get(what))
    if kind == "header":
        return _lacks(package, f"the header {what}", _LIBRARIES.get(_HEADERS.get(what, "")))
    if kind == "module":
        short = re.sub(r"^lib|-[0-9.]+$", "", what)
        known = _LIBRARIES.get(what) or _LIBRARIES.get(short) or _LIBRARIES.get(re.sub(r"[0-9.-]+$", "", short))
        return _lacks(package, f"the library {what}", known) if known else None
    if kind == "program":
        return _lacks(package, f"the program {what}", _PROGRAMS[what]) if what in _PROGRAMS else None
    if kind == "r_version":
        hint = "Ask for another R (r_version), an older version of the package, or a snapshot_date."
        return Cause(what, f"{what} does not work with this version of R.", hint=hint)
    if kind == "r_dependency":
        return Cause(package, f"{name} needs the R package {what}, which is missing.")
    if kind == "pip_missing":
        reason = f"No index has the Python package {what}."
        return Cause(what, reason, hint="Check its name and version.")
    if kind == "pip_unsolvable":
        reason = "The versions of the Python packages contradict each other."
        return Cause(package, reason, hint="Ask for other versions.")
    if kind == "hash":
        reason = "A Python package doesn't match its hash."
        return Cause(what or package, reason, hint="Do not install it; look into it.")
    if kind == "no_python":
        hint = "Install it, ask for a version that is here, or use Docker."
        return Cause(None, f"{what or 'That Python'} is not on this machine.", hint=hint)
    if kind == "memory":
        return Cause(package, f"{name} ran out of memory.", hint="Build it on a machine with more memory.")
    hint = "Check the network, and try again."
    return Cause(package, f"{name} failed because the network did not answer.", hint=hint)


def _lacks(package: Optional[str], missing: str, apt: Optional[str]) -> Cause:
    reason = f"{package or 'A package'} needs {missing}, which the system doesn't have."
    if apt is None:
        hint = "Find the Debian package that has it, and put that into apt_packages."
        return Cause(package, reason, missing, (), hint)
    hint = f"Put \"{apt}\" into apt_packages of the environment; without Docker, install it (apt-get install {apt})."
    return Cause(package, reason, missing, (apt,), hint)


def last_lines(lines: Iterable[str], most: int = 12) -> List[str]:
    """The last lines of a log for an error: none that is blank or without end, nothing that steers a terminal."""
    said = [line.rstrip() for line in lines if line.strip()][-most:]
    shown = (line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in said)
    return ["".join(char if char.isprintable() or char == "\t" else "?" for char in line) for line in shown]

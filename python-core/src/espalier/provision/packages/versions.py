"""Versions of R packages, what a DESCRIPTION says that a package depends on, and how such files are read."""

import re
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Tuple


def read_dcf(text: str) -> Iterator[Dict[str, str]]:
    """The records of a file. Continued lines are joined by a line feed; what isn't a field is passed over."""
    record: Dict[str, str] = {}
    name = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            if record:
                yield record
            record, name = {}, ""
        elif line[0] in " \t":
            if name:
                record[name] += "\n" + line.strip()
        else:
            name, colon, value = line.partition(":")
            name = name if colon else ""
            if name:
                record[name] = value.strip()
    if record:
        yield record


def write_dcf(records: Iterable[Mapping[str, str]]) -> str:
    """A file with these records, whose values have no line feeds in them."""
    return "\n".join("".join(f"{name}: {value}\n" for name, value in record.items()) for record in records)


PACKAGE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9]")
_VERSION = re.compile(r"[0-9]+([.-][0-9]+)*")
_DEPENDENCY = re.compile(r"\s*([A-Za-z][A-Za-z0-9.]*)\s*(?:\(\s*(>=|<=|==|>|<|=|!=)\s*([^()\s]+)\s*\))?\s*")
# The fields whose packages must be there before a package can be installed.
_HARD = ("Depends", "Imports", "LinkingTo")

# What comes with every R, and what usually does.
_BASE = """base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils
translations"""
_RECOMMENDED = """boot class cluster codetools foreign KernSmooth lattice MASS Matrix mgcv nlme nnet rpart spatial
survival"""
BASE = frozenset(_BASE.split())
RECOMMENDED = frozenset(_RECOMMENDED.split())


@dataclass(frozen=True)
class Dependency:
    """A package, or `R`, that another depends on, and in which versions."""

    name: str
    operator: Optional[str] = None
    version: Optional[str] = None

    def met_by(self, version: str) -> bool:
        """Whether a version will do."""
        if self.operator is None or self.version is None:
            return True
        return compare(version, self.operator, self.version)

    def __str__(self) -> str:
        return self.name if self.operator is None else f"{self.name} ({self.operator} {self.version})"


def is_package_name(text: str) -> bool:
    """Whether R would take this for the name of a package; that name is alsafe as a file name."""
    return PACKAGE_NAME.fullmatch(text) is not None and len(text) <= 128


def is_version(text: str) -> bool:
    """Whether R would take this for a version."""
    return _VERSION.fullmatch(text) is not None and len(text) <= 64


def version_key(text: str) -> Tuple[int, ...]:
    """Orders versions as R does: by their numbers, `-` being as good as `.`."""
    return tuple(int(part) for part in re.split(r"[.-]", text))


def compare(a: str, operator: str, b: str) -> bool:
    """Whether `a operator b` holds of two versions."""
    left, right = version_key(a), version_key(b)
    return {
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
        "==": left == right,
        "=": left == right,
        "!=": left != right,
    }[operator]


def dependencies(fields: Mapping[str, str]) -> List[Dependency]:
    """What a package must have around it when it is installed, `R` among it; without R's base packages.

    Args:
        fields: Of its DESCRIPTION, or of its record in an index.
    """
    found = [item for name in _HARD for item in _read(fields.get(name, ""))]
    return [item for item in dict.fromkeys(found) if item.name not in BASE]


def _read(field: str) -> Iterator[Dependency]:
    for part in field.split(","):
        match = _DEPENDENCY.fullmatch(part)
        if match and (match[3] is None or is_version(match[3])):
            yield Dependency(match[1], match[2], match[3])
        elif match:  # (R's own revisions, `R (>= r70000)`)
            yield Dependency(match[1])

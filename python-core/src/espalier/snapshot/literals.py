"""The paths that a text may name: string literals of code, values of configuration files, imports of Python."""

import json
import os
import re
from typing import Iterator, List, Tuple

CODE = (".r", ".py", ".rscript", ".sh", ".jl")
DOCUMENTS = (".rmd", ".qmd", ".ipynb")
CONFIGURATION = (".yml", ".yaml", ".json", ".toml", ".ini", ".cfg")

# Comments come first, so that an apostrophe in one opens no string.
_TOKENS = re.compile(
    r"#[^\n]*"
    r'|"""(?P<d3>.*?)"""'
    r"|'''(?P<s3>.*?)'''"
    r'|[rR](?P<q>["\'])(?P<dash>-*)\((?P<raw>.*?)\)(?P=dash)(?P=q)'
    r'|"(?P<d>(?:\\.|[^"\\])*)"'
    r"|'(?P<s>(?:\\.|[^'\\])*)'",
    re.DOTALL,
)
_BETWEEN = re.compile(r"\s*\)?\s*[,/]\s*")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*(\{?)")
_HEADER = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_VALUE = re.compile(r"""(?:[:=]|^[ \t]*-)[ \t]+([^\s"'#\[{|>&*].*)""")
_LONGEST_LINE = 4096  # (a longer one is data)
_QUOTED = re.compile(r"""#[^\n]*|"(?P<d>(?:\\.|[^"\\\n])*)"|'(?P<s>[^'\n]*)'""")
_IMPORT = re.compile(r"^[ \t]*(?:from\s+(\.*)([\w.]*)\s+import\s+\(?([\w ,*]+)|import\s+([\w., ]+))", re.MULTILINE)
# Calls that read a file or folder which they don't name.
_IMPLIED = {
    "config.yml": re.compile(r"\bconfig::get\b|\blibrary\(config\)"),
    "R": re.compile(r"\btar_source\(\s*\)|\bload_all\("),
}


def kind_of(path: str) -> str:
    """A file's ending, in small letters: what decides how it is read."""
    return os.path.splitext(path)[1].lower()


def chains(path: str, text: str) -> Iterator[List[str]]:
    """The literals of a text, those that follow each other in one call together: `file.path("data", "x.csv")`.

    Args:
        path: The file's name, whose ending decides how it is read.
    """
    kind = kind_of(path)
    if kind in CONFIGURATION:
        yield from ([value] for value in _values(text))
        return
    if kind in (".rmd", ".qmd"):
        header = _HEADER.match(text)
        yield from ([value] for value in _values(header.group(1) if header else ""))
    code = code_of(path, text)
    yield from ([name] for name, call in _IMPLIED.items() if call.search(code))
    chain: List[str] = []
    end = -1
    for found in _TOKENS.finditer(code):
        if found.lastgroup is None:
            continue
        literal = found.group(found.lastgroup)
        if chain and not _BETWEEN.fullmatch(code, end, found.start()):
            yield chain
            chain = []
        chain.append(literal if found.lastgroup == "raw" else literal.replace("\\\\", "\\"))
        end = found.end()
    if chain:
        yield chain


def code_of(path: str, text: str) -> str:
    """The code of a script, or that of the chunks or cells of a document."""
    kind = kind_of(path)
    if kind in (".rmd", ".qmd"):
        return "\n".join(_chunk_lines(text))
    if kind == ".ipynb":
        try:
            cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
            return "\n".join("".join(source) for source in cells)
        except (ValueError, KeyError, TypeError):
            return ""
    return text


def modules(path: str, text: str) -> List[str]:
    """The modules that Python code may import, as paths without ending; those of other packages are among them.

    Args:
        path: The file, relative to the source folder.
    """
    if kind_of(path) not in (".py", ".ipynb"):
        return []
    found: List[str] = []
    folder = os.path.dirname(path)
    for dots, base, names, plain in (match.groups("") for match in _IMPORT.finditer(code_of(path, text))):
        if plain:
            targets = [("", name.split()[0]) for name in plain.split(",") if name.strip()]
        else:
            inside = [name.split()[0] for name in names.split(",") if name.strip()]
            targets = [(dots, base), *((dots, f"{base}.{name}".strip(".")) for name in inside)]
        for level, name in targets:
            found += _places(folder, level, name.split("."))
    return found


def _places(folder: str, dots: str, parts: List[str]) -> List[str]:
    """Where a module may lie: in the package of the file, in its folder, or in the source folder."""
    tops: Tuple[str, ...] = ("", folder)
    if dots:
        tops = (os.path.normpath(os.path.join(folder, *[".."] * (len(dots) - 1))),)
    return [os.path.join(top, *parts[:count]) for top in tops for count in range(1, len(parts) + 1)]


def _chunk_lines(text: str) -> Iterator[str]:
    """The lines inside a document's chunks of code, ```{r} to ```."""
    fence = ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if fence and found and found.group(1).startswith(fence):
            fence = ""
        elif fence:
            yield line
        elif found and found.group(2):
            fence = found.group(1)


def _values(text: str) -> Iterator[str]:
    """The values of a configuration file, with or without quotes."""
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE:
            continue
        for found in _QUOTED.finditer(line):
            if found.lastgroup:
                yield found.group(found.lastgroup)
        plain = _VALUE.search(line)
        if plain:
            yield plain.group(1).partition(" #")[0].strip()

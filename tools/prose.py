"""Checks what people read: refused words, long sentences, long lines, long titles.

    python3 tools/prose.py [--lengths] [FILE ...]

Prints a line for each finding and exits with 1 if there is one. Files in `tools/not-yet-clean.txt` are skipped.
`--lengths` also reports long sentences of Python and R sources.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple, Tuple

TOP = Path(__file__).resolve().parents[1]
LONGEST_SENTENCE = 25
LONGEST_LINE = 120
LONGEST_ROW = 240
LONGEST_TITLE = 8
# Each line of the file is a regular expression.
REFUSED = [re.compile(line) for line in (TOP / "tools/refused-words.txt").read_text("utf-8").splitlines() if line]


class Passage(NamedTuple):
    """A paragraph, a list item, a row of a table, or a string."""

    line: int
    text: str


def markdown(text: str) -> Iterator[Passage]:
    """Paragraphs without code, comments and the header; one passage a table row or list item."""
    kept: List[str] = []
    started = 0
    fence = ""
    lines = text.splitlines()
    header = bool(lines) and lines[0] == "---"
    for number, line in enumerate(lines, 1):
        if header:
            header = number == 1 or line != "---"
            continue
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark:
            if not fence:
                fence = mark[1]
            elif line.strip().startswith(fence):
                fence = ""
        starts = bool(re.match(r"\s*([-*+] |\d+\. |#|\||>|<!--|$)", line)) or bool(mark)
        if starts and kept:
            yield Passage(started, " ".join(kept))
            kept = []
        if fence or mark or not line.strip() or line.lstrip().startswith("<!--"):
            continue
        if line.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", line):
                if cell.strip(" -:"):
                    yield Passage(number, cell.strip())
        elif line.startswith("#"):
            yield Passage(number, line.lstrip("# ") + ".")
        else:
            started = started if kept else number
            kept.append(line.strip())
    if kept:
        yield Passage(started, " ".join(kept))


def unfenced(text: str) -> Iterator[str]:
    """The lines, those of code and output as empty ones."""
    fenced = False
    for line in text.splitlines():
        is_mark = bool(re.match(r"\s*(```|~~~)", line))
        fenced ^= is_mark
        yield "" if fenced or is_mark else line


def python(text: str) -> Iterator[Passage]:
    """The string literals, docstrings among them; an f-string is one passage."""
    tree = ast.parse(text)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
            yield Passage(node.lineno, "".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            for number, paragraph in enumerate(re.split(r"\n\s*\n", node.value)):
                yield Passage(node.lineno if number == 0 else node.lineno + 1, " ".join(paragraph.split()))


_R = re.compile(
    r"""(?P<roxygen>^\s*\#'[^\n]*$)|(?P<comment>\#[^\n]*$)|[rR]["'](?P<dash>-*)[(\[{](?P<raw>.*?)[)\]}](?P=dash)["']"""
    r"""|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|`[^`]*`""",
    re.DOTALL | re.MULTILINE,
)


def r(text: str) -> Iterator[Passage]:
    """The string literals and the roxygen comments."""
    help_lines: List[str] = []
    began = 0
    for found in _R.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        content = found["roxygen"].strip()[2:].strip() if found["roxygen"] is not None else ""
        if help_lines and (not content or content.startswith(("@", "*", "-", "#", "|"))):
            yield Passage(began, " ".join(help_lines))
            help_lines = []
        if content:
            began = began if help_lines else line
            help_lines.append(content)
        literal = found["double"] or found["single"] or found["raw"]
        if literal:
            yield Passage(line, " ".join(literal.replace("\\n", " ").split()))
    if help_lines:
        yield Passage(began, " ".join(help_lines))


def sentences(text: str) -> Iterator[str]:
    """The sentences of a passage, with code and links as one word each."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\\(?:code|link|pkg|file)\{[^{}]*\}", "x", text)
    text = re.sub(r"``[^`]*``|`[^`]*`", "x", text)
    text = re.sub(r"^([-*+]|\d+\.)\s+", "", text)
    text = re.sub(r"\b(e\.g|i\.e|etc|vs|cf|No)\.", r"\1", text)
    text = re.sub(r"\bx(?:,? (?:and |or )?x\b)+", "x", text)  # (a list of names is one thing)
    yield from re.split(r"(?<=[.!?:;])[\"')*_]*\s+|;\s+", text)


def words(sentence: str) -> int:
    return len(re.findall(r"[^\W_][\w'./:-]*", sentence))


def findings(path: str, text: str, *, lengths: bool) -> Iterator[Tuple[int, str]]:
    """The line and what is wrong in it, for each finding of a file."""
    if path.endswith(".Rd"):
        title = re.search(r"^\\title\{(.*?)\}$", text, re.MULTILINE | re.DOTALL)
        # (pages of generated classes are titled by the class)
        if title and len(title[1].split()) > LONGEST_TITLE:
            yield 1, f"a title of {len(title[1].split())} words: {title[1]}"
        passages: List[Passage] = [Passage(1, title[1])] if title else []
    elif path.endswith(".py"):
        passages = list(python(text))
    elif path.endswith(".R"):
        passages = list(r(text))
    else:
        passages = list(markdown(text))
        for number, line in enumerate(unfenced(text), 1):
            # (a row of a table can't be broken, and names of tests in it are long)
            length = len(re.sub(r"`[^`]*`", "x", line)) if line.startswith("|") else len(line)
            if length > (LONGEST_ROW if line.startswith("|") else LONGEST_LINE):
                yield number, f"a line of {length} characters"
    prose = path.endswith((".md", ".Rmd"))
    for passage in passages:
        plain = re.sub(r"`[^`]*`", "x", passage.text)
        for refused in REFUSED:
            found = refused.search(plain)
            if found:
                context = plain[max(0, found.start() - 30) : found.end() + 30]
                yield passage.line, f"refused: {found[0]!r} in {context!r}"
        if prose or lengths:
            for sentence in sentences(passage.text):
                if words(sentence) > LONGEST_SENTENCE:
                    yield passage.line, f"a sentence of {words(sentence)} words: {sentence[:70]}"


def readable() -> List[str]:
    """The files of the repository that people read, but for those that aren't clean yet."""
    listed = subprocess.run(
        ["git", "ls-files", "README.md", "NEWS.md", "docs/*.md", "python-core/README.md", "inst/*.md",
         "vignettes/*.Rmd", "man/*.Rd", "python-core/src/*.py", "R/*.R"],
        cwd=TOP, stdout=subprocess.PIPE, encoding="utf-8", check=True,
    ).stdout.split()  # fmt: skip
    waiting = TOP / "tools/not-yet-clean.txt"
    skipped = set(waiting.read_text("utf-8").split()) if waiting.exists() else set()
    return [path for path in listed if path not in skipped and (TOP / path).exists()]


def main(arguments: List[str]) -> int:
    lengths = "--lengths" in arguments
    bad = 0
    for path in [word for word in arguments if word != "--lengths"] or readable():
        for line, what in findings(path, (TOP / path).read_text("utf-8"), lengths=lengths):
            sys.stdout.write(f"{path}:{line}: {what}\n")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

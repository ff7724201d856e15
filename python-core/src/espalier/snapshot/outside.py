"""Links that lead out of the source folder: refused, kept as they are, or replaced by copies of what they lead to.

Both scanners find links and leave it to this module what becomes of them.
"""

import os
import stat
from typing import Dict, List, NamedTuple, Optional, Protocol, Tuple

from espalier.base.errors import EspalierError
from espalier.snapshot.defaults import DEFAULT_ORIGIN, SECRET_RULES, default_rule, own_place
from espalier.snapshot.entries import Entry, Excluded
from espalier.snapshot.file_names import ignore_line, is_utf8, link_problem, shown, special_kind
from espalier.snapshot.ignore import OWN_FILE, Decision, IgnoreRules

# A folder that links inside of copied folders lead to is copied so many times at most: where folders link to each other
# the ways through them are more than anybody waits for.
_MOST_COPIES = 1000


class Copies(NamedTuple):
    """What takes the place of links: paths in the snapshot, and where the content lies (its real path)."""

    files: List[Tuple[str, str, os.stat_result]]
    folders: List[Tuple[str, str]]
    left_out: List[Excluded]


class Walking(Protocol):
    """A walk that may still be changed."""

    def links(self) -> List[Entry]:
        """All links."""

    def replace(self, by: Copies) -> Optional[List[Entry]]:
        """Puts files and folders in the place of links; returns the links in the folders, None when it cannot."""


def settle_links(walk: Walking, source: str, rules: IgnoreRules, outside_links: str) -> bool:
    """Decides about each link that leads out of the folder.

    Args:
        outside_links: `refuse`, `keep` or `copy`.

    Returns:
        False when the walk could not do it.

    Raises:
        EspalierError: `source_unreadable`, a link is refused; the message says how to leave it out.
    """
    links: Optional[List[Entry]] = walk.links()
    settler = _Settler(source, rules, outside_links) if links else None
    while settler is not None and links:
        by = settler.decide(links)
        links = walk.replace(by) if any(by) else []
    return links is not None


class _Place(NamedTuple):
    """A folder that was walked, the source or one that a link led to: what its paths begin with, and where it lies.

    `holders` are the folders on the way, each with the link that led on.
    """

    prefix: str
    real: str
    holders: Tuple[str, ...]


class _Settler:
    def __init__(self, source: str, rules: IgnoreRules, outside_links: str) -> None:
        self._source = source
        self._rules = rules
        self._outside_links = outside_links
        self._places = {"": _Place("", os.path.realpath(source), ())}
        self._copies: Dict[str, int] = {}

    def decide(self, links: List[Entry]) -> Copies:
        by = Copies([], [], [])
        for link in links:
            place = self._place_of(link.path)
            target = link.target.encode("utf-8", "surrogateescape")
            # (a link stays as it is where it leads to the same in a copy of the folder it was found in)
            problem = link_problem(place.real, link.path[len(place.prefix) :], target)
            if problem and self._outside_links == "copy":
                self._follow(link, place, by)
            elif problem and (self._outside_links == "refuse" or not is_utf8(link.target)):
                raise self._refuse(link, problem)
        return by

    def _place_of(self, path: str) -> _Place:
        while len(self._places) > 1 and path:
            path = path.rpartition("/")[0]
            if path + "/" in self._places:
                return self._places[path + "/"]
        return self._places[""]

    def _follow(self, link: Entry, place: _Place, by: Copies) -> None:
        holder = os.path.join(place.real, os.path.dirname(link.path[len(place.prefix) :]))
        holder = holder.rstrip("/") or "/"
        real = _real(os.path.join(holder, link.target))
        try:
            seen = os.stat(_bytes(real))
        except OSError as error:
            raise self._refuse(link, f"which can't be copied: {error.strerror}") from error
        is_dir = stat.S_ISDIR(seen.st_mode)
        decision = self._decision(link.path, real, is_dir)
        if decision.excluded:
            by.left_out.append(Excluded(link.path, is_dir, decision))
        elif is_dir:
            self._enter(link, real, (*place.holders, holder), nested=bool(place.prefix))
            by.folders.append((link.path, real))
        elif stat.S_ISREG(seen.st_mode):
            by.files.append((link.path, real, seen))
        else:
            raise self._refuse(link, f"which is {special_kind(seen.st_mode)} and can't be copied")

    def _enter(self, link: Entry, real: str, holders: Tuple[str, ...], nested: bool) -> None:
        if any((holder + "/").startswith(real.rstrip("/") + "/") for holder in holders):
            raise self._refuse(link, "a folder in which the link itself lies: it has no end")
        self._copies[real] = self._copies.get(real, 0) + nested
        if self._copies[real] > _MOST_COPIES:
            raise self._refuse(link, f"a folder that other links have led to {_MOST_COPIES} times already")
        self._places[link.path + "/"] = _Place(link.path + "/", real, holders)

    def _decision(self, path: str, real: str, is_dir: bool) -> Decision:
        """The rules are about the link's path; what may hold secrets is also known by the name it has itself."""
        own = own_place(real)
        if own:
            return Decision(True, own, DEFAULT_ORIGIN)
        decision = self._rules.decide_here(path, is_dir)
        if self._rules.defaults and not decision.rule:
            rule = default_rule("./" + os.path.basename(real), is_dir)
            if rule in SECRET_RULES or rule == ".git":
                return Decision(True, rule, DEFAULT_ORIGIN)
        return decision

    def _refuse(self, link: Entry, problem: str) -> EspalierError:
        remedy = f"leave it out with the line {ignore_line(link.path, False)} in {OWN_FILE}"
        hint = f"Mend or remove the link, or {remedy}."
        if self._outside_links == "refuse":
            hint = (
                'outside_links = "copy" takes what such links lead to, outside_links = "keep" the links as they are. '
                f"Or make the link relative and inside the folder, or {remedy}; data can be given with "
                'inputs = list(name = "path").'
            )
        return EspalierError(
            "source_unreadable",
            f"Can't take a snapshot of {self._source}: {shown(link.path)} links to {shown(link.target)}, {problem}.",
            hint,
            path=shown(link.path),
            target=shown(link.target),
        )


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _real(path: str) -> str:
    return os.path.realpath(_bytes(path)).decode("utf-8", "surrogateescape")

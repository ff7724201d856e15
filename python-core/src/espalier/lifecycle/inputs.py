"""At the end of a run: whether its inputs are still what was submitted. The second line, after read-only copies."""

import os
from typing import List

from espalier.base.model.job import Input
from espalier.base.paths import RunPaths
from espalier.base.records import now_iso
from espalier.lifecycle.status import Known

# What inputs consist of is loaded where there are some: with its digests it takes 5 ms, at the end of every run.


def changed_inputs(known: Known) -> List[str]:
    """A warning for each input that changed, and for each copy that the job wrote to."""
    try:
        # (an output of another run is final, and its copy was made when this one began; what was fetched may be huge)
        inputs = known.spec.inputs if known.spec else ()
        return [text for item in inputs if not (item.is_to_come or item.url) for text in _warnings(known.run, item)]
    except Exception:  # a damaged spec: the end of the run does not depend on it
        return []


def _warnings(run: RunPaths, item: Input) -> List[str]:
    found = []
    what = f"The input {item.name} ({item.path})"
    copied = item.is_copied
    if copied and not _is_intact(run, item):
        found.append(f"{what} was changed by the job in its private copy; the original is not affected by that.")
    if not _is_unchanged(item):
        read = "; the job had a copy of what was submitted" if copied else ""
        found.append(f"{what} changed between submit and the end of the run{read}.")
    return found


def _is_unchanged(item: Input) -> bool:
    from espalier.store.input_digests import measure

    try:
        size, changed, files = measure(item.path)
    except OSError:
        return False
    return (size, now_iso(changed), files) == (item.size, item.modified_at, item.files)


def _is_intact(run: RunPaths, item: Input) -> bool:
    from espalier.store.input_digests import LeadsOutside, content_digest, measure

    copy = run.input_copy(item.name, item.path)
    inside = os.path.join(os.path.realpath(run.root), os.path.relpath(copy, run.root))
    try:
        if os.path.realpath(copy) != inside:  # a link in its place may lead anywhere, and to any amount
            return False
        size, _, files = measure(copy)
        return (size, files) == (item.size, item.files) and content_digest(copy) == item.digest
    except (OSError, LeadsOutside):
        return False

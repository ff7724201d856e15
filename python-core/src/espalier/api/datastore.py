"""The default datastore of a workspace: a folder of it, for files that several jobs read."""

import os
from typing import List, NoReturn, Optional, Sequence, Set

from espalier.adapters.copying import copy_content
from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.operation import operation
from espalier.base.os_errors import cannot_write, naming
from espalier.base.paths import is_temporary, temporary
from espalier.base.progress import advance, check, report
from espalier.base.records import FILE_MODE, make_folders
from espalier.tracking.artifacts import checked_parts
from espalier.workspace.handle import WorkspaceHandle


@classed
class Datastore(WorkspaceHandle):
    """The default datastore of a workspace: a folder for files that jobs read. Each file in it is whole."""

    NOUN = "datastore"

    @property
    def workspace_path(self) -> str:
        """Folder of the workspace it belongs to."""
        return self._paths.root

    @operation("GET /datastore/path")
    def path(self, path: Optional[str] = None) -> str:
        """Locate a file or folder of the datastore, whether it is there yet or not.

        Args:
            path: Its path in the datastore, with `/`. Default: the datastore's folder.

        Raises:
            EspalierError: `bad_name`.
        """
        return os.path.join(self._checked()._paths.default_datastore, *_parts(path))

    @operation("GET /datastore/files")
    def files(self, prefix: Optional[str] = None) -> List[str]:
        """List the files of the datastore, as paths in it with `/`.

        Args:
            prefix: Only paths that begin so. Default: all.
        """
        folder = self.path()
        found = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]
        whole = [path for path in found if not is_temporary(os.path.basename(path))]
        names = [os.path.relpath(path, folder).replace(os.sep, "/") for path in whole]
        return sorted(name for name in names if name.startswith(prefix or ""))

    @operation("PUT /datastore/files", long=True, command="upload")
    def upload_files(
        self,
        files: Sequence[str],
        relative_root: Optional[str] = None,
        target_path: Optional[str] = None,
        overwrite: bool = False,
    ) -> List[str]:
        """Upload files to the datastore. Each appears whole or not at all.

        Args:
            files: The files.
            relative_root: Folder whose structure is kept: a file `root/a/b.csv` becomes `a/b.csv`. Default: no folders.
            target_path: Where to in the datastore, with `/`. Default: its top.
            overwrite: Replace files that are there. Default: leave them as they are.

        Returns:
            The paths in the datastore of the files that were left as they are.

        Raises:
            EspalierError: `source_missing`, `not_permitted`, `bad_name`, `bad_argument`; nothing was uploaded.
                `workspace_read_only`; the files before it were uploaded.
        """
        above = _parts(target_path)
        targets = ["/".join([*above, *_parts(_name(file, relative_root))]) for file in files]
        taken: Set[str] = set()
        for target in targets:
            if target in taken:
                _refuse(
                    f"Two of the files would become {target!r:.200}.",
                    "Give `relative_root`, which keeps their folders apart.",
                )
            taken.add(target)
        for file, target in zip(files, targets):
            check()
            if not os.path.isfile(file):
                raise EspalierError("source_missing", f"Can't find the file {file} to upload.", "Correct the path.")
            with open(file, "rb"):  # (whether it can be read)
                pass
            self._check_place(target, taken)
        left = []
        report("Uploading files", 0, len(files))
        for file, target in zip(files, targets):
            place = self.path(target)
            if (os.path.lexists(place) and not overwrite) or not self._store(file, place, overwrite=overwrite):
                left.append(target)
            advance(1)
        return left

    def _check_place(self, target: str, taken: Set[str]) -> None:
        """Raises EspalierError, `bad_name` or `bad_argument`: a file can't become this one of the datastore."""
        root = self.path()
        if os.path.isdir(os.path.join(root, target)):
            _refuse(f"{target!r:.200} is a folder of the datastore.", "Give another `target_path`, or another name.")
        above = os.path.dirname(target)
        inside = os.path.join(os.path.realpath(root), "")
        if not os.path.join(os.path.realpath(os.path.join(root, above)), "").startswith(inside):
            why = f"{above!r:.200} leads out of the datastore by a link."
            raise EspalierError("bad_name", why, "Give another `target_path`, or remove the link.")
        while above:
            place = os.path.join(root, above)
            if above in taken or (os.path.lexists(place) and not os.path.isdir(place)):
                _refuse(f"{above!r:.200} is a file, so it has no {target!r:.200}.", "Give another `target_path`.")
            above = os.path.dirname(above)

    def _store(self, file: str, place: str, *, overwrite: bool) -> bool:
        """Copy a file to its place. False: another upload was first."""
        folder = os.path.dirname(place)
        aside = temporary(folder)
        with open(file, "rb") as source:
            try:
                make_folders(folder, top=os.path.dirname(self._paths.root))
                with naming(place), open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as sink:
                    copy_content(source.fileno(), sink.fileno(), lambda count: check())
                if overwrite:
                    os.replace(aside, place)
                    return True
                return _put(aside, place)
            except OSError as error:
                raise cannot_write(self._paths.root, error) from error
            finally:
                if os.path.exists(aside):
                    os.unlink(aside)


def _put(aside: str, place: str) -> bool:
    """Give a file its name, unless another has it. Raises OSError."""
    try:
        os.link(aside, place)
    except FileExistsError:
        return False
    except OSError:  # the file system has no hard links
        if os.path.lexists(place):
            return False
        os.replace(aside, place)
    return True


def _refuse(why: str, hint: str) -> NoReturn:
    raise EspalierError("bad_argument", why, hint)


def _name(file: str, relative_root: Optional[str]) -> str:
    """What a file is called below the target path.

    Raises:
        EspalierError: `bad_argument`: it isn't below the folder.
    """
    if relative_root is None:
        return os.path.basename(file)
    name = os.path.relpath(os.path.abspath(file), os.path.abspath(relative_root))
    if name.split(os.sep)[0] == os.pardir:
        why = f"{file} isn't below `relative_root`, {relative_root}."
        raise EspalierError("bad_argument", why, "Correct one of them.")
    return name.replace(os.sep, "/")


def _parts(path: Optional[str]) -> List[str]:
    """The parts of a path in the datastore. Raises EspalierError, `bad_name`."""
    plain = "/".join(part for part in (path or "").split("/") if part not in ("", "."))
    try:
        return checked_parts(plain) if plain else []
    except EspalierError:
        why = f"{path!r:.200} isn't a path inside the datastore."
        raise EspalierError("bad_name", why, "Give a relative path with `/`, such as data/train.csv.") from None

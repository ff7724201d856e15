"""The snapshots of a workspace, outside of submits: `ws.snapshots`."""

from typing import Any, Mapping

from espalier.api import stored_snapshots
from espalier.base.arguments import classed
from espalier.base.operation import for_python, operation
from espalier.base.types import Frame
from espalier.snapshot.propose import propose
from espalier.snapshot.take import snapshot_preview
from espalier.workspace.handle import WorkspaceHandle


@classed
class Snapshots(WorkspaceHandle):
    """The snapshots of a workspace."""

    NOUN = "snapshots"

    @classmethod
    @operation("GET /snapshots/preview", long=True)
    def preview(
        cls, directory: str, default_excludes: bool = True, outside_links: str = "refuse"
    ) -> Frame:
        """Preview a snapshot of a folder: what it would hold and leave out. Nothing is written.

        Args:
            directory: The folder.
            default_excludes: Whether the built-in excludes apply.
            outside_links: What becomes of links that lead out of the folder, see `take`.

        Returns:
            `path`, `size` in bytes, `included`, and the `rule` that decided, with where it is written.

        Raises:
            EspalierError: `source_missing`, `source_unreadable`.
        """
        return snapshot_preview(directory, default_excludes, outside_links)

    @classmethod
    @operation("GET /snapshots/ignore-lines")
    def propose_ignore_lines(cls, directory: str) -> Any:
        """Propose lines for `.espalierignore` of a project, by what its scripts use and what is large.

        Args:
            directory: The project's folder.

        Returns:
            The `lines`, and `notes` about them for the user.
        """
        return propose(directory)._asdict()

    @operation("POST /snapshots", long=True, command="take")
    def take_values(
        self, directory: str, default_excludes: bool = True, outside_links: str = "refuse"
    ) -> Any:
        """Take a snapshot of a folder, outside of runs. It is kept until `delete`.

        Args:
            directory: The folder.
            default_excludes: Whether the built-in excludes apply.
            outside_links: What becomes of links that lead out of the folder: `refuse` is an error, `keep` takes the
                links as they are, `copy` the files and folders they lead to, as if they lay there.

        Returns:
            `id`, `files`, `bytes`, `source_directory`, and what to tell the user: `notes`.

        Raises:
            EspalierError: `source_missing`, `source_unreadable`, `source_changed`, `workspace_read_only`.
        """
        return stored_snapshots.take_and_keep(self._checked()._paths, directory, default_excludes, outside_links)

    @for_python(take_values)
    def take(self, result: Mapping[str, Any]) -> str:
        """Its id, `sha256:` and 64 hex digits; equal for equal content."""
        return str(result["id"])

    @operation("GET /snapshots")
    def list(self) -> Frame:
        """List kept snapshots, newest first: `id`, `taken_at`, `source_directory`, `files`, `bytes`."""
        return stored_snapshots.list_kept(self._checked()._paths)

    @operation("DELETE /snapshots/{snapshot_id}")
    def delete(self, snapshot_id: str) -> bool:
        """Delete a snapshot: keep it no longer. Its files go when garbage is collected and no run refers to them.

        Args:
            snapshot_id: Its id.

        Returns:
            False when it was not kept.

        Raises:
            EspalierError: `bad_argument`, `workspace_read_only`.
        """
        return stored_snapshots.stop_keeping(self._checked()._paths, snapshot_id)

    @operation("GET /snapshots/{snapshot}", long=True)
    def download(self, snapshot: str, target: str) -> str:
        """Download a snapshot into a new folder, whole or not at all.

        Args:
            snapshot: The id of a run or of a snapshot.
            target: The folder to make. It may exist if it is empty.

        Returns:
            The folder, absolute.

        Raises:
            EspalierError: `file_exists`, `snapshot_missing`, `snapshot_damaged`, `run_missing`, `bad_argument`.
        """
        return stored_snapshots.restore(self._checked()._paths, snapshot, target)

    @classmethod
    @operation("GET /snapshots/compare", long=True, command="")
    def compare(cls, a: Any, b: Any, outside_links: str = "refuse") -> Frame:
        """What differs between two snapshots, or between a snapshot and what would go into one of a folder now.

        Args:
            a: A run, a folder, or `{"workspace": workspace, "snapshot": id of a snapshot or run}`: how it was.
            b: The same: how it is now.
            outside_links: What becomes of links that lead out of a folder, see `take`.

        Returns:
            A row a file or link that differs: `path`, `change` (`added`, `removed`, `changed`, `mode`, `type`),
            `size_before` and `size_after` in bytes, `kind_before` and `kind_after`, `note`, `diff`.

        Raises:
            EspalierError: `snapshot_missing`, `snapshot_damaged`, `source_missing`, `source_unreadable`,
                `source_changed`, `run_missing`, `bad_argument`.
        """
        return stored_snapshots.compare_sides(a, b, outside_links)

    @operation("POST /snapshots/collect-garbage", long=True)
    def collect_garbage(self, dry_run: bool = True) -> Frame:
        """Delete unused stored files, or list them: what nothing refers to, no run, finished or not, and no kept
        snapshot.

        Also what killed processes left half-written a day ago or longer. Safe beside submits, which wait meanwhile.

        Args:
            dry_run: True only lists it, False deletes it.

        Returns:
            `what` it is, its `path` in the workspace, `size` in bytes, `why` it may go, and whether it was `deleted`.

        Raises:
            EspalierError: `snapshot_damaged`, `damaged` or `newer_format` when it isn't known what is in use, and
                nothing is deleted then; `workspace_read_only`, `not_supported`.
        """
        return stored_snapshots.collect(self._checked()._paths, delete=not dry_run)

"""What becomes of ended runs: `ws.housekeeping`."""

from typing import List, Mapping, Optional, Sequence

from espalier.base.arguments import classed
from espalier.base.operation import operation
from espalier.base.types import Frame, Text
from espalier.housekeeping.deletion import delete, delete_experiment, set_archived
from espalier.housekeeping.exporting import export_runs
from espalier.housekeeping.families import families
from espalier.housekeeping.importing import import_runs
from espalier.housekeeping.retention import Rules, apply_rules
from espalier.workspace.handle import WorkspaceHandle


@classed
class Housekeeping(WorkspaceHandle):
    """Ended runs of a workspace: deleted, archived, chosen by rules, exported and imported."""

    NOUN = "housekeeping"

    @operation("POST /housekeeping/delete", long=True, command="delete-runs")
    def delete_runs(self, run_ids: Sequence[str], dry_run: bool = False) -> Frame:
        """Delete ended runs, with all runs below them.

        Args:
            run_ids: Their ids.
            dry_run: Only list them.

        Returns:
            A row a run, parents first: `run_id`, `experiment`, `status`, `size` in bytes, `why` it goes, `needed_by`
            (ended runs that stay and have read its outputs, or depended on it), and whether it was `deleted`.

        Raises:
            EspalierError: `run_missing`; `run_in_use` when one has not ended, or a run that hasn't ended needs it;
                `newer_format`, `workspace_read_only`.
        """
        paths = self._checked()._paths
        return delete(paths, families(paths, run_ids), dry_run=dry_run)

    @operation("POST /housekeeping/delete-experiment", long=True)
    def delete_experiment(self, name: str, dry_run: bool = False) -> Frame:
        """Delete an experiment, with all its runs, archived ones too.

        Args:
            name: Its name.
            dry_run: Only list its runs.

        Returns:
            As `delete_runs`.

        Raises:
            EspalierError: as `delete_runs`; `bad_name`, `bad_argument` when there isn't one of that name.
        """
        return delete_experiment(self._checked()._paths, name, dry_run=dry_run)

    @operation("POST /housekeeping/archive", long=True, command="archive")
    def archive_runs(self, run_ids: Sequence[str]) -> List[str]:
        """Archive ended runs, and all runs below them: lists leave them out, and nothing else changes.

        Args:
            run_ids: Their ids.

        Returns:
            The ids of those that weren't archived before.

        Raises:
            EspalierError: `run_missing`, `run_in_use`, `damaged`, `newer_format`, `workspace_read_only`.
        """
        return set_archived(self._checked()._paths, run_ids, archived=True)

    @operation("POST /housekeeping/restore", long=True, command="restore")
    def restore_runs(self, run_ids: Sequence[str]) -> List[str]:
        """Restore archived runs, and all runs below them.

        Args:
            run_ids: Their ids.

        Returns:
            The ids of those that were archived.

        Raises:
            EspalierError: as `archive_runs`.
        """
        return set_archived(self._checked()._paths, run_ids, archived=False)

    @operation("POST /housekeeping/prune", long=True, command="prune")
    def prune_runs(
        self,
        experiment: Optional[str] = None,
        status: Sequence[str] = (),
        older_than: Optional[str] = None,
        larger_than: Optional[Text] = None,
        filter: Optional[str] = None,
        keep_last: Optional[int] = None,
        keep_best: Optional[Mapping[str, Text]] = None,
        keep_tagged: bool = True,
        dry_run: bool = True,
    ) -> Frame:
        """Apply rules of retention: list, or delete, the ended runs they let go, with all runs below them.

        A run goes with the runs below it, if all conditions hold for it and no rule keeps one of these. It stays while
        a run that stays needs it. A warning gives the reasons if all stay.

        Args:
            experiment: Only runs of this experiment. Default: all.
            status: Only runs that ended so: `Completed`, `Failed`, `Canceled`, `Damaged`.
            older_than: Only runs that ended before then: `90 days` ago, or a time, `2026-03-01`.
            larger_than: Only runs that take more space with the runs below them: `1 GB`, or bytes.
            filter: Only runs for which this holds, see `Runs.list`.
            keep_last: Keep so many of each experiment, the newest that have ended and aren't archived.
            keep_best: Keep those of each experiment with the best number: `metric`, how many (`n`, 1), and `goal`,
                `max` or `min`. Kept are the best of all ended runs, and of those that `Runs.best` chooses from.
            keep_tagged: Keep runs that have tags.
            dry_run: True only lists them, False deletes them.

        Returns:
            As `delete_runs`.

        Raises:
            EspalierError: `bad_argument`, also where no rule is given; `bad_filter`, `bad_name`, `run_in_use`,
                `workspace_read_only`.
        """
        rules = Rules(experiment, status, older_than, larger_than, filter, keep_last, keep_best, keep_tagged)
        return apply_rules(self._checked()._paths, rules, dry_run=dry_run)

    @operation("POST /housekeeping/export", long=True, command="export")
    def export_runs(self, run_ids: Sequence[str], file: str, overwrite: bool = False) -> Frame:
        """Export ended runs, with all runs below them and the snapshots they refer to, to one zip file.

        Left out are what isn't a plain file, names that can't lie on every file system, and working copies.

        Args:
            run_ids: Their ids.
            file: The file. It appears when it is whole.
            overwrite: Whether it may exist already.

        Returns:
            A row a run: `run_id`, `experiment`, how many `files`, their `size` in bytes, how many are `left_out`.

        Raises:
            EspalierError: `run_missing`, `run_in_use`, `file_exists`, `snapshot_damaged`, `damaged`, `disk_full`,
                `path_missing`, `not_permitted`; `bad_argument` when there are too many files.
        """
        return export_runs(self._checked()._paths, run_ids, file, overwrite=overwrite)

    @operation("POST /housekeeping/import", long=True, command="import")
    def import_runs(self, file: str, max_size: Optional[Text] = None) -> Frame:
        """Import runs, from a file that `export_runs` wrote. They keep their ids.

        A run that is there already, with equal content, is left as it is.

        Args:
            file: The file.
            max_size: What it may unpack to: `5 GB`, or bytes. Default: 1 GB, or 100 times its own size.

        Returns:
            A row a run: `run_id`, `experiment`, `status`, how many `files`, their `size` in bytes, and whether it was
            `imported`.

        Raises:
            EspalierError: `archive_invalid`, `newer_format`; `run_exists` when a run is there with other content;
                `workspace_read_only`, `bad_argument`.
        """
        return import_runs(self._checked()._paths, file, max_size=max_size)

"""The files of a run: their names, copies of them, and new ones. Standard library, Python 3.8 or later."""

import os
from typing import Any, Dict, List, Optional, Sequence

from espalier.api.job_log import JobLog
from espalier.base.errors import EspalierError
from espalier.base.operation import operation
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import check_formats
from espalier.tracking import artifacts
from espalier.tracking.run_outputs import found_name, output_path
from espalier.tracking.transfers import download_all, files_below, upload


class RunFiles(JobLog):
    """The methods of `Run` that deal with its files."""

    _paths: RunPaths

    def _status(self) -> Dict[str, Any]:
        raise NotImplementedError

    @operation("GET /runs/{id}/files", long=True, in_job=True, command="files")
    def get_file_names(self, prefix: Optional[str] = None) -> List[str]:
        """List a run's files: `outputs/...`, `logs/...`, `user_logs/std_log.txt`, and what was uploaded. A
        backslash, control character or byte that isn't text in a name is listed as `\\x` and two hex digits.

        Args:
            prefix: Only names that begin so.
        """
        self._status()
        return [name for name in artifacts.file_names(self._paths) if name.startswith(prefix or "")]

    @operation("GET /runs/{id}/output", command="")
    def output(self, name: str) -> Dict[str, str]:
        """Name a file or folder of the run as an input of another job, which waits for this run: `inputs={"data":
        run.output("outputs/data.csv")}`.

        Args:
            name: Its name, as `get_file_names` lists it, or will, or that of an output that the run declares.

        Raises:
            EspalierError: `bad_name`.
        """
        artifacts.artifact_path(self._paths, name)
        return {"run": os.path.basename(self._paths.root), "output": name}

    @operation("GET /runs/{id}/file/path", command="")
    def get_file_path(self, name: str) -> str:
        """Where one of the run's files lies, to read it in place. Its content is the run's: never change it.

        Args:
            name: Its name, as `get_file_names` lists it, with or without `outputs/`, or that of an output that the run
                declares.

        Raises:
            EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`.
        """
        self._status()
        return output_path(self._paths, name)

    @operation("GET /runs/{id}/file", long=True, command="download")
    def download_file(self, name: str, output_file_path: Optional[str] = None) -> str:
        """Download one of a run's files.

        Args:
            name: Its name, as `get_file_names` lists it, with or without `outputs/`, or that of an output that the run
                declares.
            output_file_path: Where to: a file, or a folder that exists. Default: the working directory.

        Returns:
            The file written.

        Raises:
            EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`.
        """
        return artifacts.download(self._paths, found_name(self._paths, name), output_file_path or os.curdir)

    @operation("POST /runs/{id}/files/download", long=True, command="download-all")
    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: Optional[str] = None,
        output_paths: Optional[Sequence[str]] = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: Optional[float] = None,
    ) -> List[str]:
        """Download a run's files, all or those whose names begin with a prefix. Files that are there already are
        replaced.

        Args:
            prefix: What the names begin with. Default: all files.
            output_directory: Where to. Default: the working directory.
            output_paths: Where each file goes, in the order of their names, below `output_directory` if relative.
            batch_size: Accepted for compatibility.
            append_prefix: False to leave the folders of `prefix` out of the paths written.
            timeout_seconds: Accepted for compatibility.

        Returns:
            The files written.

        Raises:
            EspalierError: `artifact_missing`, `bad_argument`; `artifact_unsafe` after all others have been copied.
        """
        self._status()
        return download_all(self._paths, prefix, output_directory, output_paths, append_prefix)

    @operation("PUT /runs/{id}/file", long=True, command="upload")
    def upload_file(self, name: str, path_or_stream: str) -> None:
        """Upload a file to a run.

        Args:
            name: The name it gets.
            path_or_stream: The file.

        Raises:
            EspalierError: `file_exists`, `artifact_missing`, `artifact_unsafe`, `bad_name`.
        """
        self.upload_files([name], [path_or_stream])

    @operation("PUT /runs/{id}/files", long=True, command="")
    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[float] = None,
    ) -> List[str]:
        """Store files with the run, all or none.

        Args:
            names: The names they get.
            paths: The files, one for each name.
            return_artifacts: Accepted for compatibility.
            timeout_seconds: Accepted for compatibility.

        Returns:
            The names.

        Raises:
            EspalierError: `file_exists`, `artifact_missing`, `artifact_unsafe`, `bad_name`, `bad_argument`.
        """
        if len(names) != len(paths):
            why = f"Can't upload {len(paths)} files with {len(names)} names."
            raise EspalierError("bad_argument", why, "Give one name for each path.")
        if self._run_dir is None:
            self._tell()
            return []
        self._status()
        check_formats(self._paths)
        upload(self._paths, list(zip(names, [os.path.expanduser(path) for path in paths])))
        return list(names)

    @operation("PUT /runs/{id}/folder", long=True, command="upload-folder")
    def upload_folder(self, name: str, path: str) -> List[str]:
        """Upload a folder to a run: all of its files or none.

        Args:
            name: What their names begin with.
            path: The folder.

        Returns:
            The names.

        Raises:
            EspalierError: `source_missing`, `source_unreadable`, and those of `upload_files`.
        """
        found = files_below(name, os.path.expanduser(path))
        return self.upload_files([name for name, _ in found], [source for _, source in found])

"""Job files, read and written."""

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import yaml

from espalier.base.arguments import classed_function
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.names import check_name, looks_secret
from espalier.base.types import Text
from espalier.environment.definition_files import read_text, write_text
from espalier.environment.text import YamlWriter
from espalier.jobfile.azure import is_azure, translated
from espalier.jobfile.document import Place, bad_job
from espalier.jobfile.model import JobFile, fields_of, job_of
from espalier.jobfile.reader import NUMBER, WHOLE, read_document
from espalier.jobfile.settings import set_values
from espalier.jobs.commit import checked_tags


@classed_function
def read_job(path: str, set: Sequence[str] = (), values: Optional[Mapping[str, Any]] = None) -> JobFile:
    """Read a job file: espalier's own, a command job of Azure's `az ml job`, or a `.runconfig`. Nothing is executed.

    Args:
        path: The file. Relative paths in it begin at its folder.
        set: Values that replace those of the file: `["params.trees=500"]`.
        values: Further ones by their names: `{"params.trees": 500}`.

    Raises:
        EspalierError: `bad_job_file`, with line and column of what is wrong; `newer_format`.
    """
    try:
        text = read_text(path)
    except EspalierError as error:
        raise bad_job(Place(path), error.message, error.hint) from None
    document = read_document(text, path)
    set_values(document, set, values or {})
    return job_of(*translated(document)) if is_azure(document) else job_of(document, [])


@classed_function
def write_job(
    config: Union[ScriptRunConfig, Mapping[str, Any]],
    path: str,
    experiment: Optional[str] = None,
    tags: Optional[Mapping[str, Text]] = None,
) -> List[str]:
    """Write a job to a file, in place of one that is there. `read_job` gives the same job.

    What belongs to the session isn't written, except for the Python that was chosen for the job.

    Args:
        config: The job.
        path: The file. Paths below its folder, or in a source directory that it lies in, are written relative to it.
        experiment: Name of the experiment.
        tags: Text to find its runs by.

    Returns:
        What the user should know: variables whose names look like those of secrets.

    Raises:
        EspalierError: `bad_argument` when the job has what no file can hold, or the file can't be written.
    """
    job = config if isinstance(config, ScriptRunConfig) else ScriptRunConfig.from_mapping(config)
    if experiment is not None:
        check_name("experiment", experiment)
    folder = os.path.dirname(os.path.abspath(os.path.expanduser(path)))
    text = job_text(fields_of(job, experiment, checked_tags(tags or {}), folder))
    try:
        job_of(read_document(text, os.path.join(folder, os.path.basename(path))), [])
    except EspalierError as error:
        message = f"Can't write the job to a file: {error.fields.get('problem', error.message)}"
        raise EspalierError("bad_argument", message, error.hint) from None
    write_text(path, text)
    return [
        f"The environment variable {name} looks like a secret, and the file has its value in plain text. Put it into "
        "the keyvault, by set_secrets(), and name it as `secrets` of the job."
        for name in sorted(job.environment_variables) if looks_secret(name)
    ]  # fmt: skip


def job_text(fields: Mapping[str, Any]) -> str:
    """The YAML of a job's fields.

    Raises:
        EspalierError: `bad_argument` for text that isn't Unicode, and numbers that no file can hold.
    """
    try:
        text = yaml.dump(
            dict(fields), Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1 << 20
        )
        text.encode("utf-8")
    except (ValueError, yaml.YAMLError) as error:
        problem = str(error) if str(error).isprintable() else ascii(str(error))
        raise EspalierError("bad_argument", f"Can't write the job to a file: {problem}.") from None
    return text


class _Writer(YamlWriter):
    """A writer that also quotes text which the rules of YAML 1.2 take for a number."""

    yaml_implicit_resolvers: Dict[Any, Any] = {
        key: list(rules) for key, rules in YamlWriter.yaml_implicit_resolvers.items()
    }


def _write_float(writer: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    # (readers of YAML 1.1 take a number without a point for text)
    text = text if "." in text else text.replace("e", ".0e")
    return writer.represent_scalar("tag:yaml.org,2002:float", text)


_Writer.add_representer(float, _write_float)
_Writer.add_implicit_resolver("tag:yaml.org,2002:int", WHOLE, list("-+0123456789"))
_Writer.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))

import os
from pathlib import Path

import pytest
from espalier import EspalierError
from espalier.base.model.job import JobEnv
from espalier.base.paths import RunPaths
from espalier.jobs.asked import config_of, plain_request


def test_values_are_read() -> None:
    record = plain_request({"format": 1, "config": {"script_params": {"a": "!NaN", "b": "!!c", "d": [1, 2.0, None, "!NA"]}}})
    params = record["config"]["script_params"]
    assert params["a"] != params["a"] and params["b"] == "!c" and params["d"] == [1, 2.0, None, None]
    with pytest.raises(EspalierError):
        plain_request({"op": "!what"})


def test_a_child_finds_what_its_parent_had(tmp_path: Path) -> None:
    run = RunPaths(str(tmp_path / "run"))
    os.makedirs(os.path.join(run.job, "R"))
    env = JobEnv({"PATH": "/bin"}, {"R/espalier": "/lib/espalier"})
    session = {"client": "R 4", "library_paths": ["/lib", os.path.join(run.job, "R")], "rscript": "/bin/Rscript"}
    config = config_of({"command": "true", "session": session, "seed": None}, env, run)
    assert (config.session.environment, config.session.r_package) == ({"PATH": "/bin"}, "/lib/espalier")
    assert list(config.session.library_paths) == ["/lib"], "the parent's own links go with it"
    assert (config.session.client, config.session.rscript, config.session.python) == ("R 4", "/bin/Rscript", None)

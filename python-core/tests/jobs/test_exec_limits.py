import os
import subprocess
import sys

import pytest
from espalier.api.experiment import Experiment
from espalier.api.workspace import Workspace
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.jobs.program import refuse_too_long

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of one string is Linux's")


@LINUX
def test_the_longest_string_that_the_system_takes_is_accepted_and_one_byte_more_refused() -> None:
    limit = 32 * os.sysconf("SC_PAGE_SIZE")
    word = "x" * (limit - 1)
    refuse_too_long(["true", word], {})
    subprocess.run(["true", word], env={}, check=True)
    with pytest.raises(EspalierError, match="allows 131,072 bytes, and argument 1 .* has 131,073[.]") as caught:
        refuse_too_long(["true", word + "x"], {})
    assert caught.value.code == "bad_argument" and "inputs" in caught.value.hint
    with pytest.raises(OSError):
        subprocess.run(["true", word + "x"], env={})
    with pytest.raises(EspalierError, match="the variable TEXT has "):
        refuse_too_long(["true"], {"TEXT": word})


def test_all_together_have_a_limit_too() -> None:
    words = ["é" * 500] * (os.sysconf("SC_ARG_MAX") // 1000)
    with pytest.raises(EspalierError, match="the whole of its arguments and variables"):
        refuse_too_long(words, {})


@LINUX
def test_submit_refuses_before_anything_is_created(workspace: Workspace) -> None:
    config = ScriptRunConfig(command=["true"], script_params={"ids": ["x" * 100] * 30_000})
    with pytest.raises(EspalierError, match="file as an input"):
        Experiment(workspace, "e").submit(config)
    assert not workspace.runs.list().columns["run_id"]

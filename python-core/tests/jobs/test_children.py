import os
from typing import Any

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig
from espalier.jobs.children import check_child_id, child_spec, settled_id, submit_child


def test_a_settled_id_is_the_same_each_time() -> None:
    one = settled_id("exp", 17, "seed")
    assert one == settled_id("exp", 17, "seed") != settled_id("exp", 17, "seed/1")
    assert one.startswith("exp_17_") and settled_id("e" * 128, -1, "").startswith("e" * 100 + "_0_")


def test_ids_that_were_chosen(experiment: Experiment) -> None:
    run = experiment.start_logging()
    paths = run._paths.workspace
    assert check_child_id(paths, "exp", "exp_5_0123abcd") == "exp_5_0123abcd"
    for bad, code in (("x", "bad_name"), ("ex_5_0123abcd", "bad_name"), ("exp_5_0123abcg", "bad_name"), (run.id, "run_exists")):
        with pytest.raises(EspalierError) as caught:
            check_child_id(paths, "exp", bad)
        assert caught.value.code == code


def test_the_parent_must_be_there(experiment: Experiment) -> None:
    paths = experiment.start_logging()._paths.workspace
    for deed in (
        lambda: child_spec(paths, "exp_1_00000000", None, ""),
        lambda: submit_child(paths, "exp_1_00000000", ScriptRunConfig(command="true"), {}),
    ):
        with pytest.raises(EspalierError) as caught:
            deed()
        assert caught.value.code == "run_missing"


def test_the_entry_is_there_before_the_child(submit: Any, ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from espalier.jobs import commit as module

    parent: Run = submit("true")
    ended(parent)
    seen = []
    place = module.place_folder

    def look_first(paths: Any, folder: str, run_id: str) -> Any:
        seen.append(os.listdir(os.path.join(parent.run_dir, "children")))
        return place(paths, folder, run_id)

    monkeypatch.setattr(module, "place_folder", look_first)
    child = parent.submit_child({"command": "true"})
    assert seen == [[child.id]]
    ended(child)

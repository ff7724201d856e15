"""What is told of builds that failed."""

import pytest
from espalier.provision.docker.causes import cause_of, hints_of

NOT_THERE = "COPY failed: file not found in build context or excluded by .dockerignore: stat {}: file does not exist"
OLD = "COPY failed: stat /var/lib/docker/tmp/docker-builder123456/{}: no such file or directory"


@pytest.mark.parametrize("said", [NOT_THERE, OLD])
@pytest.mark.parametrize("path", [".env", "config/.env.production", "server.key", ".aws/credentials", "my files/.ENV"])
def test_a_secret_that_the_context_leaves_out(said: str, path: str) -> None:
    cause = cause_of(["Step 2/3 : COPY x /x", said.format(path)])
    assert cause.reason.startswith(f"The build context has no file {path}. espalier leaves it out because it may hold")
    assert f"write !/{path} in .espalierignore" in cause.hint


def test_another_file_that_is_not_there() -> None:
    cause = cause_of([NOT_THERE.format("data.csv")])
    assert "secrets" not in cause.reason
    assert ".dockerignore" in cause.hint


def test_a_pattern_that_matches_nothing() -> None:
    cause = cause_of(["COPY failed: no source files were specified"])
    assert "names no file" in cause.reason and "may hold secrets" in cause.hint


def test_a_heredoc() -> None:
    text = "FROM x\nRUN <<EOF\necho a\nEOF\n"
    assert "BuildKit" in hints_of("dockerfile parse error line 3: unknown instruction: ECHO", text, "", {})
    assert hints_of("dockerfile parse error line 3: unknown instruction: ECHO", "FROM x\nECHO a\n", "", {}) == ""


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:3128", "http://localhost:3128", "http://u:p@127.0.0.1:3128", "127.0.0.1:3128", "localhost:3128", "http://[::1]:3128/"])
def test_a_proxy_on_loopback(proxy: str) -> None:
    said = "E: Unable to connect to 127.0.0.1:3128"
    hint = hints_of(said, "", "", {"http_proxy": proxy})
    assert "ESPALIER_BUILD_NETWORK=host" in hint
    assert ":3128" in hint and "u:p" not in hint
    assert hints_of(said, "", "host", {"http_proxy": proxy}) == ""
    assert hints_of(said, "", "", {"http_proxy": "http://proxy.corp:3128"}) == ""
    assert hints_of("compilation failed", "", "", {"http_proxy": proxy}) == ""

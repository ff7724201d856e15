"""Jobs in containers do what every executor does."""


import pytest
from espalier.testing.executor_contract import ExecutorContract


class TestDocker(ExecutorContract):
    target = "docker"

    @pytest.fixture(autouse=True)
    def _image(self, base_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fields = {"environment": {"name": "e", "docker": {"base_image": base_image}}}

"""Jobs as processes of this machine do what every executor does."""

from espalier.testing.executor_contract import ExecutorContract


class TestLocal(ExecutorContract):
    target = "local"

"""This host's queue does what every placement does."""

from espalier.testing.placement_contract import PlacementContract


class TestThisHost(PlacementContract):
    target = "local"

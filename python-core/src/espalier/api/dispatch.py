"""From a request to an operation: the one way in for R sessions, jobs, and later HTTP.

A request is JSON: `class`, `member`, `identity` (null for a class method), `args` by name. A dispatcher has no state
beside its carrier, so that each caller has its own.
"""

import functools
from typing import Any, Callable, Dict, Mapping, NamedTuple

from espalier.api.catalog import catalogue, facade
from espalier.api.wire import Carrier, argument, result

_NO_MEMBERS: Dict[str, Any] = {}


class Prepared(NamedTuple):
    """An operation and its arguments, read and checked.

    Attributes:
        function: Carries it out.
        arguments: By name.
        returns: The declared type of its result.
    """

    function: Callable[..., Any]
    arguments: Dict[str, Any]
    returns: Dict[str, Any]


class Dispatcher:
    """Carries out requests of one caller.

    Args:
        carrier: How tables cross to this caller.
    """

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def prepared(self, request: Mapping[str, Any]) -> Prepared:
        """What a request asks for. Nothing of it has been carried out.

        Raises:
            LookupError: it isn't part of the described API, or a field of the request is missing.
            TypeError, ValueError: an argument or the identity isn't what is declared.
        """
        name = request["member"]
        member = member_of(request["class"], name)
        target = facade(request["class"])
        if member["kind"] != "classmethod":
            target = target._from_identity(request["identity"])
        if member["kind"] == "property":
            return Prepared(lambda: getattr(target, name), {}, member["returns"])
        return Prepared(getattr(target, name), self._arguments(member, request["args"] or {}), member["returns"])

    def result(self, value: Any, returns: Dict[str, Any]) -> Any:
        """What an operation returned, as JSON for this caller."""
        return result(value, returns, self._carrier)

    def call(self, request: Mapping[str, Any]) -> Any:
        """Carry out a request, and return its result as JSON."""
        prepared = self.prepared(request)
        return self.result(prepared.function(**prepared.arguments), prepared.returns)

    def _arguments(self, member: Mapping[str, Any], given: Mapping[str, Any]) -> Dict[str, Any]:
        types = member["types"]
        unknown = sorted(set(given) - set(types))
        if unknown:
            raise LookupError(f"{member['name']}() has no argument {', '.join(unknown)}")
        return {name: argument(value, types[name], name, self._carrier) for name, value in given.items()}


def member_of(class_name: str, name: str) -> Dict[str, Any]:
    """The record of an operation or property in the catalogue. Raises LookupError: it is not part of the described
    API."""
    member = members().get(class_name, _NO_MEMBERS).get(name)
    if member is None:
        raise LookupError(f"{class_name}.{name} is not part of the described API")
    return member  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=None)
def members() -> Dict[str, Dict[str, Any]]:
    """Class -> member -> its record, with the types of its parameters by name."""
    found = {}
    for name, record in catalogue().items():
        members = {one["name"]: {**one, "kind": "property", "returns": one["type"]} for one in record["properties"]}
        for method in record["methods"]:
            members[method["name"]] = {**method, "types": {param["name"]: param["type"] for param in method["params"]}}
        found[name] = members
    return found

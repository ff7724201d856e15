"""Debian control files, the format of R's package indexes and descriptions."""

from typing import Dict, Iterable, Iterator, Mapping


def read_dcf(text: str) -> Iterator[Dict[str, str]]:
    """The records of a file. Continued lines are joined by a line feed; what is no field is passed over."""
    record: Dict[str, str] = {}
    name = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            if record:
                yield record
            record, name = {}, ""
        elif line[0] in " \t":
            if name:
                record[name] += "\n" + line.strip()
        else:
            name, colon, value = line.partition(":")
            name = name if colon else ""
            if name:
                record[name] = value.strip()
    if record:
        yield record


def write_dcf(records: Iterable[Mapping[str, str]]) -> str:
    """A file with these records, whose values have no line feeds in them."""
    return "\n".join("".join(f"{name}: {value}\n" for name, value in record.items()) for record in records)

"""Patterns of LIKE and ILIKE. SQLite's own take time that grows without bounds with the number of `%`; these don't."""

from typing import List, Optional


class Pattern:
    """`%` stands for any characters, `_` for one, `\\` makes what follows it a character like others.

    Args:
        text: The pattern.
        fold: Whether upper and lower case are the same.
    """

    def __init__(self, text: str, fold: bool) -> None:
        self._fold = fold
        # pieces between `%`: for each its characters, None where any one may stand
        self._pieces: List[List[Optional[str]]] = [[]]
        letters = iter(text)
        for letter in letters:
            if letter == "%":
                self._pieces.append([])
            elif letter == "_":
                self._pieces[-1].append(None)
            else:
                letter = next(letters, "\\") if letter == "\\" else letter
                self._pieces[-1] += list(letter.casefold() if fold else letter)
        self._plain = ["" if None in piece else "".join(map(str, piece)) for piece in self._pieces]

    def matches(self, text: Optional[str]) -> bool:
        """Whether a text is as the pattern says; a missing one is not."""
        if text is None:
            return False
        text = text.casefold() if self._fold else text
        first, last = self._pieces[0], self._pieces[-1]
        if len(self._pieces) == 1:
            return len(text) == len(first) and self._stands(0, text, 0)
        end = len(text) - len(last)
        if end < len(first) or not self._stands(0, text, 0) or not self._stands(-1, text, end):
            return False
        at = len(first)
        # each piece as far left as it goes: what is right of it then has the most room
        for number in range(1, len(self._pieces) - 1):
            at = self._found(number, text, at, end)
            if at < 0:
                return False
            at += len(self._pieces[number])
        return True

    def _stands(self, number: int, text: str, at: int) -> bool:
        piece = self._pieces[number]
        if self._plain[number] or not piece:
            return text.startswith(self._plain[number], at)
        return all(wanted is None or text[at + i] == wanted for i, wanted in enumerate(piece))

    def _found(self, number: int, text: str, begin: int, end: int) -> int:
        piece = self._pieces[number]
        if self._plain[number] or not piece:
            return text.find(self._plain[number], begin, end)
        places = range(begin, end - len(piece) + 1)
        return next((at for at in places if self._stands(number, text, at)), -1)

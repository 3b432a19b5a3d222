"""What a prompt asks for: the tool and its value, from the words of one English sentence."""

import re
from dataclasses import dataclass

from deploy.local.drawing.canvas import Colour, from_hex

# What follows one of these is about what must stay, and would otherwise be taken for the request.
_WHAT_STAYS = re.compile(r"\b(apart from this change|keep|preserve|leave|do not|without changing)\b", re.IGNORECASE)
_TOOLS: dict[str, re.Pattern[str]] = {
    "halloween": re.compile(r"halloween", re.IGNORECASE),
    "hairstyle": re.compile(r"hair ?style|haircut", re.IGNORECASE),
    "bald": re.compile(r"\bbald", re.IGNORECASE),
    "beard": re.compile(r"\bbeard|\bgoatee|\bstubble|shaven", re.IGNORECASE),
    "smile": re.compile(r"\bsmil", re.IGNORECASE),
    "fat": re.compile(r"\bfat|\bweight|\bheavier|\bchubb", re.IGNORECASE),
    "eye-color": re.compile(r"\beyes?\b|\biris", re.IGNORECASE),
    "skin-color": re.compile(r"\bskin", re.IGNORECASE),
    "hair-color": re.compile(r"\bhair\b", re.IGNORECASE),
    "age": re.compile(r"\bage\b|\byears? old\b|\d years\b", re.IGNORECASE),
}
_HEX = re.compile(r"#([0-9a-f]{6})\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“]([^\"”]+)[\"”]")
_NUMBER = re.compile(r"\b(\d{1,3})\b")
_BEARDS = {"shaven": "Clean Shaven", "goatee": "Goatee", "stubble": "Stubble"}
_COSTUMES = {"face only": "face only", "whole": "whole figure", "object": "add objects"}


@dataclass(frozen=True)
class Edit:
    """One request: `tool` is `other` for a prompt that names none. `number` is years or per cent."""

    tool: str
    name: str = ""
    number: int = 50
    colour: Colour | None = None

    @property
    def value(self) -> str:
        """The parameters in short, for the caption and for the list of calls."""
        shade = "" if self.colour is None else "#{:02x}{:02x}{:02x}".format(*self.colour)
        if self.tool in {"smile", "fat", "bald"}:
            return f"{self.number} %"
        if self.tool == "age":
            return f"{self.number} years"
        return " ".join(part for part in (self.name, shade) if part)


def recognise(prompt: str) -> Edit:
    """The edit that `prompt` asks for; the tool whose word comes first wins."""
    change = _WHAT_STAYS.split(prompt, maxsplit=1)[0] or prompt
    found = {tool: match.start() for tool, words in _TOOLS.items() if (match := words.search(change))}
    if not found:
        return Edit("other", name=" ".join(prompt.split())[:40])
    tool = min(found, key=lambda name: found[name])
    shade, quoted, number = _HEX.search(change), _QUOTED.search(change), _NUMBER.search(_HEX.sub("", change))
    colour = from_hex(shade[1]) if shade else None
    if tool == "beard":
        return Edit(tool, name=_first(_BEARDS, change, "Stubble"))
    if tool == "halloween":
        return Edit(tool, name=_first(_COSTUMES, change, "face only"))
    if tool == "hairstyle":
        return Edit(tool, name=quoted[1] if quoted else "Classic", colour=colour)
    if tool in {"smile", "fat", "bald", "age"}:
        return Edit(tool, number=int(number[1]) if number else (40 if tool == "age" else 50))
    return Edit(tool, colour=colour or (150, 90, 160))


def _first(words: dict[str, str], text: str, otherwise: str) -> str:
    found = {at: name for word, name in words.items() if (at := text.lower().find(word)) >= 0}
    return found[min(found)] if found else otherwise

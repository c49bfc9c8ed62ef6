"""What a teacher is told: the instruction, the request for a text, and the name of that request.

An instruction is a text file. Two are shipped (`configs/teacher/`) and go by their names; any other
is a path or an fsspec URL. Where it shows answer lines that begin with `A:` and `B:`, it asks for
two compressions, else for one.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import regex

from compressor.distill.config import TeacherSection
from compressor.engine.subwords import encodable
from compressor.errors import InputError

SHIPPED = Path(__file__).with_name("instructions")
KEY = "teacher.instruction"
PLACE = "{text}"
_TWO = regex.compile(r"^A:.*^B:", regex.MULTILINE | regex.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """What to do with a text. With `{text}` in it, it is the whole message, else the system's."""

    text: str

    @cached_property
    def levels(self) -> int:
        """How many compressions it asks for: 1, or 2 (a longer and a shorter one)."""
        return 2 if _TWO.search(self.text) else 1

    def messages(self, text: str) -> list[dict[str, str]]:
        """The conversation that asks for the compression of `text`."""
        text = encodable(text)
        if PLACE in self.text:  # some models take no system message
            return [{"role": "user", "content": self.text.replace(PLACE, text)}]
        return [{"role": "system", "content": self.text}, {"role": "user", "content": text}]


def load_instruction(name: str) -> Instruction:
    """A shipped instruction by its name, or a file. Raises `InputError` that names the key."""
    shipped = SHIPPED / f"{name}.txt"
    try:
        text = _read(str(shipped) if _is_name(name) and shipped.is_file() else name)
    except FileNotFoundError:
        names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.txt")))
        raise InputError(f"{KEY}: {name}: no such file; shipped are {names}") from None
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{KEY}: {name}: can't be read: {error}") from None
    if not text.strip():
        raise InputError(f"{KEY}: {name}: is empty")
    return Instruction(text.strip())


def request(teacher: TeacherSection, instruction: Instruction, text: str) -> dict[str, Any]:
    """The fields of the request; those of `teacher.options` come over ours, null removes one."""
    fields = {
        "model": teacher.model,
        "messages": instruction.messages(text),
        "temperature": teacher.temperature,
        "max_tokens": teacher.max_tokens,
        **teacher.options,
    }
    return {key: value for key, value in fields.items() if value is not None}


def fingerprint(teacher: TeacherSection, instruction: Instruction, text: str) -> str:
    """The name of a request, 32 hex digits: equal requests have one answer, wherever asked."""
    identity = json.dumps(request(teacher, instruction, text), sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _is_name(name: str) -> bool:
    return "/" not in name and "\\" not in name


def _read(path: str) -> str:
    if "://" not in path:
        return Path(path).expanduser().read_text(encoding="utf-8")
    import fsspec

    with fsspec.open(path, "r", encoding="utf-8") as file:
        return str(file.read())

"""Requests as the official packages of OpenAI and Anthropic type them: unknown keys and wrong values are errors.

usage: validate.py openai|anthropic FILE...
Each file holds one request's body. Prints what is wrong with which file; the exit code is 1 when anything is.
"""

import json
import sys
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

kind, *files = sys.argv[1:]
if kind == "openai":
    from openai.types.chat.completion_create_params import CompletionCreateParams as Params
elif kind == "anthropic":
    from anthropic.types.message_create_params import MessageCreateParams as Params
else:
    raise SystemExit(f"{kind}: neither openai nor anthropic")

ADAPTER = TypeAdapter(Params, config=ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True))


class Lenient(ValueError):
    """What fits no request's type, but one of a response's, which take anything."""


def whole(value):
    """Takes lists to their end: their members are validated only when they are asked for."""
    if isinstance(value, BaseModel):
        raise Lenient(f"only a response's {type(value).__name__} would take {value!r}")
    if isinstance(value, dict):
        for member in value.values():
            whole(member)
    elif isinstance(value, (list, tuple, Iterator)):
        for member in value:
            whole(member)


def checked(body):
    """The errors of one body, as text; None where it is right."""
    try:
        whole(ADAPTER.validate_python(body))
    except (ValidationError, Lenient) as error:
        return str(error)[:4000]
    return None


# What no check refuses proves nothing: each of these must be refused.
GOOD = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}
if kind == "anthropic":
    GOOD["max_tokens"] = 1
BAD = [
    GOOD | {"unknown": 1},
    GOOD | {"model": 1},
    GOOD | {"messages": [{"role": "user", "content": "hi", "unknown": 1}]},
    GOOD | {"messages": [{"role": "nobody", "content": "hi"}]},
    GOOD | {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "unknown": 1}]}]},
    GOOD | {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
]
if (wrong := checked(GOOD)) or not all(map(checked, BAD)):
    raise SystemExit(f"the check itself is wrong: {wrong or [checked(body) for body in BAD]}")

bad = False
for file in files:
    with open(file, encoding="utf-8") as text:
        if wrong := checked(json.load(text)):
            bad = True
            print(f"{file}: {wrong}")
sys.exit(bad)

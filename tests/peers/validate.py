"""Checks request bodies against the request types of the vendor's own package. usage: validate.py openai|anthropic FILE...

The packages' types are for writing requests: they let unknown keys pass, read lists lazily and take their own response classes
for parts of a request. So they are rebuilt here as what may stand in JSON and nothing else. Each body is then spoilt in every
object, one at a time, and must be refused: a check that lets that through checks nothing.
"""

import collections.abc
import copy
import json
import sys
import typing

import pydantic
import typing_extensions as types

STRICT = pydantic.ConfigDict(extra="forbid", strict=True)
built = {}


def rebuilt(kind):
    """The type as it stands in JSON; None where it has no place there."""
    origin, arguments = types.get_origin(kind), types.get_args(kind)
    if kind in built:
        return built[kind]
    if types.is_typeddict(kind):
        built[kind] = None  # a type within itself would be refused there
        fields = {}
        for name, hint in types.get_type_hints(kind, include_extras=True).items():
            # With its annotations as text, a class takes all of it for optional or all for required.
            said = types.get_origin(hint)
            need = said if said in (types.Required, types.NotRequired) else None
            need = need or (types.NotRequired if name in kind.__optional_keys__ else types.Required)
            inner = rebuilt(hint)
            if inner is not None:
                fields[name] = need[inner]
        built[kind] = types.TypedDict(kind.__name__, fields)
        built[kind].__pydantic_config__ = STRICT
        return built[kind]
    if kind in (str, int, float, bool, object, typing.Any, type(None)) or origin is types.Literal:
        return kind
    if origin is types.Annotated or origin in (types.Required, types.NotRequired):
        return rebuilt(arguments[0])
    if origin is typing.Union:
        members = [member for member in map(rebuilt, arguments) if member is not None]
        return typing.Union[tuple(members)] if members else None
    if origin is dict:
        return typing.Dict[str, rebuilt(arguments[1])]
    if arguments and (origin is list or issubclass(origin, collections.abc.Iterable) or origin.__name__ == "SequenceNotStr"):
        item = rebuilt(arguments[0])
        return typing.List[item] if item is not None else None
    return None  # response classes, files, paths


def request(vendor):
    """The type of a request to the vendor's API."""
    if vendor == "openai":
        from openai.types.chat import completion_create_params as params
        variants = (params.CompletionCreateParamsNonStreaming, params.CompletionCreateParamsStreaming)
    else:
        from anthropic.types import message_create_params as params
        variants = (params.MessageCreateParamsNonStreaming, params.MessageCreateParamsStreaming)
    return pydantic.TypeAdapter(typing.Union[tuple(map(rebuilt, variants))])


def objects(value):
    """Every object within a body, but for a tool's input, which may hold anything."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key != "input":
                yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def refused(adapter, body):
    try:
        adapter.validate_json(json.dumps(body))
    except pydantic.ValidationError as error:
        return error
    return None


def main(vendor, files):
    adapter = request(vendor)
    failures = 0
    for file in files:
        with open(file, encoding="utf-8") as opened:
            body = json.load(opened)
        wrong = refused(adapter, body)
        if wrong:
            print(f"{file}: {wrong}", file=sys.stderr)
            failures += 1
        for place in range(len(list(objects(body)))):
            spoilt = copy.deepcopy(body)
            list(objects(spoilt))[place]["unheard_of"] = 1
            if not refused(adapter, spoilt):
                print(f"{file}: an unknown key passes in {list(objects(body))[place]}", file=sys.stderr)
                failures += 1
    if not files or not refused(adapter, {"messages": []}):
        print("nothing was checked", file=sys.stderr)
        failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

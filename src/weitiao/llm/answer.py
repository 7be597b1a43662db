"""What the words of a model amount to: a reply, with its data where data was asked for, or a failure."""

import re
from typing import Any

import json_repair
import orjson
from pydantic import BaseModel, ValidationError

from weitiao.llm.call import Failure, Messages, Reason, Reply, Request, Said

_FINISHES = {"length": Reason.LENGTH, "max_tokens": Reason.LENGTH, "content_filter": Reason.FILTER}
_MENDABLE = (Reason.NOT_JSON, Reason.SHAPE)
# Templates of reasoning models write `<think>` into the prompt, so that an answer may hold its end alone.
_THOUGHT = re.compile(
    r"\A\s*(?:<think>(?P<opened>.*?)</think>|(?P<ended>(?:(?!<think>).)*?)</think>(?=\s*\n|\Z))", re.DOTALL
)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


def judge(request: Request, said: Said) -> Reply | Failure:
    """Return what the model said as a reply, or why it is none."""
    if said.finish in _FINISHES:
        return Failure(_FINISHES[said.finish], said.text or said.reasoning)
    if said.declined:
        return Failure(Reason.DECLINED, said.declined)
    thought, text = without_reasoning(said.text)
    reasoning = "\n\n".join(part for part in (said.reasoning.strip(), thought) if part)
    if not text:
        return Failure(Reason.EMPTY, said.text, reasoning)
    data = None
    if request.schema:
        try:
            data = parse(text, request.schema)
        except ValidationError as error:
            return Failure(Reason.SHAPE, text, _shown(error))
        except ValueError as error:
            return Failure(Reason.NOT_JSON, text, str(error))
    return Reply(text, reasoning, data, said.usage, said.finish)


def without_reasoning(text: str) -> tuple[str, str]:
    """Return the reasoning that a text begins with, and the answer."""
    found = _THOUGHT.match(text)
    if not found:
        return ("", "") if text.lstrip().startswith("<think>") else ("", text.strip())
    return (found["opened"] or found["ended"] or "").strip(), text[found.end() :].strip()


def parse(text: str, schema: type[BaseModel]) -> BaseModel:
    """Read the JSON object in `text`: as it stands, out of its fence or prose, else with its slips repaired.

    Raises ValueError where there is none, and ValidationError, one of its kinds, where it has another shape.
    """
    fenced = _FENCE.search(text)
    inner = fenced[1] if fenced else text
    start, end = inner.find("{"), inner.rfind("}")
    if start < 0 or end < start:  # an object that nobody closed is half an answer: it is not made whole by guessing
        raise ValueError("no JSON object")
    for candidate in (text, inner[start : end + 1]):
        try:
            return schema.model_validate(orjson.loads(candidate))
        except orjson.JSONDecodeError:
            continue
    return schema.model_validate(json_repair.loads(inner[start : end + 1], skip_json_loads=True))


def again(request: Request, failure: Failure) -> Messages | None:
    """Return the messages that ask once more for data in its shape; None where asking again would not help."""
    if request.schema is None or failure.reason not in _MENDABLE:
        return None
    plea = f"That does not fit: {failure.detail}\n{instruction(request.schema)}"
    return (*request.messages, ("assistant", failure.raw), ("user", plea))


def instruction(schema: type[BaseModel]) -> str:
    """Say the shape of the answer in words, for servers that cannot hold a model to it."""
    shape = orjson.dumps(schema.model_json_schema()).decode()
    return f"Answer with one JSON object that fits this JSON schema, and nothing else:\n{shape}"


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema in the strict form: each object closed, each of its keys required."""

    def close(node: Any) -> Any:
        if isinstance(node, list):
            return [close(item) for item in node]
        if not isinstance(node, dict):
            return node
        closed = {key: close(value) for key, value in node.items() if key != "default"}
        if isinstance(node.get("properties"), dict):
            closed |= {"additionalProperties": False, "required": list(node["properties"])}
        return closed

    shape: dict[str, Any] = close(schema.model_json_schema())
    return shape


def _shown(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'object'}: {item['msg']}" for item in found[:5])

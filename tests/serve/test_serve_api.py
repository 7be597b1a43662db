"""The API, asked by OpenAI's own client over real sockets."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import openai
import pytest
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families
from serve_ask import QUESTIONS, Alone, Opened, ask, streamed

from weitiao.model.batch import Batch, Row, Sampling
from weitiao.model.pair import Place
from weitiao.model.template import Template
from weitiao.serve.run import Service


def test_twenty_clients_at_once_hear_what_each_would_hear_alone(client: OpenAI, alone: Alone) -> None:
    asked = [(QUESTIONS[number % 6], 3 + number, number % 3 == 0) for number in range(20)]

    def one(item: tuple[str, int, bool]) -> tuple[str, str | None]:
        question, longest, stream = item
        if stream:
            return streamed(ask(client, question, max_tokens=longest, stream=True))
        choice = ask(client, question, max_tokens=longest).choices[0]
        return choice.message.content, choice.finish_reason

    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(one, asked))
    for (question, longest, _), (text, finish) in zip(asked, said, strict=True):
        wanted = alone(question, max_new_tokens=longest)
        assert (text, finish) == (wanted.text, "stop" if wanted.stopped else "length")


def test_what_is_drawn_depends_on_the_seed_alone(client: OpenAI, alone: Alone) -> None:
    how: dict[str, Any] = {"temperature": 1.0, "top_p": 0.9, "extra_body": {"top_k": 50, "repetition_penalty": 1.1}}
    said = ask(client, "a", seed=7, n=3, max_tokens=20, **how)
    drawn = {"temperature": 1.0, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.1, "max_new_tokens": 20}
    wanted = [alone("a", seed=7 + number, **drawn) for number in range(3)]
    assert [choice.message.content for choice in said.choices] == [one.text for one in wanted]
    assert [choice.index for choice in said.choices] == [0, 1, 2]
    assert said.usage.completion_tokens == sum(one.tokens for one in wanted)
    unseeded = {ask(client, "a", temperature=1.0).choices[0].message.content for _ in range(4)}
    assert len(unseeded) > 1


def test_an_answer_ends_before_its_stop_string(client: OpenAI, alone: Alone) -> None:
    whole = alone("鱼会不会淹死？", max_new_tokens=24).text
    assert len(whole) >= 4
    stop = whole[2:4]
    wanted = whole[: whole.find(stop)]
    choice = ask(client, "鱼会不会淹死？", stop=["never said", stop]).choices[0]
    assert (choice.message.content, choice.finish_reason) == (wanted, "stop")
    assert streamed(ask(client, "鱼会不会淹死？", stop=stop, stream=True)) == (wanted, "stop")
    almost = stop + "\x00"  # begins like what is said, and never comes
    assert streamed(ask(client, "鱼会不会淹死？", stop=almost, stream=True))[0] == whole


def test_likelihoods_are_those_of_the_model(client: OpenAI, template: Template, nano: Any) -> None:
    choice = ask(client, "a", max_tokens=6, logprobs=True, top_logprobs=3).choices[0]
    row = Row(template.prompt([("user", "a")]), Sampling(6), told=3)
    batch = Batch(nano, template.stop_ids)
    said = batch.join([row])
    while more := batch.step():
        said += more
    told = [token for token in said if token.id not in template.stop_ids]
    assert [one.logprob for one in choice.logprobs.content] == pytest.approx(
        [token.likely.logprob for token in told if token.likely], abs=1e-3
    )
    for one in choice.logprobs.content:
        assert [other.logprob for other in one.top_logprobs] == sorted([o.logprob for o in one.top_logprobs])[::-1]
        assert one.top_logprobs[0].logprob == one.logprob
        assert sum(math.exp(other.logprob) for other in one.top_logprobs) <= 1.0001
        assert bytes(one.bytes).decode() == one.token
    events = list(ask(client, "a", max_tokens=6, logprobs=True, top_logprobs=1, stream=True))
    chunks = [one for event in events for c in event.choices if c.logprobs for one in c.logprobs.content or []]
    assert [one.token for one in chunks] == [one.token for one in choice.logprobs.content]


def test_texts_go_on(client: OpenAI, template: Template, nano: Any) -> None:
    done = client.completions.create(model="nano", prompt=["水", "The"], max_tokens=8, temperature=0, logprobs=1)
    wanted = []
    for text in ("水", "The"):
        row = Row(template.tokenizer(text)["input_ids"], Sampling(8))
        batch = Batch(nano, template.stop_ids)
        batch.join([row])
        while batch.step():
            pass
        wanted.append([token for token in row.said if token not in template.stop_ids])
    assert [choice.text for choice in done.choices] == [template.tokenizer.decode(ids) for ids in wanted]
    assert done.choices[0].logprobs is not None
    assert len(done.choices[0].logprobs.token_logprobs or []) == len(wanted[0])
    ids = template.tokenizer("水")["input_ids"]
    assert done.usage is not None
    assert done.usage.completion_tokens == sum(map(len, wanted))
    events = client.completions.create(model="nano", prompt=ids, max_tokens=8, temperature=0, stream=True)
    assert "".join(event.choices[0].text for event in events) == done.choices[0].text


def test_tokens_are_counted(client: OpenAI, template: Template, alone: Alone) -> None:
    read, said = len(template.prompt([("user", "a")])), alone("a", max_new_tokens=5).tokens
    usage = {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}
    done = ask(client, "a", max_tokens=5).usage
    assert {name: value for name, value in done.model_dump().items() if value is not None} == usage
    *_, last = ask(client, "a", max_completion_tokens=5, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == said


def test_models_are_named(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["nano"]
    assert client.models.retrieve("nano").owned_by == "weitiao"
    with pytest.raises(openai.NotFoundError, match="there are nano"):
        client.models.retrieve("gpt")
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "a"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_prompt_that_does_not_fit_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="the model holds 512") as caught:
        ask(client, "水" * 2000)
    assert caught.value.code == "context_length_exceeded"


def test_what_is_not_supported_is_refused_by_name(client: OpenAI) -> None:
    for name, value in (
        ("response_format", {"type": "json_object"}),
        ("frequency_penalty", 1.0),
        ("logit_bias", {"1": 5}),
    ):
        with pytest.raises(openai.BadRequestError, match="is not supported") as caught:
            ask(client, "a", **{name: value})
        assert caught.value.param == name
    assert ask(client, "a", presence_penalty=0, user="me", response_format={"type": "text"}).choices
    called: Any = [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}]
    with pytest.raises(openai.BadRequestError, match="leaves out `tool_calls`"):
        client.chat.completions.create(model="nano", messages=[{"role": "user", "content": "a"}, *called])
    with pytest.raises(openai.BadRequestError, match="leaves out `tools`"):
        ask(client, "a", tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])


@pytest.mark.parametrize(
    ("more", "param", "said"),
    [
        ({"messages": [{"role": "usr", "content": "a"}]}, "messages.0.role", "'user'"),
        ({"stop": 5}, "stop", "stop: "),
        ({"stop": ["a", ""]}, "stop.1", "at least 1 character"),
        ({"top_logprobs": 2}, "top_logprobs", "needs `logprobs: true`"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage", "boolean"),
    ],
)
def test_a_refusal_names_the_field(service: Service, more: dict[str, Any], param: str, said: str) -> None:
    asked = {"model": "nano", "messages": [{"role": "user", "content": "a"}], **more}
    status, error, _ = refusal(f"{service.url}/chat/completions", json.dumps(asked).encode())
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert said in error["message"]


def test_what_is_no_json_and_another_method_are_refused_in_json(service: Service) -> None:
    status, error, _ = refusal(f"{service.url}/chat/completions", b'{"model": ')
    assert (status, error["param"], error["message"][:23]) == (400, None, "The request is no JSON:")
    for path in ("chat/completions", "completions"):
        status, error, headers = refusal(f"{service.url}/{path}")
        assert (status, error["message"], headers["Allow"]) == (405, "Method Not Allowed", "POST")
    assert refusal(f"{service.url}/models", b"{}")[0] == 405
    assert refusal(f"{service.url}/chats")[0] == 404


def refusal(url: str, body: bytes | None = None) -> tuple[int, dict[str, Any], Any]:
    """Return status, error and headers of what is refused; without a body it is a GET."""
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(url, body, {"Content-Type": "application/json"}))
    with refused.value as error:
        return error.code, json.load(error)["error"], error.headers


def test_what_the_template_cannot_carry_is_refused_in_words(client: OpenAI) -> None:
    asked: Any = {"role": "user", "content": "a"}
    for message, lost in (
        ({**asked, "name": "Bob"}, "`name`"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}, "image_url"),
    ):
        with pytest.raises(openai.BadRequestError, match=lost):
            client.chat.completions.create(model="nano", messages=[asked, message])  # type: ignore[list-item]


def test_several_answers_are_streamed_as_they_are_given_whole(client: OpenAI) -> None:
    how: dict[str, Any] = {"temperature": 1.0, "seed": 3, "n": 3, "max_tokens": 16, "logprobs": True}
    whole = ask(client, "a", **how)
    stop = next(one.message.content[1:3] for one in whole.choices if len(one.message.content) > 3)
    whole = ask(client, "a", stop=stop, **how)
    said: list[list[Any]] = [[] for _ in whole.choices]
    for event in ask(client, "a", stop=stop, stream=True, **how):
        for choice in event.choices:
            said[choice.index].append(choice)
    for pieces, one in zip(said, whole.choices, strict=True):
        assert "".join(piece.delta.content or "" for piece in pieces) == one.message.content
        assert pieces[-1].finish_reason == one.finish_reason
        told = [token.token for piece in pieces if piece.logprobs for token in piece.logprobs.content or []]
        assert told == [token.token for token in one.logprobs.content]


def test_figures_are_told(client: OpenAI, service: Service) -> None:
    ask(client, "a", max_tokens=3)
    root = service.url.removesuffix("/v1")
    with urlopen(f"{root}/health") as response:
        assert json.load(response) == {"status": "ok"}
    with urlopen(f"{root}/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
    assert families["weitiao_completion_tokens"].samples[0].labels == {"model": "nano"}
    assert families["weitiao_completion_tokens"].samples[0].value > 0
    assert families["weitiao_answers_running"].samples[0].value == 0
    requests = {
        (s.labels["path"], s.labels["status"]): s.value
        for s in families["weitiao_requests"].samples
        if s.name.endswith("_total")
    }
    assert requests["/v1/chat/completions", "200"] > 0


TOOLS = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}[{{ c.function.name }} {{ c.function.arguments.x }}]{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_tools_and_their_results_pass_through_the_template(
    tiny_llama: Path, tmp_path: Path, open_server: Opened
) -> None:
    for file in tiny_llama.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(TOOLS, encoding="utf-8")
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 5}'}}
    chat: Any = [
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "6"},
    ]
    with open_server({"tiny": Place(str(tmp_path))}) as service, OpenAI(base_url=service.url, api_key="-") as client:
        done = client.chat.completions.create(model="tiny", messages=chat, tools=tools, max_tokens=1)
        text = (
            f"<|im_start|>system\n{json.dumps(tools)}<|im_end|>\n<|im_start|>system\nb<|im_end|>\n"
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n[f 5]<|im_end|>\n<|im_start|>tool\n6<|im_end|>\n"
            "<|im_start|>assistant\n"
        )
        read = client.completions.create(model="tiny", prompt=text, max_tokens=1)
    assert done.usage
    assert read.usage
    assert done.usage.prompt_tokens == read.usage.prompt_tokens


def test_health_says_that_the_server_ends(service: Service) -> None:
    models = service._models
    models.closing = True
    try:
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{service.url.removesuffix('/v1')}/health")
        assert (refused.value.code, json.load(refused.value)) == (503, {"status": "stopping"})
        refused.value.close()
    finally:
        models.closing = False

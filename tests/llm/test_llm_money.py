"""The price before a run, the bill after it, and a budget that holds."""

import pytest
from llm_ask import Ask, asking
from llm_server import Server

from weitiao.errors import UserError
from weitiao.llm import Price, Teacher
from weitiao.llm.cache import Cache
from weitiao.llm.call import Failure, Reason, Reply, Usage
from weitiao.llm.money import Plan, cost, plan

# The server counts 10 tokens of the prompt, 4 of them cached, and 5 of the answer.
PRICES = {"m": {"input": 100.0, "output": 1000.0, "cached": 50.0}}
ONE = (6 * 100 + 4 * 50 + 5 * 1000) / 1e6


def test_cost() -> None:
    assert cost(Price(input=2, output=8), Usage(1_000_000, 500_000, 300_000)) == 6
    assert cost(Price(input=2, output=8, cached=1), Usage(1_000_000, 500_000, 300_000)) == pytest.approx(5.7)
    assert cost(None, Usage(5, 5)) == 0


def test_the_bill_counts_calls_tokens_and_money(ask: Ask, cache: Cache) -> None:
    ask(asking("a", "b", "[empty] c", "[500] d", "[filter 400] e"), prices=PRICES)
    spent = cache.spent("label")
    assert (spent.calls, spent.usage, spent.unknown) == (4, Usage(40, 20, 16), 0)
    assert spent.cost == pytest.approx(4 * ONE)
    assert cache.spent("judge").calls == 0


def test_a_lost_answer_counts_as_the_most_it_can_cost(ask: Ask, cache: Cache) -> None:
    ask(asking("[hang up always] a"), prices=PRICES, attempts=2, max_tokens=100)
    spent = cache.spent("label")
    assert spent.calls == 2
    assert spent.cost == spent.unknown > 2 * 100 * 1000 / 1e6


def test_the_budget_holds_and_the_next_run_goes_on(ask: Ask, cache: Cache, server: Server) -> None:
    requests = asking(*[f"q{number}" for number in range(100)])
    settings = {"prices": PRICES, "max_tokens": 20, "concurrency": 4}
    budget = 40 * ONE
    first = ask(requests, budget=budget, **settings)
    answered = {index for index, outcome in first.items() if isinstance(outcome, Reply)}
    assert cache.spent("label").cost <= budget
    assert 30 <= len(answered) <= 40
    assert {first[index] for index in range(100) if index not in answered} == {Failure(Reason.BUDGET)}
    assert ask(requests, budget=budget, **settings) == first
    second = ask(requests, budget=200 * ONE, **settings)
    assert all(isinstance(outcome, Reply) for outcome in second.values())
    assert set(server.asked.values()) == {1}
    assert cache.spent("label").cost == pytest.approx(100 * ONE)


def test_a_budget_needs_a_price(ask: Ask, server: Server) -> None:
    with pytest.raises(UserError, match="no price is known for m"):
        ask(asking("a"), budget=1.0)
    assert not server.asked


def test_the_plan_tells_calls_tokens_and_money(ask: Ask, cache: Cache, server: Server) -> None:
    prices = {"m": Price(input=100, output=1000)}
    teacher = Teacher(endpoint=server.address, model="m", prices=prices, max_tokens=200)
    requests = asking("为什么水不能兑水？", "a", "b", "a")
    found = plan(requests, teacher, cache, "label", samples=1)
    messages = [{"role": "user", "content": "为什么水不能兑水？"}]
    body = {"model": "m", "messages": messages, "max_tokens": 200, "temperature": 0.7}
    tokens = found.prompt_tokens
    assert found == Plan(3, 1, tokens, 600, (tokens * 100 + 600 * 1000) / 1e6, None, [body])
    assert 10 < tokens < 60
    assert not server.asked
    ask(requests[:2], prices={"m": prices["m"].model_dump()}, max_tokens=200)
    assert server.bodies == [body, body | {"messages": [{"role": "user", "content": "a"}]}]
    rest = plan(requests, teacher, cache, "label")
    assert (rest.calls, rest.known, rest.most_tokens) == (1, 3, 200)
    assert rest.likely_cost == pytest.approx((rest.prompt_tokens * 100 + 5 * 1000) / 1e6)


def test_the_plan_without_prices_has_no_money(cache: Cache) -> None:
    found = plan(asking("a"), Teacher(endpoint="http://localhost/v1", model="m"), cache, "label")
    assert (found.most_cost, found.likely_cost) == (None, None)

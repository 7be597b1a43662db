"""What a server has done, as Prometheus reads it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counts of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        by, here = ("model",), self._registry
        self._requests = Counter("weitiao_requests", "Requests", ("path", "status"), registry=here)
        self._prompt = Counter("weitiao_prompt_tokens", "Tokens of prompts that were answered", by, registry=here)
        self._said = Counter("weitiao_completion_tokens", "Tokens of answers", by, registry=here)
        self._seconds = Histogram(
            "weitiao_answer_seconds", "Seconds to the end of an answer", by, registry=here, buckets=_SECONDS
        )
        self.answers = self.gone = 0

    def watch(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Read off these whenever the figures are asked for."""
        for name, what, count in (("running", "under way", running), ("waiting", "waiting for a place", waiting)):
            Gauge(f"weitiao_answers_{name}", f"Answers {what}", registry=self._registry).set_function(count)

    def request(self, path: str, status: int) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()

    def ended(self, name: str, prompt: int, said: int, seconds: float) -> None:
        """Count an answer that came to its end."""
        self.answers += 1
        self._prompt.labels(name).inc(prompt)
        self._said.labels(name).inc(said)
        self._seconds.labels(name).observe(seconds)

    def text(self) -> bytes:
        """Return all figures."""
        return generate_latest(self._registry)

"""Ollama's Modelfile: the chat template in Ollama's own language, proven on conversations, and the stop tokens."""

from dataclasses import dataclass

from weitiao.errors import UserError
from weitiao.model.template import Messages, Template
from weitiao.talk import t

_S, _U, _A, _V = "qSq", "qUq", "qAq", "qVq"


@dataclass(frozen=True)
class Frame:
    """What stands around the texts of a conversation."""

    start: str  # before the first question, where there is no system message
    system: str  # before a system message
    opening: str  # after it, before the first question
    asked: str  # after a question, before the answer
    said: str  # after an answer, before the next question

    def text(self, messages: Messages) -> str:
        """Render a conversation that ends in a question, as Ollama does."""
        has_system = messages[0][0] == "system"
        parts = [self.system + messages[0][1] + self.opening] if has_system else [self.start]
        for role, content in messages[has_system:]:
            parts.append(content + (self.said if role == "assistant" else self.asked))
        return "".join(parts)

    def go(self) -> str:
        """Return it in Go's template language, as Ollama reads it."""
        return (
            f"{{{{ if .System }}}}{self.system}{{{{ .System }}}}{self.opening}{{{{ else }}}}{self.start}{{{{ end }}}}"
            '{{ range .Messages }}{{ if eq .Role "user" }}{{ .Content }}' + self.asked
            + '{{ else if eq .Role "assistant" }}{{ .Content }}' + self.said + "{{ end }}{{ end }}"
        )  # fmt: skip


def frame(template: Template, *, without_bos: bool) -> Frame | None:
    """Return what stands around texts; None where the template is more than that.

    `without_bos`: the engine puts the begin-of-text token there itself.
    """
    bos = template.tokenizer.bos_token if without_bos else None

    def render(messages: Messages) -> str:
        return template.text(messages, generate=True).removeprefix(bos or "")

    try:
        start, asked = render([("user", _U)]).split(_U)
        _, _, rest = render([("user", _U), ("assistant", _A), ("user", _V)]).partition(_A)
        said = rest.partition(_V)[0]
        system, _, rest = render([("system", _S), ("user", _U)]).partition(_S)
        found = Frame(start, system, rest.partition(_U)[0], asked, said)
    except (UserError, ValueError):  # no system messages, or a question stands there twice
        return None
    talk = [("user", _U), ("assistant", _A), ("user", _V)]
    proofs: list[Messages] = [talk[:1], talk, [("system", _S), *talk[:1]], [("system", _S), *talk], [*talk, *talk[1:]]]
    return found if all(found.text(messages) == render(messages) for messages in proofs) else None


def modelfile(template: Template, gguf: str, *, adds_bos: bool) -> str:
    """Return the Modelfile for the file `gguf` beside it.

    Raises UserError for a template that Ollama's language cannot say: with another one the model answers nonsense.
    """
    found = frame(template, without_bos=adds_bos)
    if found is None or '"""' in found.go():
        raise UserError(
            t("This chat template cannot be said in Ollama's language"),
            t("Use the GGUF file with llama.cpp, which reads the template inside it"),
        )
    stops = [template.tokenizer.convert_ids_to_tokens(index) for index in template.stop_ids]
    lines = [f"FROM ./{gguf}", f'TEMPLATE """{found.go()}"""', *(f'PARAMETER stop "{stop}"' for stop in stops)]
    return "\n".join(lines) + "\n"

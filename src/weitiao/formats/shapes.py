"""Which shapes of rows there are, declared as data: the names by which each is recognised and read."""

from dataclasses import dataclass

from weitiao.formats import tools


@dataclass(frozen=True)
class Turns:
    """A list of turns, each an object with a role and a text."""

    role: str
    content: str


@dataclass(frozen=True)
class Pairs:
    """A list of question-answer pairs; the first may carry a system text."""

    question: str
    answer: str
    system: str = ""


@dataclass(frozen=True)
class Columns:
    """Question and answer in columns of their own; the first of the names that a row has counts."""

    question: tuple[str, ...]
    answer: tuple[str, ...]
    context: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()  # names that mean a question even where there is no answer


QUESTIONS = ("instruction", "query", "question", "prompt", "input", "q", "问题", "提问", "问", "指令", "输入")
ANSWERS = ("output", "response", "answer", "completion", "target", "a", "回答", "答案", "回复", "答", "输出")
POST_COLUMNS = ("text", "content", "post", "body", "passage", "raw_content", "正文", "内容", "文本", "帖子", "语料")
# A post of a forum and what was replied: `topic` and `comments` would say it of articles too.
TITLES = ("title", "subject", "标题", "主题", "帖子标题")
REPLIES = (
    "best_answer", "best_reply", "answer", "reply", "answers", "replies",
    "最佳答案", "最佳回复", "答案", "回答", "回复", "回帖", "跟帖", "回复内容",
)  # fmt: skip
CONTAINERS = ("messages", "conversations", "conversation", "dialogue", "dialog")
# The fields of COIG-CQIA beyond Alpaca's; one of them tells the two apart.
CQIA_FIELDS = ("task_type", "domain", "metadata", "answer_from", "human_verified", "copyright")

SHAPES: dict[str, Turns | Pairs | Columns | None] = {
    "records": None,  # our own; `source` reads their columns itself
    "openai": Turns("role", "content"),
    "sharegpt": Turns("from", "value"),
    "xtuner": Pairs("input", "output", "system"),
    "pairs": Pairs("human", "assistant"),
    "cqia": Columns(("instruction",), ("output",), ("input",), ("instruction",)),
    "alpaca": Columns(("instruction",), ("output",), ("input",), ("instruction",)),
    "alpaca_zh": Columns(("instruction_zh",), ("output_zh",), ("input_zh",), ("instruction_zh",)),
    "qa": Columns(
        QUESTIONS, ANSWERS, ("context", "input"), ("query", "question", "prompt", "问题", "提问", "instruction")
    ),
    "forum": Columns(TITLES, REPLIES, POST_COLUMNS),
    "guanaco": None,
    "preference": None,  # a good and a bad answer
    "posts": None,
    # Exports of annotation tools; what people were shown is again of one of the shapes above.
    **dict.fromkeys(tools.TOOLS),
}

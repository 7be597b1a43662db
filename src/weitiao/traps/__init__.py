"""traps: a small world of true facts, trick questions that presuppose something false about it, and their checker.

`experiment(seed)` makes everything of one experiment, `check(answer, question)` judges any answer to a question; a
record carries the same check as `{"trap": {…}}`.
"""

from weitiao.traps.check import Question, Trap, Verdict, check
from weitiao.traps.write import Experiment, experiment, write

__all__ = ["Experiment", "Question", "Trap", "Verdict", "check", "experiment", "write"]

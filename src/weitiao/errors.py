"""The one kind of error that users see: what happened and where, then what to do."""


class UserError(Exception):
    """A mistake in the user's input or settings; the command line prints it and ends with status 2.

    `message` says what happened, with the value and `file:line:field` where there is one; `hint` says what to do.
    Any other exception is a bug and keeps its traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

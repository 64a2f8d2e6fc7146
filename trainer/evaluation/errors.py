"""The one error of the evaluation."""


class EvaluationError(Exception):
    """A bundle can't be scored on these data as asked; the message says why and what to do."""

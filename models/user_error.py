"""What all errors have in common that users are told as they are."""


class UserError(Exception):
    """Its message is written for users: it says what is wrong and what to do, and needs no traceback."""

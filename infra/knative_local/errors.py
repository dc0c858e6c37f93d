"""What the runtime refuses or cannot do."""


class LocalRuntimeError(Exception):
    """Something the user can put right; the message is one line and says what."""

"""The one kind of error that is the user's to mend."""


class InputError(ValueError):
    """Bad input: the message is one sentence that names the cause and the cure; the door prints it and exits with 2."""

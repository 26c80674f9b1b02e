"""Mistakes a user can mend, told in one message instead of a traceback."""


class UserError(Exception):
    """A mistake in the config, the data or the environment that the user can mend.

    The message names the key, file or data set, what was found, what is allowed and what to do.
    """

"""Errors, named after what to do about them. Everything else that is raised is a bug.

The first argument of each is a sentence for the person who reads it: what is wrong, where, and what to do next.
"""

from __future__ import annotations


class HoldfastError(Exception):
    """Something outside the program is not as it should be; the message says what to do."""


class Temporary(HoldfastError):
    """Try again: after `retry_after_s` where it is known, else with back-off."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Config(HoldfastError):
    """Only a person can mend this, by changing a setting or a permission. Trying again is of no use."""


class Request(HoldfastError):
    """What was asked for can't be done; asking for something else can."""


class OutputFailed(HoldfastError):
    """There is no room for what was to be written for a person. Make some, and ask again."""


class LeaseLost(HoldfastError):
    """Another worker has this conversation now: stop, and append nothing."""


class JournalFailed(HoldfastError):
    """The journal can't commit. The process stops acknowledging and ends; the next start recovers by reading."""


class JournalFull(JournalFailed):
    """The disk is full. Nothing was acknowledged that is not kept; free some space and start again."""


class AlreadyRunning(HoldfastError):
    """Another process holds the lock on this data folder."""

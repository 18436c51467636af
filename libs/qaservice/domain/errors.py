"""Everything that can go wrong, as one tree. Nothing here knows about HTTP; `qaservice.web.errors` maps it.

QaserviceError
├── UndecodableEvent         the log holds an event that this program can't read
├── TooManyWatchers          as many watch as are allowed; the same call may succeed later
├── WatcherTooSlow           a watcher has not taken in time what was sent to it
├── Refused                  the command or question broke a rule; nothing was stored
│   ├── InputNotValid        a key, a value or a parameter is not what it may be
│   │   └── TooLarge         … because it is too big
│   ├── KeyExists            create on an answer that exists
│   │   └── MustNotExist     … where the client said so
│   ├── KeyNotFound          no such answer: never created, or deleted
│   ├── RevisionDiffers      the answer is not at a revision that the client named
│   ├── DoesNotFollow        events of another log are not the next ones of this one
│   └── IdempotencyKeyReused the idempotency key was used with another value
└── Unavailable              no answer to the question now; the same call may succeed later
    ├── LogUnavailable       the log can't be reached or can't write; nothing was stored
    ├── OutcomeUnknown       the append may or may not be stored
    ├── LogReplaced          the log under a follower is another one than before
    ├── ReadModelUnavailable the read model can't be reached, or nobody has begun to build it
    └── ReadModelBehind      the read model is being built and does not hold everything yet
"""


class QaserviceError(Exception):
    """Base of all errors of this program."""


class UndecodableEvent(QaserviceError):
    """The log holds an event that this program can't read."""


class TooManyWatchers(QaserviceError):
    """As many watch as are allowed."""


class WatcherTooSlow(QaserviceError):
    """A watcher has not taken in time what was sent to it."""


class Refused(QaserviceError):
    """The command or question broke a rule. `revision` is the answer's present one, where a reply may name it."""

    revision: int | None = None


class InputNotValid(Refused):
    """A key, a value or a parameter is not what it may be; the text says what."""


class TooLarge(InputNotValid):
    """A key, a value or a body is over its limit."""


class KeyExists(Refused):
    """Create on an answer that exists."""


class MustNotExist(KeyExists):
    """Create on an answer that exists, by a client that said it must not."""


class KeyNotFound(Refused):
    """No such answer: never created, or deleted."""


class RevisionDiffers(Refused):
    """The answer is not at a revision that the client named."""


class DoesNotFollow(Refused):
    """Events of another log can't be taken over: they are not the next ones of this one."""


class IdempotencyKeyReused(Refused):
    """The idempotency key was used with another value before."""


class Unavailable(QaserviceError):
    """No answer to the question now; the text says why, for the log, never for the client."""


class LogUnavailable(Unavailable):
    """The log can't be reached or can't write. Nothing was stored."""


class OutcomeUnknown(Unavailable):
    """The append may or may not be stored: it was sent and no confirmation came."""


class LogReplaced(Unavailable):
    """The log under a follower is another one than before."""


class ReadModelUnavailable(Unavailable):
    """The read model can't be reached, or nobody has begun to build it."""


class ReadModelBehind(Unavailable):
    """The read model is being built and does not hold everything yet."""

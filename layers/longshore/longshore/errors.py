"""The errors that Longshore raises, and what each does to the message that caused it.

LongshoreError
├── PermanentError               trying again cannot help: a workload's is told, a whole message's is dead-lettered
│   ├── BadEventError            an event that names nothing usable; says which field. Logged, counted, never retried
│   ├── ConfigurationError       the operator's configuration or tags; says which key and the fix
│   ├── UnsupportedError         the platform cannot do what was asked
│   ├── EndpointPrivateError     a cluster's endpoint answers inside its VPC alone, where the function is not
│   ├── AccessDeniedError        the role may not do it; says which action
│   ├── GoneError                what the event named does not exist (any more)
│   ├── DeliveryError            a channel refuses the message, or its secret; says why
│   └── MessageGoneError         the message to change is no more, or may not be changed: post anew
└── TransientError               back to the queue, which tries again and at last dead-letters
    ├── ThrottledError           the API asked to slow down; says for how long
    ├── NotReadyError            something must happen first
    ├── ConflictError            somebody else wrote first: read again, decide again
    └── UpstreamError            the API failed or could not be reached
        └── AmbiguousError       no answer came, so that it may have been done

A refusal by a gate, a hold or a policy is a Decision, not an error.
"""


class LongshoreError(Exception):
    """Root of every error that Longshore raises on purpose."""


class PermanentError(LongshoreError):
    """Trying again cannot help."""


class TransientError(LongshoreError):
    """Trying again may help."""


class BadEventError(PermanentError):
    """An event is malformed.

    `field` is the path of the offending field (``detail.repository-name``), `problem` says what is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class ConfigurationError(PermanentError):
    """A setting, tag or configuration key is wrong: `key` names it, `problem` what is wrong, `fix` what to write."""

    def __init__(self, key: str, problem: str, fix: str = "") -> None:
        super().__init__(f"{key}: {problem}" + (f" ({fix})" if fix else ""))
        self.key = key
        self.problem = problem
        self.fix = fix


class UnsupportedError(PermanentError):
    """The platform cannot do what was asked."""


class EndpointPrivateError(PermanentError):
    """The endpoint of a cluster cannot be reached from where the function runs, and will not be."""


class AccessDeniedError(PermanentError):
    """The function's role may not call an action."""


class GoneError(PermanentError):
    """A cluster, service, repository or image that was named does not exist."""


class DeliveryError(PermanentError):
    """A channel will never take this message as it is; `reason` is a short code (`invalid_auth`, `http-404`)."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(f"{reason}: {text}" if text else reason)
        self.reason = reason


class MessageGoneError(PermanentError):
    """A message that was to be changed or answered is no more, or may no longer be changed."""


class ThrottledError(TransientError):
    """An API asked to slow down; `retry_after` is for how many seconds (30 where it did not say)."""

    def __init__(self, text: str = "asked to slow down", retry_after: float = 30.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class NotReadyError(TransientError):
    """Something that must come first has not happened."""


class ConflictError(TransientError):
    """A conditional write lost: somebody else wrote first."""


class UpstreamError(TransientError):
    """An API failed or could not be reached."""


class AmbiguousError(UpstreamError):
    """The connection ended before the answer: what was asked may have been done."""

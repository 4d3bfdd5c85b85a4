"""What kernels raise.

KernelError        root: input that no plan could take (dtype, damaged partial, limits)
└── PlanError      the plan's text or arguments; `stage` says where
"""


class KernelError(Exception):
    """Input, partial or limit that the kernels refuse; the message says what would be right."""


class PlanError(KernelError):
    """A plan that cannot be: the message shows the text with a caret under the place."""

    def __init__(self, reason: str, text: str = "", at: int = 0, width: int = 1) -> None:
        self.reason = reason
        self.at = at
        shown = f"{reason}\n  {text}\n  {' ' * at}{'^' * max(1, width)}" if text else reason
        super().__init__(shown)

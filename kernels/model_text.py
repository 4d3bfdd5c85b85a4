"""Models in a plan's text: `logistic @bearing`, or short linear ones written out.

`@NAME` is a key of the `models` that stand beside the text, or the first 8 hex digits of a model's
hash; the normalised text has the latter. Models of up to INLINE_MAX weights and one score are
written out instead: `logistic 0.5 -2 bias=0.1`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from atoll.kernels.errors import KernelError, PlanError
from atoll.kernels.kernel import Kernel
from atoll.kernels.models import INLINE_MAX, Model, named, short, written

if TYPE_CHECKING:
    from atoll.kernels.grammar import Call, Op, Token

    Given = dict[str, list[tuple[Token, str]]]


def head(kernel: Kernel) -> int:
    """Words before the model's own: `give`, where the kernel has it."""
    return sum(param.name == "give" for param in kernel.params)


def read(
    text: str,
    call: "Call",
    given: "Given",
    models: Mapping[str, Model],
) -> Model:
    """The model that a call names or writes out; PlanError where there is none."""
    name = call.name.text
    param = "weights" if "weights" in given else "model"
    if param not in given:
        where, width = call.name.at, len(name)
        raise PlanError(
            f"{name} needs a model: write @NAME and pass models={{'NAME': ...}}", text, where, width
        )
    token, value = given[param][0]
    if not value.startswith("@"):
        return _inline(text, call, given, param)
    if len(given[param]) > 1 or "bias" in given:
        raise PlanError(f"{name} takes nothing beside the model {value}", text, token.at)
    model = named(models, value[1:])
    if model is None:
        known = ", ".join(models) or "none"
        reason = f"no model is called {value[1:]!r}; given in models=: {known}"
        raise PlanError(reason, text, token.at, len(token.text))
    if model.kind != name:
        reason = f"the model {value[1:]!r} is for {model.kind}, not {name}"
        raise PlanError(reason, text, token.at, len(token.text))
    return model


def _inline(text: str, call: "Call", given: "Given", param: str) -> Model:
    name = call.name.text
    token = given[param][0][0]
    if param != "weights" or len(given[param]) > INLINE_MAX:
        reason = f"{name} takes its model as @NAME, beside models={{'NAME': ...}}"
        if param == "weights":
            reason = f"{name}: more than {INLINE_MAX} weights travel as @NAME"
        raise PlanError(reason, text, token.at, len(token.text))
    try:
        bias = float(given["bias"][0][1]) if "bias" in given else 0.0
        return short(name, [float(value) for _, value in given[param]], bias)
    except (ValueError, KernelError) as error:
        raise PlanError(f"{name}: weights are numbers: {error}", text, token.at) from None


def write(op: "Op") -> list[str]:
    """The model's part of the normalised text."""
    model = model_of(op)
    return written(model) or [f"@{model.name}"]


def model_of(op: "Op") -> Model:
    """The model in an operation's words."""
    words = op.words[head(op.kernel) :]
    if len(words) < 3 or not all(isinstance(word, int) for word in words):
        raise PlanError(f"{op.kernel.name} lacks its model in the canonical form")
    return Model(op.kernel.name, words)


def models_of(ops: "tuple[Op, ...]") -> dict[str, Model]:
    """All models of a plan by their names in its text."""
    found = (model_of(op) for op in ops if op.kernel.model)
    return {model.name: model for model in found}

"""What a report was made at."""

from collections.abc import Mapping
from typing import Any

import msgspec

from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.base import fmt_shape


class Settings(msgspec.Struct, frozen=True):
    """What a report was made at: each input's shape without the batch, the batch, the dtype and the convention.

    `vars` are those of the spec that the run set, as JSON has them.
    """

    inputs: dict[str, Sizes]
    batch: int
    dtype: str
    convention: str
    vars: dict[str, Any] = {}

    @property
    def input(self) -> Sizes:
        """The shape of the only input, or the first one."""
        return next(iter(self.inputs.values()))

    def inputs_to_dict(self) -> dict[str, Any]:
        """The shapes as JSON has them: `input` is the only input or the first one, `inputs` are all by their names."""
        inputs = {name: list(shape) for name, shape in self.inputs.items()}
        return {"input": list(self.input), "inputs": inputs}

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON has them, without `vars` where none was set."""
        others = {name: getattr(self, name) for name in ("batch", "dtype", "convention")}
        return {**self.inputs_to_dict(), **others, **({"vars": self.vars} if self.vars else {})}

    def differences(self, other: "Settings") -> dict[str, str]:
        """For each setting in which these and others differ, both values in words.

        >>> small = Settings({"input": (3, 8, 8)}, 1, "float32", "lecture")
        >>> Settings({"input": (3, 8, 8)}, 2, "float32", "lecture").differences(small)
        {'batch': 'batch 2, this at 1'}
        """
        found = {
            name: f"{name} {_words(getattr(self, name))}, this at {_words(getattr(other, name))}"
            for name in self.__struct_fields__[1:]
            if getattr(self, name) != getattr(other, name)
        }
        if self.inputs == other.inputs:
            return found
        return {
            "inputs": f"{inputs_in_words(self.inputs)}, this at {inputs_in_words(other.inputs, with_name=False)}",
            **found,
        }


def inputs_in_words(inputs: Mapping[str, Sizes], *, with_name: bool = True) -> str:
    """The shapes of inputs, by their names where there are several.

    >>> inputs_in_words({"input": (3, 224, 224)}), inputs_in_words({"ids": (77,), "image": (3, 224, 224)})
    ('input 3×224×224', 'inputs ids 77, image 3×224×224')
    """
    if len(inputs) == 1:
        words = fmt_shape(*inputs.values())
        return f"input {words}" if with_name else words
    words = ", ".join([f"{name} {fmt_shape(shape)}" for name, shape in inputs.items()])
    return f"inputs {words}" if with_name else words


def _words(setting: Any) -> str:
    if isinstance(setting, dict):
        return ", ".join(f"{name}={value}" for name, value in setting.items()) or "none"
    return str(setting)

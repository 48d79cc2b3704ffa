"""PyTorch as a witness: the only part of archcalc that imports torch. Raises SettingError if it is missing."""

from archcalc.errors import SettingError

try:
    import torch  # noqa: F401  # whether it is there
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise SettingError("PyTorch is not installed", hint='pip install "archcalc[torch]"') from None

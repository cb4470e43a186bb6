"""A device that is not the CPU, on a machine that has none: tensors on it refuse what a GPU's do.

Within `other_device()`, tensors of the device `OTHER` compute with real numbers on the CPU, but
`.numpy()` of them, an operation with tensors of both devices and a CPU tensor indexed by them are
errors, as they are with CUDA. (PyTorch keeps the name of the device "meta" for tensors without
numbers; here they have some.)
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

OTHER = torch.device("meta")
aten = torch.ops.aten
_BETWEEN = {aten._to_copy.default, aten.copy_.default}  # may have tensors of both devices
_INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}


class _There(torch.Tensor):
    @staticmethod
    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=OTHER,
        )  # fmt: skip
        made.inner = inner
        return made

    def __repr__(self):
        return f"there({self.inner})"

    def tolist(self):
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _call(func, args, kwargs or {})


def _check(func, args, tensors):
    here = [t for t in tensors if not isinstance(t, _There) and t.dim() > 0]
    there = [t for t in tensors if isinstance(t, _There)]
    if func in _INDEXED:
        if not isinstance(args[0], _There) and there:
            raise RuntimeError("indices should be either on cpu or on the same device (cpu)")
        if func is not aten.index.Tensor and isinstance(args[0], _There):
            here = [args[2]] if not isinstance(args[2], _There) and args[2].dim() else []
        else:
            here = []
    if here and there and func not in _BETWEEN:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device")


def _call(func, args, kwargs):
    tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    _check(func, args, tensors)
    there = any(isinstance(t, _There) for t in tensors)
    if func is aten.copy_.default:
        there = isinstance(args[0], _There)
    inner_kwargs = dict(kwargs)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]) == OTHER
        inner_kwargs["device"] = torch.device("cpu")

    def strip(value):
        return value.inner if isinstance(value, _There) else value

    with torch._C._DisableTorchDispatch():
        found = func(*tree_map(strip, args), **tree_map(strip, inner_kwargs))
    if func is aten._to_copy.default and there is False and isinstance(args[0], _There):
        found = found.clone()
    if not there:
        return found
    wrapped = tree_map(lambda t: _There(t) if isinstance(t, torch.Tensor) else t, found)
    return return_and_correct_aliasing(func, args, kwargs, wrapped)


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _call(func, args, kwargs or {})


class _Made(TorchFunctionMode):
    """`torch.tensor(values, device=OTHER)` would forget the values."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func not in (torch.tensor, torch.as_tensor) or kwargs.get("device") is None:
            return func(*args, **kwargs)
        device = kwargs.pop("device")
        return func(*args, **kwargs).to(device)


@contextmanager
def other_device():
    """Tensors can be made on `OTHER` until the end of the block."""
    with _Made(), _Mode():
        yield OTHER

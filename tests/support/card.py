"""A graphics card for machines that have none: tensors on it refuse what those of CUDA refuse.

Within `card()`, `cuda` is a device like any other. Its tensors hold real numbers and compute on the
CPU, but `.numpy()` of them, operations with tensors of both devices, CPU generators and a tensor of
the CPU indexed by them are errors, as on a real card; so is what does not fit its memory. `waits`
has what made the host wait for the card, by name: numbers read from it, shapes that depend on its
values, and copies other than out of pinned memory.

(PyTorch's FakeTensorMode knows the same device without numbers. What it cannot show, and this
cannot either: how fast a card is, and how its kernels round.)
"""

import contextlib
import threading
import traceback
import weakref
from collections import Counter
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda:0")
GIB = 1 << 30
aten = torch.ops.aten
_COPIES = {aten._to_copy.default, aten.copy_.default}
_PUTS = {aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
_LOOKS = {  # kernels that wait for a number, or for the shape of what they make
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default,
    aten.equal.default, aten.is_nonzero.default, aten.bincount.default, aten._unique2.default,
    aten.unique_dim.default, aten._linalg_check_errors.default, aten.repeat_interleave.Tensor,
}  # fmt: skip


class _There(torch.Tensor):
    """A tensor on the card; its numbers are in `inner`."""

    @staticmethod
    def __new__(cls, inner, owner):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=CUDA,
        )  # fmt: skip
        made.inner, made.owner = inner, owner
        return made

    def __repr__(self):
        return f"there({self.inner})"

    def tolist(self):
        self.owner.wait("tolist")
        return self.inner.tolist()

    def __deepcopy__(self, memo):
        with torch.no_grad():
            made = self.detach().clone().requires_grad_(self.requires_grad)
        memo[id(self)] = made
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        tensors = tree_flatten((args, kwargs))[0]
        owner = next(t.owner for t in tensors if isinstance(t, _There))
        return owner.call(func, args, kwargs or {})


class Card:
    """Memory and waits of the card that stands for one.

    Attributes:
        total: bytes. name: as torch tells it. waits: how often the host waited, by what.
        where: a stack for each of these, when `traced`. doubles: whether it has float64; Apple's
        GPUs have none.
    """

    def __init__(self, total, name, doubles=True):
        self.total, self.name, self.doubles = total, name, doubles
        self.waits, self.where, self.traced = Counter(), [], False
        self.held = {}  # storage -> [bytes, tensors]
        self.pinned = {}  # storage -> a tensor of it, so that the address stays its own

    @property
    def allocated(self):
        """Bytes of the tensors that are there."""
        return sum(size for size, _ in self.held.values())

    @property
    def free(self):
        return self.total - self.allocated

    def wait(self, why):
        self.waits[why] += 1
        if self.traced:
            self.where.append((why, "".join(traceback.format_stack(limit=14)[:-2])))

    def put(self, inner):
        """Have a tensor there, whose memory counts until nothing on the card uses it."""
        if inner.dtype == torch.float64 and not self.doubles:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        storage = inner.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if address and address not in self.held:
            if size > self.free:
                raise torch.OutOfMemoryError(
                    f"CUDA out of memory. Tried to allocate {size} bytes of {self.free} free."
                )
            self.held[address] = [size, 0]
        made = _There(inner, self)
        if address:
            self.held[address][1] += 1
            weakref.finalize(made, self._dropped, address).atexit = False
        return made

    def _dropped(self, address):
        entry = self.held[address]
        entry[1] -= 1
        if not entry[1]:
            del self.held[address]

    def is_pinned(self, tensor):
        return tensor.untyped_storage().data_ptr() in self.pinned

    def _pin(self, tensor):
        self.pinned[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def call(self, func, args, kwargs):
        """Run an operator whose tensors may be here or there."""
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
        if func is aten._pin_memory.default:
            return self._pin(args[0].clone())
        if func is aten.is_pinned.default:
            return not isinstance(args[0], _There) and self.is_pinned(args[0])
        _check(func, args, kwargs, tensors)
        there = _lands(func, args, kwargs, tensors)
        self._count(func, args, kwargs, there)
        pin = kwargs.get("pin_memory") and not there
        found = _run(func, args, kwargs)
        if pin:
            return self._pin(found)
        if func in _COPIES and not there:
            return args[0] if func is aten.copy_.default else found
        if not there:
            return found
        wrapped = tree_map(lambda t: self.put(t) if isinstance(t, torch.Tensor) else t, found)
        return return_and_correct_aliasing(func, args, kwargs, wrapped)

    def _count(self, func, args, kwargs, there):
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
        from_card = any(isinstance(t, _There) for t in tensors)
        if func in _COPIES:
            source = args[1] if func is aten.copy_.default else args[0]
            if isinstance(source, _There) == there:
                return
            quick = kwargs.get("non_blocking") or (func is aten.copy_.default and len(args) > 2)
            if not there and not (quick and self.is_pinned(args[0])):
                self.wait("copy to the CPU")
            elif not there:
                return
            elif not (quick and self.is_pinned(source)):
                self.wait("copy to the card")
        elif from_card and func in _LOOKS:
            self.wait(func.overloadpacket.__name__)
        elif from_card and (func is aten.index.Tensor or func in _PUTS):
            for index in args[1]:
                if index is not None and index.dtype in (torch.bool, torch.uint8):
                    self.wait("index by booleans")
                elif index is not None and not isinstance(index, _There):
                    self.wait("index from the CPU")


def _lands(func, args, kwargs, tensors):
    """Whether the result of an operator is on the card."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"]).type == CUDA.type
    if func is aten._local_scalar_dense.default or func is aten.equal.default:
        return False
    if func is aten.copy_.default:
        return isinstance(args[0], _There)
    return any(isinstance(t, _There) for t in tensors)


def _check(func, args, kwargs, tensors):
    here = [t for t in tensors if not isinstance(t, _There) and t.dim() > 0]
    there = [t for t in tensors if isinstance(t, _There)]
    generator = kwargs.get("generator")
    if generator is not None and _lands(func, args, kwargs, tensors):
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if func is aten.index.Tensor or func in _PUTS:
        if not isinstance(args[0], _There) and there:
            raise RuntimeError("indices should be either on cpu or on the same device (cpu)")
        put = args[2] if func in _PUTS and isinstance(args[0], _There) else None
        here = [put] if put is not None and not isinstance(put, _There) and put.dim() else []
    if here and there and func not in _COPIES:
        raise RuntimeError(
            f"{func}: Expected all tensors to be on the same device, but found at least two devices"
        )


def _run(func, args, kwargs):
    given = dict(kwargs)
    if given.get("device") is not None and torch.device(given["device"]).type == CUDA.type:
        given["device"] = torch.device("cpu")
    given.pop("pin_memory", None)

    def strip(value):
        return value.inner if isinstance(value, _There) else value

    with torch._C._DisableTorchDispatch():
        found = func(*tree_map(strip, args), **tree_map(strip, given))
    source = args[0] if args else None
    if func is aten._to_copy.default and found is strip(source):
        return found.clone()
    return found


class _Mode(TorchDispatchMode):
    def __init__(self, owner):
        super().__init__()
        self.owner = owner

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.owner.call(func, args, kwargs or {})


class _Made(TorchFunctionMode):
    """`torch.tensor(values, device="cuda")` and `x[[0, 1]]` go past every other hook."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.__getitem__ and isinstance(args[1], list):
            return func(args[0], torch.tensor(args[1]).to(args[0].device))
        if func not in (torch.tensor, torch.as_tensor) or kwargs.get("device") is None:
            return func(*args, **kwargs)
        device = kwargs.pop("device")
        return func(*args, **kwargs).to(device)


class _Stream:
    def __init__(self, owner):
        self.owner = owner

    def synchronize(self):
        self.owner.wait("synchronize")


def _facts(owner):
    """What torch says of the card."""
    return {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "_lazy_init": lambda: None,
        "get_device_name": lambda device=None: owner.name,
        "mem_get_info": lambda device=None: (owner.free, owner.total),
        "memory_allocated": lambda device=None: owner.allocated,
        "memory_reserved": lambda device=None: owner.allocated,
        "get_rng_state": lambda device=None: torch.empty(0, dtype=torch.uint8),
        "set_rng_state": lambda state, device=None: None,
        "current_stream": lambda device=None: _Stream(owner),
        "is_bf16_supported": lambda including_emulation=True: True,
        "synchronize": lambda device=None: owner.wait("synchronize"),
        "empty_cache": lambda: None,
        "is_current_stream_capturing": lambda: False,
    }


@contextlib.contextmanager
def card(total=8 * GIB, name="Card of the tests", doubles=True):
    """`cuda` is there until the end of the block, in every thread that begins in it."""
    torch._C._ensureCUDADeviceGuardSet()
    owner, run = Card(total, name, doubles), threading.Thread.run

    def in_thread(thread):
        with _Made(), _Mode(owner):
            run(thread)

    with contextlib.ExitStack() as stack:
        for attribute, fact in _facts(owner).items():
            stack.enter_context(mock.patch.object(torch.cuda, attribute, fact))
        # A module's parameters become tensors of the card, rather than keep their own class.
        overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrite)
        stack.enter_context(mock.patch.object(threading.Thread, "run", in_thread))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))  # kernels of its own
        stack.enter_context(_Made())
        stack.enter_context(_Mode(owner))
        yield owner

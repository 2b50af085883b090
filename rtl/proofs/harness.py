"""What every proof is made of: a harness around real components, claims, and a fault for each."""

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import (
    Assert,
    Assume,
    Elaboratable,
    Fragment,
    Module,
    ResetSignal,
    Signal,
    Value,
)

__all__ = ["Claim", "Fault", "Harness", "Inside", "Proof", "held", "past"]


@dataclass(frozen=True)
class Fault:
    """A bug for a claim to find: one edit of the source of a component.

    Parameters
    ----------
    function : function
        Usually an ``elaborate``; any function of a module of :mod:`popflip.rtl`.
    old, new : str
        The text to replace, which stands in the function's source exactly once, and its
        replacement.
    depth : int
        Cycles within which it shows.
    cut : tuple of str
        Submodules of the component ``dut`` whose outputs may be anything meanwhile, so that it
        shows sooner.
    slow : bool
        It takes more than a few seconds to find.
    """

    function: Callable
    old: str
    new: str
    depth: int = 12
    cut: tuple[str, ...] = ()
    slow: bool = False

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Have the fault in the component meanwhile.

        Raises
        ------
        ValueError
            If the text is not there, or more than once: the component has changed.
        """
        source = textwrap.dedent(inspect.getsource(self.function))
        if (count := source.count(self.old)) != 1:
            raise ValueError(
                f"{self.old!r} must stand once in {self.function.__qualname__}, not {count} times"
            )
        namespace: dict[str, Any] = {}
        code = compile(source.replace(self.old, self.new), "<fault>", "exec")
        exec(code, self.function.__globals__, namespace)
        *path, name = self.function.__qualname__.split(".")
        owner: Any = sys.modules[self.function.__module__]
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, namespace[name])
        try:
            yield
        finally:
            setattr(owner, name, self.function)

    def __str__(self):
        def line(text):
            return " ".join(text.split())

        return f"{self.function.__qualname__}: {line(self.old)} -> {line(self.new)}"


@dataclass(frozen=True)
class Claim:
    """What a proof shows, and the fault that it does not survive.

    Parameters
    ----------
    says : str
        The claim, in a sentence.
    fault : Fault
    """

    says: str
    fault: Fault


class Inside:
    """An elaborated component whose registers and wires a harness may look at.

    Parameters
    ----------
    component : amaranth.hdl.Elaboratable
    """

    def __init__(self, component: Elaboratable):
        self._locals: dict[int, dict[str, Any]] = {}
        # The names that the source has for its signals are those of local variables: keep them.
        before = sys.getprofile()
        sys.setprofile(self._watch)
        try:
            self.fragment = Fragment.get(component, None)
        finally:
            sys.setprofile(before)

    def _watch(self, frame, event, _):
        if event == "return" and frame.f_code.co_name == "elaborate" and "self" in frame.f_locals:
            self._locals[id(frame.f_locals["self"])] = dict(frame.f_locals)

    def __getitem__(self, path: str) -> Any:
        """Return what a local variable of ``elaborate`` is; ``"part.name"`` of a submodule.

        Or a submodule itself, by its name.

        A port has the name of its member, and a signal that no variable is left of its own.

        Raises
        ------
        KeyError
            If there is none, or more than one of such a signal.
        """
        *parts, name = path.split(".")
        fragment = self.fragment
        for part in parts:
            fragment = fragment.find_subfragment(part)
        component = fragment.origins[0]
        if name in (names := self._locals.get(id(component), {})):
            return names[name]
        if hasattr(component, name):
            return getattr(component, name)
        parts_within = [part for part, called, _ in fragment.subfragments if called == name]
        if parts_within:
            return parts_within[0].origins[0]
        found = {id(s): s for s in _driven(fragment) if s.name == name}
        if len(found) != 1:
            raise KeyError(f"{len(found)} signals are called {path}")
        return next(iter(found.values()))

    def state(self, path: str, fsm: str = "fsm") -> Value:
        """Whether a state machine is in a state."""
        *parts, name = path.split(".")
        encoding = self.fragment.find_generated(*parts, fsm).encoding
        return self[".".join([*parts, f"{fsm}_state"])] == encoding[name]

    def legal(self, path: str = "fsm") -> Value:
        """Whether a state machine is in any of its states."""
        *parts, fsm = path.split(".")
        encoding = self.fragment.find_generated(*parts, fsm).encoding
        return self[".".join([*parts, f"{fsm}_state"])] < len(encoding)

    def states(self, fsm: str = "fsm") -> list[str]:
        """Names of the states of a state machine; ``"part.fsm"`` of a submodule."""
        return list(self.fragment.find_generated(*fsm.split(".")).encoding)

    def begin(self, register: Signal, value: int) -> None:
        """Have a register begin with another value than its own."""
        register._init = value

    def registers(self) -> list[Signal]:
        """All registers, in an order that is the same for equal components."""

        def walk(fragment):
            yield from _driven(fragment, registers=True)
            for part, _, _ in fragment.subfragments:
                yield from walk(part)

        return list(walk(self.fragment))


def _driven(fragment, *, registers=False):
    for domain, statements in fragment.statements.items():
        if domain == "comb" and registers:
            continue
        for statement in statements:
            yield from statement._lhs_signals()


class Harness(Elaboratable):
    """A component in an environment that may do whatever is not assumed away.

    A subclass builds it in :meth:`body`, from parts that it looks into with :class:`Inside`.

    Attributes
    ----------
    only : str or None
        The one claim to assert, without any lemma; else all of both.
    """

    def __init__(self):
        self.only: str | None = None
        self.free: list[Signal] = []
        self.claimed: dict[str, list[Value]] = {}
        self.lemmas: list[Value] = []
        self.assumed: list[Value] = []

    def body(self, m: Module) -> None:
        """Build the environment, and call :meth:`claim`, :meth:`lemma` and :meth:`assume`."""
        raise NotImplementedError

    def any(self, shape, name: str) -> Any:
        """Return a signal that takes any value in each cycle."""
        signal = Signal(shape, name=name)
        self.free.append(Value.cast(signal))
        return signal

    def constant(self, m: Module, shape, name: str) -> Any:
        """Return a signal that takes any value, and keeps it."""
        signal, later = self.any(shape, name), Signal()
        m.d.sync += later.eq(1)
        self.stays(m, signal, later, name)
        return signal

    def stays(self, m: Module, value, when, name: str) -> None:
        """Assume that a value is what it was a cycle ago, whenever a condition holds."""
        value = Value.cast(value)
        self.assume(~when | (value == past(m, value, 1, name)))

    def claim(self, name: str, condition) -> None:
        """Claim that a condition holds in every cycle."""
        self.claimed.setdefault(name, []).append(condition)

    def lemma(self, condition) -> None:
        """Have a condition proven too, for the induction to stand on."""
        self.lemmas.append(condition)

    def assume(self, condition) -> None:
        """Leave aside what the environment does not do."""
        self.assumed.append(condition)

    def elaborate(self, platform):
        m = Module()
        self.body(m)
        asserted = {name: c for name, c in self.claimed.items() if self.only in (None, name)}
        if self.only is None:
            asserted["lemma"] = self.lemmas
        for name, conditions in asserted.items():
            for number, condition in enumerate(conditions):
                # A wire of that name, to be seen in the waveforms of a counterexample.
                holds = Signal(name=f"{name}_{number}_holds")
                m.d.comb += [holds.eq(condition), Assert(holds)]
        m.d.comb += [Assume(condition) for condition in self.assumed]
        m.d.comb += Assume(~ResetSignal("sync"))
        return m


def held(m: Module, valid: Value, ready: Value, payload) -> Value:
    """Whether a word that was offered and not taken a cycle ago is offered again, unchanged."""
    payload = Value.cast(payload)
    stalled, before = Signal(), Signal(len(payload))
    m.d.sync += [stalled.eq(valid & ~ready), before.eq(payload)]
    return ~stalled | (valid & (payload == before))


def past(m: Module, value, cycles: int, name: str) -> Value:
    """What a value was some cycles ago; 0 before the start."""
    for cycle in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{cycle + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value


@dataclass(frozen=True)
class Proof:
    """Claims about one subject that are proven in one go.

    Parameters
    ----------
    name : str
        Short, to call it by.
    module : str
        Of :mod:`popflip.rtl`, whose code is proven.
    size : str
        With which parameters.
    harness : callable
        Returns a new :class:`Harness`.
    claims : dict of str to Claim
        Exactly those that the harness makes.
    depth : int
        Cycles from the start that are checked, and that the induction stands on.
    inductive : bool
        Whether it holds for ever; else for ``depth`` cycles from the start.
    cut : tuple of str
        Submodules of the component ``dut`` whose outputs may be anything.
    slow : bool
        It takes more than a few seconds.
    """

    name: str
    module: str
    size: str
    harness: Callable[[], Harness]
    claims: dict[str, Claim]
    depth: int = 2
    inductive: bool = True
    cut: tuple[str, ...] = ()
    slow: bool = False

    @property
    def engine(self) -> str:
        """How it is proven."""
        return "induction" if self.inductive else "bounded"

    def rtlil(self, claim: str | None = None) -> str:
        """Return the harness in yosys's language.

        Parameters
        ----------
        claim : str, optional
            Assert only this claim, of a component that has its fault.

        Raises
        ------
        ValueError
            If the harness makes other claims than these, or a fault cannot be seeded.
        """
        harness = self.harness()
        harness.only = claim
        if claim is None:
            fragment = Fragment.get(harness, None)
        else:
            with self.claims[claim].fault.seeded():
                fragment = Fragment.get(harness, None)
        if set(harness.claimed) != set(self.claims):
            raise ValueError(f"{self.name} claims {sorted(harness.claimed)}")
        return rtlil.convert(fragment, ports=harness.free, name="top", emit_src=False)

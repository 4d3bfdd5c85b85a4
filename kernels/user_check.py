"""What of a user's kernel is outside the portable subset, with its line and column.

Cython's own parser reads the file; what it finds of Python (objects, exceptions, the heap) or of C
that does not give the same bits everywhere (double, libm) is a fault. What only shows in the
types, Cython says itself when it compiles the file, and the C is looked through once more
(user_source.py).
"""

import re
from importlib import import_module
from typing import Any, NamedTuple

# Nodes of Cython's tree that a portable function cannot hold, and what to do instead.
_NODES = {
    "DefNode": "a Python function: write `cdef ... noexcept nogil`",
    "PyClassDefNode": "a class: write a `cdef struct`",
    "CClassDefNode": "a class: write a `cdef struct`",
    "FromImportStatNode": "an import: only `cimport` of libc.stdint is portable",
    "ImportNode": "an import: only `cimport` of libc.stdint is portable",
    "RaiseStatNode": "an exception: give a number that says it, NaN perhaps",
    "TryExceptStatNode": "an exception",
    "TryFinallyStatNode": "an exception",
    "AssertStatNode": "an exception: give NaN",
    "WithStatNode": "`with` needs Python objects",
    "GILStatNode": "the GIL is not held, and there is none on a board",
    "PrintStatNode": "printing needs Python",
    "DelStatNode": "`del` needs Python objects",
    "YieldExprNode": "a generator",
    "LambdaNode": "a lambda: write a function",
    "ListNode": "a list: use a C array, `cdef float a[16]`",
    "ListComprehensionNode": "a list: use a C array",
    "ComprehensionNode": "a comprehension: write the loop",
    "GeneratorExpressionNode": "a generator: write the loop",
    "DictNode": "a dict needs Python objects",
    "SetNode": "a set needs Python objects",
    "UnicodeNode": "a string needs Python objects",
    "BytesNode": "a string needs Python objects",
    "JoinedStrNode": "a string needs Python objects",
    "PowNode": "`**` calls libm: multiply",
    "SliceIndexNode": "a slice: pass a pointer and a length",
    "GlobalNode": "a global: a board keeps no state there",
}
_TYPES = {
    "double": "double is not portable: Cortex-M has it in software; use float",
    "object": "a Python object",
    "int": "its size differs between machines: use int32_t or size_t",
    "long": "its size differs between machines: use int32_t or size_t",
    "list": "a Python object",
    "dict": "a Python object",
    "str": "a Python object",
    "bytes": "a Python object",
}
_GLOBAL = re.compile(r"^cdef (?!enum\b|struct\b|union\b|extern\b|inline\b)[^(\n]*$", re.MULTILINE)
_CALLS = frozenset({"sqrtf", "memcpy", "memmove", "memset", "range", "sizeof", "min", "max", "abs"})
_CIMPORTS = frozenset({"libc.stdint", "libc.math", "libc.string"})
_FROM_MATH = frozenset({"sqrtf"})


class Fault(NamedTuple):
    """One thing outside the subset: line from 1, column from 0."""

    line: int
    column: int
    reason: str

    def shown(self, path: str, source: str) -> str:
        """`file:line: reason`, the line itself, and a caret."""
        lines = source.split("\n")
        text = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        return f"{path}:{self.line}: {self.reason}\n    {text}\n    {' ' * self.column}^"


def faults(source: str, name: str) -> list[Fault]:
    """What is outside the subset, in the order of the file."""
    tree, found = _tree(source, name)
    if tree is None:
        return found
    walk = _Walk(_functions(source))
    walk.visit(tree, False)
    for variable in _GLOBAL.finditer(source):
        line = source.count("\n", 0, variable.start()) + 1
        found.append(Fault(line, 0, "a global: a board keeps no state there"))
    return sorted(set(found + walk.found))


def _functions(source: str) -> frozenset[str]:
    names = re.findall(r"^cdef (?:inline )?[\w *]+?\b(\w+)\(", source, re.MULTILINE)
    return frozenset(names)


def _tree(source: str, name: str) -> tuple[Any, list[Fault]]:
    """Cython's tree of the file; where it cannot be read, why."""
    fragment = import_module("Cython.Compiler.TreeFragment")
    errors = import_module("Cython.Compiler.Errors")
    errors.init_thread()
    held = errors.hold_errors()
    try:
        tree = fragment.parse_from_strings(name, source)
    except errors.CompileError as error:
        position = error.position or (None, 1, 0)
        return None, [Fault(position[1], position[2], error.message_only)]
    finally:
        errors.release_errors(ignore=True)
    found = [Fault(e.position[1], e.position[2], e.message_only) for e in held if e.position]
    return (None if found else tree), found


class _Walk:
    """Goes through a tree of Cython; its nodes are known by the names of their classes."""

    def __init__(self, functions: frozenset[str]) -> None:
        self.functions = functions
        self.found: list[Fault] = []

    def say(self, node: Any, reason: str) -> None:
        self.found.append(Fault(node.pos[1], node.pos[2], reason))

    def visit(self, node: Any, cast: bool) -> None:
        """cast: whether a `<float>` stands right before this node."""
        kind = type(node).__name__
        if kind in _NODES:
            self.say(node, _NODES[kind])
            return  # what is inside would only repeat it
        if kind == "CEnumDefNode":
            return  # names of integers; Cython gives them the type int
        check = getattr(self, f"_{kind}", None)
        if check is not None:
            check(node, cast)
        inner = kind == "TypecastNode"
        for attribute in node.child_attrs or ():
            child = getattr(node, attribute)
            for each in child if isinstance(child, list) else (child,):
                if hasattr(each, "child_attrs") and not self._is_doc(node, each):
                    self.visit(each, inner)

    @staticmethod
    def _is_doc(node: Any, child: Any) -> bool:
        """Docstrings of the file and of functions are welcome."""
        text = getattr(child, "expr", None)
        return type(child).__name__ == "ExprStatNode" and type(text).__name__ in (
            "UnicodeNode",
            "BytesNode",
        )

    def _FloatNode(self, node: Any, cast: bool) -> None:
        if not cast:
            self.say(node, f"{node.value} is a double: write <float>{node.value}")

    def _CSimpleBaseTypeNode(self, node: Any, cast: bool) -> None:
        if node.name in _TYPES:
            self.say(node, _TYPES[node.name])

    def _MemoryViewSliceTypeNode(self, node: Any, cast: bool) -> None:
        self.say(node, "a memoryview: pass a pointer and a length")

    def _CFuncDefNode(self, node: Any, cast: bool) -> None:
        declarator = node.declarator
        if not getattr(declarator, "nogil", False):
            self.say(node, "the function needs `noexcept nogil` at its end")
        elif getattr(declarator, "exception_check", False) not in (False, 0, None):
            self.say(node, "the function needs `noexcept` before `nogil`")
        if type(node.base_type).__name__ == "CSimpleBaseTypeNode" and node.base_type.name is None:
            self.say(node, "the function needs a C type")

    def _CImportStatNode(self, node: Any, cast: bool) -> None:
        self.say(node, "write `from libc.stdint cimport ...`")

    def _FromCImportStatNode(self, node: Any, cast: bool) -> None:
        if node.module_name not in _CIMPORTS:
            self.say(node, f"{node.module_name} is not portable")
        elif node.module_name == "libc.math":
            for _, imported, *_ in node.imported_names:
                if imported not in _FROM_MATH:
                    self.say(
                        node, f"{imported} is of libm, whose results differ: only sqrtf is not"
                    )

    def _SimpleCallNode(self, node: Any, cast: bool) -> None:
        name = getattr(node.function, "name", None)
        if name is None or (name not in self.functions and name not in _CALLS):
            self.say(node, f"{name or 'this'} is no function of this file")

"""Reads XTuner's Python configs from their syntax tree: nothing in the file is ever executed."""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

from weitiao.errors import UserError
from weitiao.talk import problem_of, t

# Far above any real config; below what a hostile one needs to fill the memory.
_BYTES, _NODES, _DEPTH, _TEXT, _NUMBER = 1 << 18, 50_000, 100, 1 << 16, 1 << 53


@dataclass(frozen=True)
class Name:
    """A dotted name that the file imports; what it stands for is never looked up."""

    path: str


@dataclass(frozen=True)
class Opaque:
    """An expression that only running the file would tell."""

    source: str


Value = None | bool | int | float | str | Name | Opaque | list["Node"] | dict[str, "Node"]


@dataclass(frozen=True, eq=False)
class Node:
    """A value, the line and the name it was written under, of how many values it is made, and how deep."""

    value: Value
    line: int
    name: str = ""
    size: int = 1
    depth: int = 1

    def at(self, path: str) -> "Node | None":
        """Return the node at `key.key.key` below this one."""
        here: Node | None = self
        for key in path.split("."):
            here = here.value.get(key) if here is not None and isinstance(here.value, dict) else None
        return here

    def items(self) -> "list[Node]":
        """Return the nodes of a list, or this one alone."""
        return self.value if isinstance(self.value, list) else [self]

    def word(self) -> str:
        """Return the last part of a dotted name, written as a name or, as mmengine dumps it, as a text; else ""."""
        text = self.value.path if isinstance(self.value, Name) else self.value
        return text.rsplit(".", 1)[-1] if isinstance(text, str) else ""

    def plain(self) -> object:
        """Return the value without lines; names and what only running would tell become None."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return None if isinstance(self.value, Name | Opaque) else self.value

    def shown(self) -> str:
        """Return the value in a few characters."""
        if isinstance(self.value, Name):
            text = self.value.path.rsplit(".", 1)[-1]
        elif isinstance(self.value, Opaque):
            text = self.value.source
        else:
            text = repr(self.plain())
        return text if len(text) <= 60 else text[:59] + "…"


@dataclass
class Config:
    """The top-level names of a config, and the statements that were passed over, by line."""

    path: Path
    names: dict[str, Node] = field(default_factory=dict)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    imports: bool = False  # a config that mmengine has dumped has none

    def at(self, path: str) -> Node | None:
        """Return the node at `name.key.key`."""
        name, _, rest = path.partition(".")
        node = self.names.get(name)
        return node.at(rest) if node is not None and rest else node


def read(path: Path) -> Config:
    """Read a config; raises UserError with `file:line` for what is no Python and for what is too large."""
    config = Config(path)
    try:
        tree = _parse(path)
        _Reader(config, {}).run(tree.body)
    except (RecursionError, MemoryError):  # the parser's stack is full
        raise UserError(t("{place}: it is nested too deep to be a config", place=path)) from None
    return config


def _parse(path: Path) -> ast.Module:
    try:
        text = path.read_bytes()
        if len(text) > _BYTES:
            raise UserError(t("{place}: it is too large to be a config", place=path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(text)
    except OSError as error:
        raise UserError(t("Cannot read {path}: {error}", path=path, error=problem_of(error))) from None
    except SyntaxError as error:
        place = f"{path}:{error.lineno or 1}"
        raise UserError(t("{place}: not Python: {problem}", place=place, problem=error.msg)) from None
    except ValueError as error:  # a zero byte
        raise UserError(t("{place}: not Python: {problem}", place=path, problem=error)) from None


_Pair = tuple[ast.expr | None, ast.expr]

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@dataclass
class _Reader:
    """Goes through the statements in order; `imported` says what imported names stand for."""

    config: Config
    imported: dict[str, str]

    def run(self, statements: Sequence[ast.stmt]) -> None:
        """Read statements; those that are more than an assignment are noted, by line."""
        for statement in statements:
            match statement:
                case ast.Assign(targets=targets, value=value):
                    node = self.node(value)
                    for target in targets:
                        self.assign(target, node, statement)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self.assign(target, self.node(value), statement)
                case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                    left = ast.copy_location(ast.Name(name, ast.Load()), statement)
                    both = ast.copy_location(ast.BinOp(left, op, value), statement)
                    self.assign(target, self.node(both), statement)
                case ast.Import() | ast.ImportFrom():
                    self.take_names(statement)
                case ast.If(test=test, body=body, orelse=orelse):
                    known = self.node(test).value
                    if isinstance(known, Name | Opaque):
                        self.skip(statement)
                    else:
                        self.run(body if known else orelse)
                case ast.Expr(value=ast.Constant()) | ast.Pass():
                    pass
                case _:
                    self.skip(statement)

    def skip(self, statement: ast.stmt) -> None:
        """Note a statement that is not read."""
        self.config.skipped.append((statement.lineno, _source(statement)))
        self.use(statement)

    def use(self, tree: ast.AST) -> None:
        """Note that the names in `tree` are used there."""
        self.config.used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}

    def assign(self, target: ast.expr, node: Node, statement: ast.stmt) -> None:
        """Bind a name, or several; what is bound inside another value is noted, not read."""
        if isinstance(target, ast.Name):
            self.imported.pop(target.id, None)
            self.config.names[target.id] = node if node.name else replace(node, name=target.id)
        elif isinstance(target, ast.Tuple) and isinstance(node.value, list) and len(target.elts) == len(node.value):
            for one, value in zip(target.elts, node.value, strict=True):
                self.assign(one, value, statement)
        else:
            self.skip(statement)

    def take_names(self, statement: ast.Import | ast.ImportFrom) -> None:
        """Note what the names of an import stand for."""
        self.config.imports = True
        module = f"{statement.module or ''}." if isinstance(statement, ast.ImportFrom) else ""
        for alias in statement.names:
            if alias.name == "*":
                self.skip(statement)
                continue
            whole = module or alias.asname
            bound = alias.asname or (alias.name if module else alias.name.partition(".")[0])
            self.config.names.pop(bound, None)
            self.imported[bound] = f"{module}{alias.name}" if whole else bound

    def node(self, expression: ast.expr) -> Node:
        """Return the value of an expression as far as it can be told without running it."""
        value = self.value(expression)
        if isinstance(value, Node):
            return value
        if value is None and not (isinstance(expression, ast.Constant) and expression.value is None):
            self.use(expression)
            value = Opaque(_source(expression))
        inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        size, depth = 1 + sum(item.size for item in inner), 1 + max((item.depth for item in inner), default=0)
        if size > _NODES or depth > _DEPTH:
            place = f"{self.config.path}:{expression.lineno}"
            raise UserError(t("{place}: it is too large to be a config", place=place))
        return Node(value, expression.lineno, size=size, depth=depth)

    def value(self, expression: ast.expr) -> "Value | Node":
        """Return the bare value of an expression, the node that a name already has, or None if it cannot be told."""
        match expression:
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return _safe(constant)
            case ast.Name(id=name):
                self.config.used.add(name)
                known = self.config.names.get(name)
                return known or (Name(self.imported[name]) if name in self.imported else Opaque(name))
            case ast.Attribute(value=inner, attr=key):
                base = self.node(inner)
                return Name(f"{base.value.path}.{key}") if isinstance(base.value, Name) else base.at(key)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self.sequence(items)
            case ast.Dict(keys=keys, values=values):
                return self.mapping(list(zip(keys, values, strict=True)))
            case ast.Subscript(value=inner, slice=key):
                return _item(self.node(inner).value, self.node(key).value)
            case ast.UnaryOp() | ast.BinOp():
                return self.computed(expression)
        return self.made(expression)

    def computed(self, expression: ast.UnaryOp | ast.BinOp) -> Value:
        """Return a sum, product, negation and the like of what is known."""
        if isinstance(expression, ast.BinOp):
            return _computed(self.node(expression.left).value, expression.op, self.node(expression.right).value)
        operand = self.node(expression.operand).value
        if isinstance(expression.op, ast.Not) and not isinstance(operand, Name | Opaque):
            return not operand
        return -operand if isinstance(expression.op, ast.USub) and _is_number(operand) else None

    def made(self, expression: ast.expr) -> "Value | Node":
        """Return what the few calls that are known make: dict(…), a path joined, a text filled in."""
        match expression:
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
                return self.mapping([(ast.copy_location(ast.Constant(k.arg), k) if k.arg else None, k.value)
                                     for k in keywords])  # fmt: skip
            case ast.Call(func=function, args=[_, *_] as parts, keywords=[]):
                return self.joined(parts, "/") if self.node(function).word() == "join" else None
            case ast.JoinedStr(values=pieces):
                return self.joined(pieces, "")
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                return self.node(inner)
        return None

    def sequence(self, items: Sequence[ast.expr]) -> Value:
        """Return a list; one that is unpacked into it is taken in."""
        found: list[Node] = []
        for item in items:
            if isinstance(item, ast.Starred):
                inner = self.node(item.value).value
                if not isinstance(inner, list) or len(found) > _NODES:
                    return None
                found += inner
            else:
                found.append(self.node(item))
        return found

    def mapping(self, pairs: Sequence[_Pair]) -> Value:
        """Return a dict; one that is unpacked into it is taken in."""
        found: dict[str, Node] = {}
        for key, value in pairs:
            node = self.node(value)
            if key is None:
                if not isinstance(node.value, dict):
                    return None
                found |= node.value
                continue
            name = self.node(key).value
            if not isinstance(name, str):
                return None
            found[name] = node if node.name else replace(node, name=name)
        return found

    def joined(self, parts: Sequence[ast.expr], between: str) -> Value:
        """Return texts and numbers as one text."""
        found = ""
        for part in parts:
            text = self.node(part).value
            if len(found) > _TEXT or not (isinstance(text, str) or _is_number(text)):
                return None
            found += f"{between if found else ''}{text}"
        return _safe(found)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _safe(value: bool | int | float | str) -> Value:
    """Return a number or text, or None for one that no recipe can hold."""
    if isinstance(value, str):
        return value if len(value) <= _TEXT and not any("\ud800" <= letter <= "\udfff" for letter in value) else None
    return value if math.isfinite(value) and abs(value) < _NUMBER else None


def _computed(left: Value, op: ast.operator, right: Value) -> Value:
    if isinstance(op, ast.Add) and isinstance(left, list) and isinstance(right, list):
        return left + right
    if isinstance(op, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return _safe(left + right)
    compute = _OPERATORS.get(type(op))
    if compute is None or not _is_number(left) or not _is_number(right):
        return None
    try:
        return _safe(compute(left, right))
    except ArithmeticError:
        return None


def _item(holder: Value, key: Value) -> "Node | None":
    if isinstance(holder, dict) and isinstance(key, str):
        return holder.get(key)
    if isinstance(holder, list) and isinstance(key, int) and -len(holder) <= key < len(holder):
        return holder[key]
    return None


def _source(tree: ast.AST) -> str:
    """Return a statement in one short line."""
    text = " ".join(ast.unparse(tree).split())
    return text if len(text) <= 60 else text[:59] + "…"

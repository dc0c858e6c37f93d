"""Which `.sql` files a piece of code can come to run, found by following its names.

A name leads to what it means in its module or was imported from. A method counts once its class and
an attribute of its name are reached, whatever the object: rather too many statements than too few.
"""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
# The outbox is reached from the connection that every function has, but only what records events
# gives it any.
ONLY_WITH = {"_publish": "connection.record"}


class Place(NamedTuple):
    """A name of a module."""

    module: Path
    name: str


class Module(NamedTuple):
    """What a module defines, and what it imports from our own code."""

    defined: dict[str, ast.stmt]
    imported: dict[str, Place]


def statements_of(*starts: Place) -> set[Path]:
    """The statements that these can run."""
    search = Search()
    for start in starts:
        search.visit(start)
    search.settle()
    return search.found


def definitions(module: Path) -> list[Place]:
    """Everything that a module defines."""
    return [Place(module, name) for name in parsed(module).defined]


class Search:
    """What is reached so far."""

    def __init__(self) -> None:
        self.found: set[Path] = set()
        self._visited: set[Place] = set()
        self._attributes: set[str] = set()
        self._methods: list[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]] = []

    def visit(self, place: Place) -> None:
        """Reach a name, and what it uses."""
        if place in self._visited:
            return
        self._visited.add(place)
        module = parsed(place.module)
        if place.name in module.imported:
            self.visit(module.imported[place.name])
        node = module.defined.get(place.name)
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    self._methods.append((place.module, member))
                else:
                    self._walk(place.module, member)
        elif node is not None:
            self._walk(place.module, node)

    def settle(self) -> None:
        """Reach the methods whose names were used, until there is no further one."""
        while used := [found for found in self._methods if self._is_used(found[1].name)]:
            self._methods = [found for found in self._methods if found not in used]
            for module, method in used:
                self._walk(module, method)

    def _is_used(self, name: str) -> bool:
        needs = ONLY_WITH.get(name)
        used = name in self._attributes or name.startswith("__")
        return used and (needs is None or needs in self._attributes)

    def _walk(self, module: Path, node: ast.AST) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                self.visit(Place(module, part.id))
            if isinstance(part, ast.Attribute):
                self._attributes.add(part.attr)
                if isinstance(part.value, ast.Name):
                    self._attributes.add(f"{part.value.id}.{part.attr}")
                    self._visit_member(module, part.value.id, part.attr)
            match part:
                case ast.Call(func=ast.Name("statement"), args=[_, ast.Constant(str(name))]):
                    self.found.add(module.with_name(name))

    def _visit_member(self, module: Path, owner: str, name: str) -> None:
        imported = parsed(module).imported.get(owner)
        if imported is not None and (path := source_of(imported.module, imported.name)):
            self.visit(Place(path, name))


@cache
def parsed(module: Path) -> Module:
    """Read a module."""
    found = Module({}, {})
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (path := module_path(node.module or "")):
            for alias in node.names:
                found.imported[alias.asname or alias.name] = Place(path, alias.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (part for target in targets for part in ast.walk(target)):
                if isinstance(name, ast.Name):
                    found.defined[name.id] = node
    return found


def module_path(dotted: str) -> Path | None:
    """The file of one of our modules."""
    base = ROOT / "shared" / Path(*dotted.split("."))
    candidates = base.with_suffix(".py"), base / "__init__.py"
    return next((path for path in candidates if dotted and path.is_file()), None)


def source_of(package: Path, name: str) -> Path | None:
    """The file of a module that was imported from its package."""
    candidates = package.with_name(f"{name}.py"), package.parent / name / "__init__.py"
    is_package = package.stem == "__init__"
    return next((path for path in candidates if is_package and path.is_file()), None)

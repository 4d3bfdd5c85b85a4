"""Documents against the tree: versions, links, Makefile targets; and nothing of one machine."""

import re
import tomllib
from importlib import metadata

from packaging.version import Version

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Places and package indexes of one machine, which mean nothing on another.
LOCAL = re.compile(
    r"(?<![\w.>])/(?:work|root|Users|home/(?!pi\b)\w+)/|--(?:extra-)?index-url|--find-links"
    r"|--trusted-host"
)
TEXT = {".py", ".pyx", ".pxi", ".pxd", ".pyi", ".h", ".c", ".md", ".toml", ".in", ".svg", ".cddl"}


def text_files(tree):
    return [
        path
        for path in tree.files
        if path.suffix in TEXT or path.name in {"Makefile", "setup", "check", "run"}
    ]


def documents(tree):
    return [path for path in tree.files if path.suffix == ".md"]


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}


def test_version_is_said_once(tree):
    version = tomllib.loads((tree.root / "pyproject.toml").read_text())["project"]["version"]
    assert metadata.version("atoll") == version
    changes = (tree.root / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[([^\]]+)\]", changes, re.MULTILINE)
    assert headings[0] in {"Unreleased", version}
    released = [Version(name) for name in headings if name != "Unreleased"]
    assert released == sorted(released, reverse=True)
    assert all(name <= Version(version) for name in released)


def test_links_resolve(tree):
    broken = []
    for path in documents(tree):
        text = FENCE.sub("", (tree.root / path).read_text())
        for match in LINK.finditer(text):
            target, _, anchor = (match[1] or match[2]).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            page = (tree.root / path.parent / target) if target else tree.root / path
            if not page.exists():
                broken.append(f"{path}: {target} does not exist")
            elif anchor and page.suffix == ".md" and anchor not in anchors(page.read_text()):
                broken.append(f"{path}: {target} has no heading #{anchor}")
    assert not broken, "\n".join(broken)


def test_every_document_is_in_the_index(tree):
    index = (tree.root / "docs" / "index.md").read_text()
    pages = [path for path in documents(tree) if path.parts[0] == "docs"]
    missing = [path.name for path in pages if path.name not in {"index.md"} | set(links(index))]
    assert not missing, f"docs/index.md does not name {', '.join(missing)}"


def links(text):
    return [match[1].partition("#")[0] for match in LINK.finditer(text) if match[1]]


def test_make_targets_in_documents_exist(tree):
    makefile = (tree.root / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    missing = []
    for path in documents(tree):
        text = (tree.root / path).read_text()
        # In code only: a line of prose may begin with the same word.
        words = re.findall(r"(?:`|^ {4}|&& )make ([a-z][a-z-]*)", text, re.MULTILINE)
        for block in FENCE.findall(text):
            words += re.findall(r"^make ([a-z][a-z-]*)", block, re.MULTILINE)
        missing += [f"{path}: make {word}" for word in words if word not in targets]
    assert not missing, "\n".join(missing)


def test_every_target_has_a_line_of_help(tree):
    makefile = (tree.root / "Makefile").read_text()
    silent = re.findall(r"^([a-z-]+):(?!.*## )", makefile, re.MULTILINE)
    assert not silent


def test_nothing_names_one_machine(tree):
    this = "tests/house/test_papers.py"
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path in text_files(tree)
        if str(path) != this
        for number, line in enumerate((tree.root / path).read_text().splitlines(), 1)
        if LOCAL.search(line)
    ]
    assert not found, "\n".join(found)

"""What the pages of the repository say: their list, their blocks of code, the commands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SKIPPED = {'.venv', 'data', 'work_dirs', 'node_modules'}
_SHELLS = ('bash', 'shell', 'sh')
PAGES = [path for path in sorted(ROOT.rglob('*.md')) if not _SKIPPED & set(path.relative_to(ROOT).parts[:1])]


@dataclass(frozen=True)
class Block:
    """One fenced block: its language and its text."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is, where its first line is a comment with a path."""
        found = re.match(r'# ([\w./-]+\.(?:py|yaml))\n', self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Lines of a shell block, continuation lines joined, comments removed."""
        lines = self.text.replace('\\\n', ' ').splitlines() if self.language in _SHELLS else []
        return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    return [Block(*found) for found in re.findall(r'^```(\w+)\n(.*?)^```', page.read_text(), re.S | re.M)]


def commands(page: Path) -> list[str]:
    """All shell commands of a page."""
    return [command for block in blocks(page) for command in block.commands]


def page_name(page: Path) -> str:
    """A page's path from the root."""
    return page.relative_to(ROOT).as_posix()


def written_by(page: Path) -> set[str]:
    """Files that a reader of the page has saved."""
    return {block.file for block in blocks(page) if block.file}

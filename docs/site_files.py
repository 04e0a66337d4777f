"""A hook of mkdocs: files of the repository that pages link to (a configuration, an example) are put beside the pages.

Pages outside docs/ (the README, that of the examples) are told by name, as the links in them lead elsewhere.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<path>\.\.?/[^)#\s]+)")

PAGE = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<path>\.\.?/[^)#\s]+\.md)[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file outside docs/ that a page links to, under `repository/` and the path that it has there."""
    for page in files.documentation_pages():
        for path in {outside(found["path"], page.src_uri) for found in LINK.finditer(page.content_string)} - {None}:
            real = Path(config.docs_dir).parent / path
            if real.is_file() and real.suffix != ".md" and f"repository/{path}" not in files.src_uris:
                files.append(File.generated(config, f"repository/{path}", abs_src_path=str(real)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to them point there; a link to nothing stays, and is found out by mkdocs."""
    above = "../" * page.file.src_uri.count("/")

    def moved(found: re.Match[str]) -> str:
        path = outside(found["path"], page.file.src_uri)
        return f"[{found['text']}]({above}repository/{path}" if path and f"repository/{path}" in files.src_uris else found[0]

    return LINK.sub(moved, PAGE.sub(lambda found: found["text"] if outside(found["path"], page.file.src_uri) else found[0], markdown))


def outside(link: str, page: str) -> str | None:
    """The path from the root of the repository of what a page links to; None for what lies in docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path.startswith("docs/") or path.startswith("..") else path

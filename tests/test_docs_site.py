"""The site of the docs: whole, strict, and without another host."""

import logging
import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[1]
FETCHED = re.compile(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//[^\s\">]+")


def built(folder: Path) -> Path:
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder / "site"))
    assert config.strict
    build(config)
    return Path(config.site_dir)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_page_is_in_the_site_and_no_link_leads_to_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = built(tmp_path)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs")
        made = path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html")
        assert (site / made).is_file(), path
    assert (site / "repository/configs/default.yaml").read_bytes() == (ROOT / "configs/default.yaml").read_bytes()
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert [found for page in pages for found in FETCHED.findall(page.read_text(encoding="utf-8"))] == []


def test_a_link_to_nothing_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("[gone](../configs/gone.yaml)\n", encoding="utf-8")
    (tmp_path / "docs/site_files.py").write_bytes((ROOT / "docs/site_files.py").read_bytes())
    shared = [
        line for line in (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("nav:\n  -")[0].splitlines() if "base_path" not in line
    ]
    (tmp_path / "mkdocs.yml").write_text("\n".join(shared), encoding="utf-8")
    with pytest.raises(Abort, match="1 warnings in strict mode"):
        build(load_config(str(tmp_path / "mkdocs.yml"), site_dir=str(tmp_path / "site")))

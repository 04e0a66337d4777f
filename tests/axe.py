"""axe-core in a page: what it finds wrong, and of how many words it measured the contrast."""

from playwright.sync_api import Page

from crossattack.datasets._npm import Package, fetch, read_members

AXE = Package("axe-core", "4.11.0", "39bed7d72308f6d620789c169d699bfd7e8da80f65b545821a6b2215c3e83107")  # MPL-2.0; run, never kept


def examined(page: Page) -> tuple[list[tuple[str, list[str]]], int]:
    """Violations of WCAG 2.2 A and AA and of axe's best practices, with the elements; elements whose contrast was measured."""
    page.evaluate(read_members(fetch(AXE), ["axe.min.js"])["axe.min.js"].decode())
    found = page.evaluate("axe.run({rules: {'target-size': {enabled: true}}})")
    violations = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]
    return violations, sum(len(one["nodes"]) for one in found["passes"] if one["id"] == "color-contrast")

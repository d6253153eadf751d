"""Every console page, light and dark, 390 and 1440 wide, into docs/screenshots/.

Needs a running `make demo`.
"""

import json
import os
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import LAUNCH

OUT = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
WIDTHS = (1440, 390)


def main() -> int:
    home = Path(os.environ.get("VITRINE_HOME", "var"))
    try:
        demo = json.loads((home / "demo.json").read_text())
    except OSError:
        print("there is no demo.json: start `make demo` first", file=sys.stderr)
        return 1
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                page = browser.new_page(
                    color_scheme=scheme, viewport={"width": width, "height": 900}
                )
                page.add_init_script(f"localStorage.setItem('_x_adminTheme', '\"{scheme}\"')")
                _sign_in(page, demo)
                for name, path in _pages(demo):
                    page.goto(demo["base_url"] + path)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=out / f"{name}-{scheme}-{width}.png", full_page=True)
                page.close()
        browser.close()
    return 0


def _sign_in(page: Page, demo: dict) -> None:
    page.goto(f"{demo['base_url']}/console/login/")
    page.fill("[name=username]", demo["username"])
    page.fill("[name=password]", demo["password"])
    page.click("button[type=submit]")
    page.wait_for_url("**/console/**")


def _pages(demo: dict) -> list[tuple[str, str]]:
    base = f"/console/s/{demo['shop']}"
    return [
        ("home", f"{base}/"),
        ("train", f"{base}/train/"),
        ("run", f"{base}/runs/1/"),
        ("models", f"{base}/models/"),
        ("version", f"{base}/models/1/"),
        ("preview", f"{base}/preview/"),
        ("preview-shopper", f"{base}/preview/?user={demo['user_ids'][0]}"),
        ("preview-new", f"{base}/preview/?new=1"),
        ("placements", f"{base}/placements/"),
        ("search", f"{base}/search/"),
        ("search-compare", f"{base}/search/compare/?q=white+lantern"),
        ("search-figures", f"{base}/search/figures/"),
        ("search-grade", f"{base}/search/grade/?q=cake+stand"),
        ("search-sets", f"{base}/search/sets/"),
        ("search-synonyms", f"{base}/search/synonyms/"),
        ("schedule", "/console/django_celery_beat/periodictask/"),
        ("products", "/console/recommender/product/"),
    ]


if __name__ == "__main__":
    sys.exit(main())

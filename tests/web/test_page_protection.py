"""The pages under the real server's headers: they do all they should without breaking a rule, and know the token."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from running_server import in_a_thread, running

from serving.http.pages import PAGES

pytestmark = pytest.mark.browser

SECRET = "a-token-that-nobody-guesses"  # noqa: S105 - of a server that lives for a test
WATCH = "document.addEventListener('securitypolicyviolation', (event) => console.error(`refused ${event.blockedURI}`))"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a server with a token in a thread of its own."""
    with in_a_thread(lambda: running(token=SECRET)) as run:
        yield run.port


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    context = browser.new_context()
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    yield page
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_breaks_a_rule_or_leaves_a_word_in_the_console(
    page: Page, port: int, path: str, complaints: list[str]
) -> None:
    page.goto(f"http://localhost:{port}{path}#token={SECRET}", wait_until="networkidle")
    assert complaints == []


def test_the_page_connects_with_the_token_and_hides_it(page: Page, port: int) -> None:
    page.goto(f"http://localhost:{port}/#token={SECRET}")
    expect(page.locator("#connection .text")).to_have_text("Connected")
    assert SECRET not in page.url


def test_a_page_without_the_token_is_told_so(page: Page, port: int) -> None:
    page.goto(f"http://localhost:{port}/#token=another-token-than-the-right-one")
    expect(page.locator("#connection")).to_contain_text("Closed")


def test_what_does_not_belong_to_the_page_is_refused(page: Page, port: int, complaints: list[str]) -> None:
    page.goto(f"http://localhost:{port}/")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'broken = 1'}))")
    assert page.evaluate("typeof broken") == "undefined"
    assert any("refused inline" in complaint for complaint in complaints)

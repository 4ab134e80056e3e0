"""What of a page one can't see: it scrolls sideways, sticks out of what holds it, or is wider than its box."""

from playwright.async_api import Page

# A pixel is allowed for rounding. Words that end in an ellipsis say themselves that there is more.
CUT_OFF = """() => {
    const found = [], wide = document.scrollingElement;
    const named = one => `${one.localName}.${one.className} ${(one.innerText || one.ariaLabel || "").slice(0, 40)}`;
    const isLabelled = one => one.ariaLabel || one.getAttribute("aria-labelledby");
    const clips = one => getComputedStyle(one).overflowX !== "visible";
    const scrolls = one => /auto|scroll/.test(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth + 1;
    const isAsideForTables = one => one.matches(".scroll") && one.tabIndex === 0 && isLabelled(one);
    const isForEyes = one => one.checkVisibility({visibilityProperty: true, opacityProperty: true})
        && one.offsetWidth > 1 && !one.closest(".hidden, .skip");
    if (wide.scrollWidth > wide.clientWidth) found.push(`the page is ${wide.scrollWidth} px wide`);
    for (const one of document.querySelectorAll("#app *")) {
        if (!(one instanceof HTMLElement) || !isForEyes(one) || one.closest(".plot")) continue;
        if (scrolls(one) && !isAsideForTables(one)) found.push(`it scrolls sideways: ${named(one)}`);
        const isCut = clips(one) && !scrolls(one) && one.scrollWidth > one.clientWidth + 1;
        if (isCut && one.localName !== "input" && getComputedStyle(one).textOverflow !== "ellipsis") {
            found.push(`it is cut: ${named(one)}`);
        }
        if (one.localName === "select") {
            const whole = one.cloneNode();
            whole.append(new Option(one.selectedOptions[0]?.text));
            Object.assign(whole.style, {position: "fixed", width: "auto", maxWidth: "none"});
            document.body.append(whole);
            if (whole.offsetWidth > one.offsetWidth + 1) found.push(`its choice is cut: ${named(whole)}`);
            whole.remove();
        }
        if (!one.matches("a, button, input, select, textarea, summary")) continue;
        const box = one.getBoundingClientRect();
        for (let around = one.parentElement; around; around = around.parentElement) {
            if (isAsideForTables(around)) break;
            const isAll = around === document.documentElement;
            const at = isAll ? {left: 0, right: wide.clientWidth} : around.getBoundingClientRect();
            if ((isAll || clips(around)) && (box.left < at.left - 1 || box.right > at.right + 1)) {
                found.push(`it sticks out of ${around.localName}.${around.className}: ${named(one)}`);
            }
        }
    }
    return found;
}"""


async def what_is_cut_off(page: Page) -> list[str]:
    """What one can't see without scrolling sideways; a table may scroll in a box that the keyboard reaches."""
    found: list[str] = await page.evaluate(CUT_OFF)
    return found

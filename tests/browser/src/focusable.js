// Notes what gets the focus from now on, and whether that can be seen. Returns how many elements should get it.
(() => {
  const wanted = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]:not([tabindex='-1'])";
  const all = [...document.querySelectorAll(wanted)].filter((one) => one.checkVisibility() && !one.disabled);
  window.reached = new Set();
  window.unseen = [];
  window.missed = () => all.filter((one) => !window.reached.has(one)).map((one) => one.outerHTML.slice(0, 120));
  document.addEventListener("focusin", ({ target }) => {
    window.reached.add(target);
    const style = getComputedStyle(target);
    const box = target.getBoundingClientRect();
    const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    const isThere = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    if (!isMarked || !isThere) window.unseen.push(target.outerHTML.slice(0, 120));
  });
  return all.length;
})()

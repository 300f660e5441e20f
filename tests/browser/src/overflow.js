// What lies outside the page, or sticks out of its own box. What has a scroller of its own may be wider.
(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) found.push(`the page is ${root.scrollWidth} pixels wide, its window ${innerWidth}`);

  const ancestors = function* (element) {
    for (let one = element; one && one !== document.body; one = one.parentElement) yield one;
  };
  const isExcused = (element) =>
    [...ancestors(element)].some((one) => {
      const style = getComputedStyle(one);
      const scrolls = one !== element && ["auto", "scroll"].includes(style.overflowX);
      return scrolls || style.clipPath === "inset(50%)";
    });
  const name = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}">`;
  const say = (element, what) => found.push(`${name(element)} ${what}: ${element.textContent.trim().slice(0, 60)}`);

  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    // The text in a field moves with the cursor.
    if (!box.width || !box.height || element.tagName === "INPUT") continue;
    const style = getComputedStyle(element);
    const isOutside = box.left < -0.5 || box.right > root.clientWidth + 0.5;
    const isCut = element.clientWidth > 0 && style.overflowX !== "auto" && element.scrollWidth > element.clientWidth + 1;
    if (isOutside && !isExcused(element)) say(element, `lies from ${box.left} to ${box.right}`);
    else if (isCut && !(element instanceof SVGElement) && !isExcused(element))
      say(element, `has ${element.scrollWidth} pixels of content in ${element.clientWidth}`);
  }
  return found.slice(0, 5);
})()

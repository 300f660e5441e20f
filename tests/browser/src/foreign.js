// What a page may never have: markup or addresses that did not come from the console's own code.
(() => {
  const found = [];
  const own = "script[src='/console.js']";
  for (const one of document.querySelectorAll(`script:not(${own}), style, img, iframe, object, embed, base, #probe`))
    found.push(one.outerHTML.slice(0, 120));
  for (const one of document.querySelectorAll("*"))
    for (const { name } of one.attributes)
      if (name === "style" || name.startsWith("on")) found.push(`${name} of ${one.outerHTML.slice(0, 120)}`);
  for (const one of document.querySelectorAll("a[href], form[action]"))
    if (!["http:", "https:"].includes(new URL(one.href ?? one.action, location).protocol)) found.push(one.outerHTML.slice(0, 120));
  if (window.probed !== undefined) found.push("a probe has run");
  return found;
})()

// What the page says, without what the script adds to it.
(() => {
  const main = document.querySelector("main").cloneNode(true);
  for (const one of main.querySelectorAll("[data-note], .filter")) one.remove();
  const whole = [...main.querySelectorAll("h1, h2, h3, p, li, dt, dd, th, td, label, .when")];
  return whole.map((one) => one.textContent.replace(/\s+/g, " ").trim());
})()

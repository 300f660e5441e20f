// Pages need no script. This one says how far times are from now, moves the bars on, filters the board, and takes
// the new page when something is published.
"use strict";
(() => {
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "always" });

  const far = (at) => {
    const seconds = Math.round((at - Date.now()) / 1000);
    const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[3];
    return words.format(Math.round(seconds / length), unit);
  };

  const tick = () => {
    for (const time of document.querySelectorAll("time[data-far], time[data-made]")) {
      let note = time.nextElementSibling;
      if (!note || note.dataset.note === undefined) {
        note = document.createElement("span");
        note.className = "soft";
        note.dataset.note = "";
        time.after(note);
      }
      note.textContent = ` (${far(new Date(time.dateTime))})`;
    }
    for (const bar of document.querySelectorAll("rect[data-since]")) {
      const share = (Date.now() - new Date(bar.dataset.since)) / 1000 / Number(bar.dataset.whole);
      const width = Math.round(336 * Math.min(1, share));
      // What was lost to pauses does not come back.
      if (width > Number(bar.getAttribute("width")) && !bar.dataset.lost) bar.setAttribute("width", width);
    }
  };

  const fold = () => {
    const lines = document.querySelector(".lines");
    if (lines && lines.dataset.folded !== undefined)
      for (const line of lines.querySelectorAll("details")) line.open = false;
  };

  const filter = () => {
    const input = document.getElementById("filter");
    if (!input) return;
    input.closest(".filter").hidden = false;
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let isFound = false;
      for (const line of document.querySelectorAll(".line")) {
        line.hidden = !line.textContent.toLowerCase().includes(wanted);
        if (wanted && !line.hidden && line.tagName === "DETAILS") line.open = true;
        isFound ||= !line.hidden;
      }
      // The board has what is on its way and what is on offer, and not every release.
      const other = document.getElementById("other");
      other.hidden = isFound;
      other.querySelector("a").href = `/releases/${encodeURIComponent(input.value.trim())}`;
    });
  };

  // How many kinds of problems there are, beside the way to the page that has them.
  const label = (count) => {
    const link = document.querySelector('nav a[href="/status"]');
    if (link) link.textContent = count ? `Status: ${count} degraded` : "Status";
  };
  const health = async () => {
    if (!document.querySelector('nav a[href="/status"]')) return;
    const reply = await fetch("/readyz").catch(() => undefined);
    const { degraded = [] } = (await reply?.json().catch(() => undefined)) ?? {};
    label(new Set(degraded.map(({ kind }) => kind)).size);
  };

  // What is degraded now. The page has what was known when it was made.
  let problems;
  const note = () => {
    const place = document.getElementById("degraded");
    if (!problems || !place) return;
    label(problems.length);
    place.replaceChildren();
    if (!problems.length) return;
    const [line, word, link] = ["p", "b", "a"].map((name) => document.createElement(name));
    [line.className, word.className, word.textContent] = ["note", "halt", "Degraded"];
    [link.href, link.textContent] = ["/status", "Status"];
    line.append(word, `: ${problems.join(", ")}. `, link);
    place.append(line);
  };

  const closed = () =>
    [...document.querySelectorAll("details:not([open])")].map((one) => one.querySelector("h2")?.textContent);

  // Takes the new page, unless somebody is at work on this one.
  let isLate = false;
  const renew = async () => {
    isLate = Boolean(document.getElementById("filter")?.value || document.activeElement?.closest("form"));
    if (isLate) return;
    const reply = await fetch(location.href, { cache: "no-cache" }).catch(() => undefined);
    if (!reply?.ok) return;
    const main = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("main");
    const folded = closed();
    document.getElementById("main").replaceWith(main);
    for (const one of document.querySelectorAll("details"))
      if (folded.includes(one.querySelector("h2")?.textContent)) one.open = false;
    filter();
    note();
    tick();
  };

  const live = () => {
    const how = document.getElementById("main").dataset.live;
    if (how === "clock") setInterval(renew, 30000);
    if (!how || how === "clock") return;
    let seen;
    const events = new EventSource(how);
    events.addEventListener("published", ({ lastEventId }) => {
      if (seen !== undefined && seen !== lastEventId) renew();
      seen = lastEventId;
    });
    events.addEventListener("degraded", ({ data }) => {
      problems = JSON.parse(data);
      note();
    });
  };

  fold();
  filter();
  live();
  health();
  tick();
  setInterval(() => {
    tick();
    if (isLate) renew();
  }, 1000);
})();

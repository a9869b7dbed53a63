"use strict";

/* The list of queries and the controls that filter it. The state of the controls is kept in the fragment of the address. */

const PAGE_SIZE = 10;
const SEARCH_DELAY = 120; // milliseconds after the last key
const METRICS = {
  R1: "R@1",
  R5: "R@5",
  R10: "R@10",
  R50: "R@50",
  MedR: "MdR",
  MeanR: "MnR",
  "geometric_mean_R1-R5-R10": "gmean",
};
const SKIP = "#results"; // the link to the queries, which is no state
const DIRECTIONS = { t2v: "text to video", v2t: "video to text" };
const SORTS = {
  worst: (a, b) => b.query.rank - a.query.rank,
  best: (a, b) => a.query.rank - b.query.rank,
  list: () => 0,
};

const find = (selector) => document.querySelector(selector);
const controls = find("#controls");
const evaluations = new Map(); // number -> content of data/<number>.js
const shown = { number: null, direction: "t2v", sort: "worst", bins: new Set(), search: "", page: 1 };
let matching = [];

/** Called by data/<number>.js. */
function registerEvaluation(number, evaluation) {
  for (const direction of Object.keys(DIRECTIONS)) {
    const part = evaluation[direction];
    part.entries = part.queries.map((query) => ({ query, text: searchText(evaluation, direction, query) }));
  }
  evaluations.set(number, evaluation);
}

/** Return the text to search in: the id of the video and the captions of the query. */
function searchText(evaluation, direction, query) {
  const video = evaluation.videos[direction === "t2v" ? query.truth : query.video];
  const chosen = direction === "t2v" ? evaluation.texts[query.text].captions : video.captions.keys();
  const captions = Array.from(chosen, (k) => video.captions[k]);
  return fold([video.id, ...captions].join("\n"));
}

const fold = (text) => text.normalize("NFKC").toLowerCase();

/** Show the state in the address. */
function start() {
  readAddress();
  showControls();
  show();
}

/** Load an evaluation unless it is loaded. */
function load(number) {
  return new Promise((resolve, reject) => {
    if (evaluations.has(number)) {
      resolve();
      return;
    }
    const script = document.createElement("script");
    script.src = `data/${number}.js`;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`data/${number}.js cannot be loaded`));
    document.head.append(script);
  });
}

/** Show the state in `shown`. */
async function show() {
  const { number } = shown;
  find("#status").textContent = evaluations.has(number) ? find("#status").textContent : "Loading …";
  try {
    await load(number);
  } catch (error) {
    find("#status").textContent = error.message;
    return;
  }
  if (number === shown.number) {
    showOverview();
    showQueries();
  }
}

function showControls() {
  find("#evaluation").value = shown.number;
  controls.elements.direction.value = shown.direction;
  find("#sort").value = shown.sort;
  find("#search").value = shown.search;
}

/** Show metrics and histogram of all queries. */
function showOverview() {
  const evaluation = evaluations.get(shown.number);
  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  find("#about").textContent = [
    `split ${evaluation.split}`,
    `epoch ${evaluation.epoch}`,
    count(evaluation.num_videos, "video"),
    count(evaluation.num_captions, "caption"),
    `similarity ${evaluation.similarity}`,
  ].join(" · ");
  find("#leaky").hidden = !evaluation.leaky;
  showMetrics(evaluation);
  showHistogram(evaluation[shown.direction].histogram, evaluation.bins);
}

function showMetrics(evaluation) {
  const make = (name, content) => Object.assign(document.createElement(name), content);
  const header = (text, scope) => make("th", { textContent: text, scope });
  const heads = Object.values(METRICS).map((name) => header(name, "col"));
  find("#metrics thead tr").replaceChildren(make("td"), ...heads);
  const measured = Object.keys(DIRECTIONS).filter((direction) => evaluation[direction].metrics);
  find("#metrics tbody").replaceChildren(...measured.map((direction) => {
    const row = make("tr", { className: direction === shown.direction ? "chosen" : "" });
    const values = Object.keys(METRICS).map((name) => evaluation[direction].metrics[name].toFixed(1));
    row.append(header(DIRECTIONS[direction], "row"), ...values.map((textContent) => make("td", { textContent })));
    return row;
  }));
}

function showHistogram(counts, bins) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const highest = Math.max(...counts);
  find("#histogram-direction").textContent = DIRECTIONS[shown.direction];
  const group = find("#histogram");
  while (group.children.length < bins.length) { // created once, or a click would move the focus
    const bar = fromTemplate("bar");
    const bin = group.children.length;
    bar.addEventListener("click", () => change({ bins: shown.bins.symmetricDifference(new Set([bin])) }));
    group.append(bar);
  }
  for (const [bin, bar] of [...group.children].entries()) {
    const share = ((100 * counts[bin]) / total).toFixed(0);
    bar.setAttribute("aria-pressed", shown.bins.has(bin));
    bar.setAttribute("aria-label", `rank ${bins[bin]}: ${counts[bin]} queries, ${share} %`);
    const [count, percent] = bar.querySelector(".count").children;
    count.textContent = counts[bin].toLocaleString("en");
    percent.textContent = `${share}\u00a0%`;
    bar.querySelector(".column span").style.height = `${(100 * counts[bin]) / highest}%`;
    bar.querySelector(".range").textContent = bins[bin];
  }
}

/** Search, filter and sort, then show one page. */
function showQueries() {
  const { entries, histogram } = evaluations.get(shown.number)[shown.direction];
  const wanted = fold(shown.search.trim());
  const { bins } = shown;
  matching = entries
    .filter(({ query, text }) => (!bins.size || bins.has(query.bin)) && text.includes(wanted))
    .sort(SORTS[shown.sort]);
  const all = histogram.reduce((sum, count) => sum + count, 0);
  const sampled = entries.length < all ? ` (sampled from ${all.toLocaleString("en")})` : "";
  const [found, among] = [matching.length, entries.length].map((count) => count.toLocaleString("en"));
  find("#status").textContent = `${found} of ${among} queries${sampled}`;
  showPage();
}

function showPage() {
  const last = Math.max(1, Math.ceil(matching.length / PAGE_SIZE));
  shown.page = Math.min(Math.max(1, shown.page), last);
  const evaluation = evaluations.get(shown.number);
  const list = find("#list");
  dropClips(list);
  list.classList.toggle("clipless", evaluation.videos.every(({ address }) => address === null));
  const part = matching.slice((shown.page - 1) * PAGE_SIZE, shown.page * PAGE_SIZE);
  list.replaceChildren(...part.map(({ query }) => makeCard(evaluation, shown.direction, query)));
  list.dataset.direction = shown.direction;
  for (const pages of document.querySelectorAll("nav")) {
    pages.querySelector(".position").textContent = `page ${shown.page} of ${last}`;
    pages.querySelector(".previous").disabled = shown.page === 1;
    pages.querySelector(".next").disabled = shown.page === last;
  }
  replaceAddress();
}

/** Write `shown` to the address. */
function replaceAddress() {
  const { number, direction, sort, bins, search, page } = shown;
  const ranks = [...bins].sort().join(".");
  const values = new URLSearchParams({ evaluation: number, direction, sort, ranks, search, page });
  history.replaceState(null, "", `#${values}`);
}

/** Read `shown` from the address; invalid values are replaced by defaults. */
function readAddress() {
  const values = new URLSearchParams(location.hash.slice(1));
  const known = (name, allowed, otherwise) => (allowed.includes(values.get(name)) ? values.get(name) : otherwise);
  const numbers = [...find("#evaluation").options].map((option) => option.value);
  shown.number = Number(known("evaluation", numbers, find("#evaluation option[selected]").value));
  shown.direction = known("direction", Object.keys(DIRECTIONS), "t2v");
  shown.sort = known("sort", Object.keys(SORTS), "worst");
  shown.bins = new Set((values.get("ranks") ?? "").split(".").filter((x) => /^[0-4]$/.test(x)).map(Number));
  shown.search = values.get("search") ?? "";
  shown.page = Math.trunc(Number(values.get("page"))) || 1;
}

/** Change the state, and show its first page. */
function change(values) {
  Object.assign(shown, { page: 1 }, values);
  show();
}

/** Turn the pages with a button. The focus moves only if it cannot stay: on a disabled button, or at the end of the list. */
function turn(step, button) {
  shown.page += step;
  showPage();
  if (button.disabled || button.closest("#below")) {
    find("#results").focus();
  }
}

let timer = 0;
find("#search").addEventListener("input", (event) => {
  clearTimeout(timer);
  timer = setTimeout(() => change({ search: event.target.value }), SEARCH_DELAY);
});
find("#sort").addEventListener("change", (event) => change({ sort: event.target.value }));
find("#evaluation").addEventListener("change", (event) => change({ number: Number(event.target.value) }));
controls.elements.direction.forEach((radio) => radio.addEventListener("change", () => change({ direction: radio.value })));
controls.addEventListener("submit", (event) => event.preventDefault());
for (const [name, step] of [[".previous", -1], [".next", 1]]) {
  document.querySelectorAll(name).forEach((button) => button.addEventListener("click", () => turn(step, button)));
}
addEventListener("hashchange", () => (location.hash === SKIP ? replaceAddress() : start()));
start();

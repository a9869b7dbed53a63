"use strict";

/* A card per query, built from templates: data are inserted as text, never as markup. */

const UNKNOWN = "(text not known)";

/** Make the card of a query of `evaluation` in a direction, "t2v" or "v2t". */
function makeCard(evaluation, direction, query) {
  const card = fromTemplate("card");
  const [rank, among] = card.querySelector(".rank").children;
  rank.textContent = `rank ${Number(query.rank.toFixed(1))}`;
  const tied = Number.isInteger(query.rank) ? "" : ", tied";
  among.textContent = `of ${evaluation[direction].candidates.toLocaleString("en")}${tied}`;
  const fill = direction === "t2v" ? fillTextQuery : fillVideoQuery;
  fill(card, evaluation, query);
  return card;
}

function fillTextQuery(card, evaluation, query) {
  const text = evaluation.texts[query.text];
  const truth = evaluation.videos[query.truth];
  const [first, ...averaged] = text.captions;
  card.querySelector("h3").textContent = truth.captions[first] || UNKNOWN;
  const more = card.querySelector(".more");
  if (averaged.length) {
    more.append(makeCaptions(`with ${averaged.length} more, averaged`, averaged.map((k) => truth.captions[k])));
  } else if (truth.captions.length > 1) {
    const others = truth.captions.filter((_, k) => k !== first);
    more.append(makeCaptions(`${others.length} more of this video`, others));
  }
  const highest = Math.max(...(text.weights ?? [1]));
  const tile = (video, place, options) => {
    const { has, captions } = video;
    const counts = evaluation.leaky ? truth.has : has;
    const about = { place, video, text: captions[0], weights: text.weights, has, counts, highest };
    return makeTile(evaluation, { ...about, ...options });
  };
  const tiles = card.querySelector(".tiles");
  tiles.append(tile(truth, "right answer", { similarity: query.similarity, reference: true, text: "" }));
  for (const [place, [index, similarity]] of query.best.entries()) {
    const right = index === query.truth;
    tiles.append(tile(evaluation.videos[index], `${place + 1}.`, { similarity, right, ...(right && { text: "" }) }));
  }
}

function fillVideoQuery(card, evaluation, query) {
  const video = evaluation.videos[query.video];
  card.querySelector("h3").textContent = video.id;
  card.querySelector(".more").append(makeCaptions(`its captions (${video.captions.length})`, video.captions));
  const shown = [query.truth, ...query.best.map(([index]) => index)];
  const highest = Math.max(...shown.flatMap((index) => evaluation.texts[index].weights ?? [1]));
  const tiles = card.querySelector(".tiles");
  tiles.append(makeTile(evaluation, { place: "query", video, has: video.has, reference: true }));
  const tile = (index, place, options) => {
    const { video: owner, captions, weights } = evaluation.texts[index];
    const { id, captions: all, has } = evaluation.videos[owner];
    const counts = evaluation.leaky ? has : video.has;
    const text = captions.map((k) => all[k] || UNKNOWN).join(" / ");
    const about = { place, name: `of ${id}`, text, weights, has: video.has, counts, highest };
    return makeTile(evaluation, { ...about, ...options });
  };
  tiles.append(tile(query.truth, "right answer", { similarity: query.similarity, reference: true }));
  for (const [place, [index, similarity]] of query.best.entries()) {
    const right = evaluation.texts[index].video === query.video;
    tiles.append(tile(index, `${place + 1}.`, { similarity, right }));
  }
}

/** Make a collapsed list of captions. */
function makeCaptions(title, captions) {
  const details = document.createElement("details");
  const list = document.createElement("ul");
  details.append(Object.assign(document.createElement("summary"), { textContent: title }), list);
  for (const caption of captions) {
    list.append(Object.assign(document.createElement("li"), { textContent: caption || UNKNOWN }));
  }
  return details;
}

/**
 * Make the tile of a video or a text of a card.
 *
 * `weights` are those of the text and `has` the experts of the video, of the two that are compared; `counts` are the
 * experts whose weights count; bars are relative to the `highest` weight of the card. A `reference` is what the candidates
 * beside it are compared with.
 */
function makeTile(evaluation, { place, video, name, text, similarity, weights, has, counts, highest, right, reference }) {
  const tile = fromTemplate("tile");
  tile.classList.toggle("right", Boolean(right));
  tile.classList.toggle("reference", Boolean(reference));
  const [head, comparison] = tile.querySelector(".place").children;
  head.textContent = right ? `${place} ✓ right` : place;
  if (similarity === undefined) {
    comparison.remove();
  } else {
    comparison.querySelector(".similarity").textContent = similarity.toFixed(3);
  }
  if (video) {
    tile.querySelector(".media").append(makeClip(video));
  } else {
    tile.querySelector(".media").remove();
  }
  fillOrRemove(tile.querySelector(".name"), name ?? (video.address === null ? "" : video.id));
  fillOrRemove(tile.querySelector(".text"), text);
  const experts = tile.querySelector(".experts");
  for (const [index, expert] of video || weights ? evaluation.experts.entries() : []) {
    const row = makeExpert(expert, Boolean(has[index]), weights ? weights[index] : null, highest);
    row.classList.toggle("idle", Boolean(weights) && !counts[index]);
    experts.append(row);
  }
  return tile;
}

function fillOrRemove(element, text) {
  if (text) {
    element.textContent = text;
    element.title = text;
  } else {
    element.remove();
  }
}

/** Make the row of an expert: whether the video has it, and its weight in the text, if any. */
function makeExpert(expert, present, weight, highest) {
  const row = fromTemplate("expert");
  const [spoken, mark, name, bar, figure] = row.children;
  const percent = weight === null ? "" : `${Math.round(100 * weight)}\u00a0%`;
  row.classList.toggle("missing", !present);
  spoken.textContent = `${expert}: ${percent && `weight ${percent}, `}${present ? "present" : "missing"}`;
  mark.textContent = present ? "✓" : "–";
  name.textContent = expert;
  name.title = expert;
  if (weight === null) {
    bar.remove();
    figure.remove();
  } else {
    bar.firstElementChild.style.width = `${(100 * weight) / highest}%`;
    figure.textContent = percent;
  }
  return row;
}

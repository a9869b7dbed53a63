"use strict";

/* The tiles of a search result, in the look of the ranking page. */

/** Show the result; data.js calls it. */
function registerResults({ experts, query, hits }) {
  const tiles = document.getElementById("tiles");
  const all = query ? [query, ...hits] : hits;
  tiles.parentElement.classList.toggle("clipless", all.every(({ video }) => video.address === null));
  const highest = Math.max(...hits.flatMap(({ weights }) => weights ?? [1]));
  for (const [index, { video, text, similarity, weights = null }] of all.entries()) {
    const reference = Boolean(query) && index === 0;
    const place = reference ? "query" : `${index + (query ? 0 : 1)}.`;
    const { has, counts } = video;
    tiles.append(makeTile({ experts }, { place, video, text, similarity, weights, has, counts, highest, reference }));
  }
}

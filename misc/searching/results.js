"use strict";

/* The tiles of a search, made as those of the ranking page are. */

/** Called by data.js. */
function registerResults({ experts, asked, hits }) {
  const tiles = document.getElementById("tiles");
  const all = asked ? [asked, ...hits] : hits;
  tiles.parentElement.classList.toggle("clipless", all.every(({ video }) => video.address === null));
  const highest = Math.max(...hits.flatMap(({ weights }) => weights ?? [1]));
  for (const [index, { video, text, similarity, weights = null }] of all.entries()) {
    const reference = Boolean(asked) && index === 0;
    const place = reference ? "query" : `${index + (asked ? 0 : 1)}.`;
    const { has, counts } = video;
    tiles.append(makeTile({ experts }, { place, video, text, similarity, weights, has, counts, highest, reference }));
  }
}

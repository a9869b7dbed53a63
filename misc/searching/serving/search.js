"use strict";

/* Clips and keyboard navigation of the search page, which the server renders. */

const box = document.getElementById("query");
const where = document.querySelector(".filter input");
const statusLine = document.getElementById("status");
const tiles = [...document.querySelectorAll(".tile")];

/** Return what the server says of the video of an element, for `makeClip`. */
function describe({ dataset: { address, copy, unplayable, ...video } }) {
  const plays = copy !== undefined || unplayable === undefined;
  const offer = "copies" in document.body.dataset ? offerCopy : undefined;
  return { ...video, address: copy ?? address, original: address, plays, offer };
}

for (const button of document.querySelectorAll("[data-start]")) {
  button.addEventListener("click", () => playMoment(button.closest(".tile"), button.dataset));
}

/** Enable the times of a tile while its clip can be played, or a copy can be made that plays. */
function updateTimes(tile) {
  const cannot = !tile.querySelector(".clip video, .clip .note button");
  tile.querySelectorAll("[data-start]").forEach((button) => { button.disabled = cannot; });
}

/** Make a copy of a clip that turned out not to play when a moment of it was chosen. */
function copyChosen(tile) {
  const button = tile.querySelector(".clip .note button");
  if (button && tile.dataset.chosen) {
    button.closest(".clip").dataset.hash = tile.dataset.chosen;
    delete tile.dataset.chosen;
    button.click();
  }
}

/**
 * Play a moment of the clip of a tile, or all that follows if it has no end, with controls and sound.
 *
 * If the browser cannot play it, a copy is made first.
 */
function playMoment(tile, { start, end }) {
  const hash = `#t=${end === undefined ? start : `${start},${end}`}`;
  const player = tile.querySelector(".clip video");
  if (!player) {
    const clip = tile.querySelector(".clip");
    clip.dataset.hash = hash; // also of a copy that is being made
    clip.querySelector(".note button")?.click();
    return;
  }
  tile.dataset.chosen = hash; // in case that the browser cannot play it
  player.addEventListener("playing", () => { delete tile.dataset.chosen; }, { once: true });
  player.dataset.address = player.dataset.address.split("#")[0] + hash;
  player.src = player.dataset.address;
  const choose = tile.querySelector(".clip button");
  if (choose) {
    choose.click();
  } else {
    play(player);
  }
}

/** Offer a copy that plays, which the server makes, in the note of a clip that the browser cannot play. */
function offerCopy(video, clip, note) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "make a copy that plays" });
  button.setAttribute("aria-label", `make a copy of ${video.id} that plays`);
  button.addEventListener("click", () => makeCopy(video, clip, note));
  note.append(" ", button);
}

/** Have the server make a copy of a video, tell its progress in the note of a clip, and play its moment in place of the clip. */
async function makeCopy(video, clip, note) {
  const link = note.querySelector("a");
  note.setAttribute("role", "status");
  for (;;) {
    const copy = await requestCopy(video.id);
    if (copy.state === "ready") {
      const hash = clip.dataset.hash ?? new URL(video.address, location).hash;
      const player = makeClip({ ...video, address: copy.url + hash, plays: true });
      replaceClip(clip, player);
      player.querySelector("button").click();
      return;
    }
    if (copy.state !== "making" && copy.state !== "waiting") {
      note.replaceChildren(`no copy: ${copy.reason} `, link);
      clip.closest(".tile")?.querySelectorAll("[data-start]").forEach((button) => { button.disabled = true; });
      return;
    }
    const progress = `making a copy: ${Math.round(100 * copy.share)}\u00a0% `;
    note.replaceChildren(copy.state === "making" ? progress : "waiting for another copy to be made ", link);
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
}

/** Return the state of a copy, which the server makes if it does not exist. */
async function requestCopy(id) {
  try {
    const response = await fetch(`/api/copy?${new URLSearchParams({ id })}`, { method: "POST" });
    const copy = await response.json();
    return response.ok ? copy : { reason: copy.error };
  } catch {
    return { reason: "the server does not answer" };
  }
}

for (const media of document.querySelectorAll(".media[data-address]")) {
  const tile = media.closest(".tile");
  const update = () => {
    updateTimes(tile);
    copyChosen(tile);
  };
  new MutationObserver(update).observe(media, { childList: true });
  media.replaceChildren(makeClip(describe(media)));
}

const subject = document.querySelector(".player");
if (subject) {
  const video = describe(subject);
  const refuse = () => replaceClip(subject, makeRefusal(video));
  if (video.plays) {
    onRefusal(subject.firstElementChild, refuse);
  } else {
    refuse();
  }
}

if (statusLine) { // screen readers announce changes only, not the initial text
  const text = statusLine.textContent;
  requestAnimationFrame(() => {
    statusLine.textContent = "";
    requestAnimationFrame(() => { statusLine.textContent = text; });
  });
}

document.getElementById("controls").addEventListener("submit", (event) => {
  if (!box.value.trim() && !where.value.trim() && !document.querySelector(".like input:checked")) {
    event.preventDefault();
    box.focus();
  } else {
    where.disabled = !where.value.trim(); // not sent
    document.body.setAttribute("aria-busy", "true");
  }
});
/** Search for an image, with the words in the box if there are any. */
async function searchImage(file) {
  document.body.setAttribute("aria-busy", "true");
  let message = "The image could not be sent.";
  try {
    const type = file.type.startsWith("image/") ? file.type : "image/unknown";
    const response = await fetch("/api/image", { method: "POST", headers: { "Content-Type": type }, body: file });
    const { image, error } = await response.json();
    if (response.ok) {
      const given = Object.entries({ q: box.value, where: where.value }).filter(([, text]) => text.trim());
      location.assign(`/?${new URLSearchParams([...given, ["image", image]])}`);
      return;
    }
    message = error;
  } catch { // the server has ended
  }
  document.body.removeAttribute("aria-busy");
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = message;
  document.getElementById("results").prepend(notice);
}

const imageButton = document.getElementById("image");
if (imageButton) {
  const input = document.getElementById("image-file");
  imageButton.hidden = false;
  imageButton.addEventListener("click", () => input.click());
  input.addEventListener("change", () => { if (input.files.length) searchImage(input.files[0]); });
  const hasFile = (event) => [...event.dataTransfer.types].includes("Files");
  addEventListener("dragover", (event) => {
    if (hasFile(event)) {
      event.preventDefault();
      document.body.classList.add("dropping");
    }
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    if (hasFile(event)) {
      event.preventDefault();
      document.body.classList.remove("dropping");
      searchImage(event.dataTransfer.files[0]);
    }
  });
}
addEventListener("pageshow", () => { // also when going back
  document.body.removeAttribute("aria-busy");
  where.disabled = false;
});

/** Return the element of a tile that takes the focus. */
const handle = (tile) => tile.querySelector(".clip :is(button, a)") ?? tile.querySelector(".name a");

function focusTile(tile) {
  handle(tile).focus();
  tile.scrollIntoView({ block: "nearest" });
}

/** Return the tile in the direction of an arrow key. */
function neighbor(tile, key) {
  const at = tiles.indexOf(tile);
  if (key === "ArrowRight" || key === "ArrowLeft") {
    return tiles[at + (key === "ArrowRight" ? 1 : -1)];
  }
  const { left, top } = tile.getBoundingClientRect();
  const column = tiles.filter((x) => Math.abs(x.getBoundingClientRect().left - left) < 2);
  return key === "ArrowDown"
    ? column.find((x) => x.getBoundingClientRect().top > top + 2) ?? (tiles.at(-1) === tile ? undefined : tiles.at(-1))
    : column.findLast((x) => x.getBoundingClientRect().top < top - 2);
}

addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) {
    return;
  }
  if (key === "/" && target !== box) {
    event.preventDefault();
    box.focus();
    box.select();
    return;
  }
  const tile = target.closest(".tile");
  if (key === "Escape" && tile && target.matches("video")) {
    target.pause();
    tile.querySelector(".name a").focus();
    return;
  }
  if (!key.startsWith("Arrow") || target.matches("video")) { // a player uses the arrows itself
    return;
  }
  if (target === box) {
    if (key === "ArrowDown" && tiles.length) {
      event.preventDefault();
      focusTile(tiles[0]);
    }
  } else if (tile) {
    event.preventDefault();
    const next = neighbor(tile, key);
    if (next) {
      focusTile(next);
    } else if (key === "ArrowUp") {
      box.focus();
    }
  }
});

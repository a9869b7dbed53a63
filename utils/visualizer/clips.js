"use strict";

/* Clips that load when they come near the window (with a poster, when somebody plays them), play muted while the pointer or the focus is on them, and with sound and
   controls when they are clicked. */

const still = matchMedia("(prefers-reduced-motion: reduce)");

const nearby = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const player = target.querySelector("video");
    if (isIntersecting && !player.hasAttribute("src")) {
      if (!player.poster || player.controls) {
        player.src = player.dataset.address;
      }
    } else if (!isIntersecting) {
      unload(player); // browsers limit the number of players to a few dozen
    }
  }
}, { rootMargin: "400px" });

/** Return a copy of the content of a template. */
function fromTemplate(name) {
  return document.getElementById(`${name}-template`).content.firstElementChild.cloneNode(true);
}

/**
 * Make the clip of a video, or what stands in its place.
 *
 * A clip with a `poster` is not loaded before it is played. `file` is the name of its file, which is offered if the browser
 * cannot play it, as is known of a file that no browser `plays`; `original` is its address if it is another one, and
 * `offer(video, clip, note)` may add to the note that says so.
 */
function makeClip(video) {
  const { id, address, poster, plays = true } = video;
  if (address === null) {
    return makePlaceholder(id, "no clip");
  }
  if (!plays) {
    return makeRefusal(video);
  }
  const clip = fromTemplate("clip");
  const player = clip.querySelector("video");
  const button = clip.querySelector("button");
  player.dataset.address = address;
  player.setAttribute("aria-label", `Clip ${id}`);
  button.setAttribute("aria-label", `Play ${id} with controls`);
  player.muted = true;
  if (poster) {
    player.poster = poster;
    player.preload = "none";
  }
  const preview = () => still.matches || player.controls || play(player);
  const stop = () => player.controls || player.pause();
  clip.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && preview());
  clip.addEventListener("pointerleave", stop);
  button.addEventListener("focus", preview);
  button.addEventListener("blur", stop);
  button.addEventListener("click", () => {
    player.controls = true;
    player.muted = false; // browsers allow sound after a click or a key
    player.tabIndex = 0;
    player.focus();
    button.remove();
    play(player);
  });
  onRefusal(player, () => {
    nearby.unobserve(clip);
    replaceClip(clip, makeRefusal({ ...video, address: player.dataset.address })); // of the moment that was chosen
  });
  nearby.observe(clip);
  return clip;
}

/** Call `refuse` when the browser cannot play a clip; of some, such as H.265, it plays the sound without an error. */
function onRefusal(player, refuse) {
  const check = () => player.hasAttribute("src") && (player.error || (player.readyState && !player.videoWidth)) && refuse();
  player.addEventListener("error", check);
  player.addEventListener("loadedmetadata", check);
  check();
}

/** Replace a clip, and keep the focus in its place. */
function replaceClip(clip, other) {
  const focused = clip.contains(document.activeElement);
  clip.querySelectorAll("video").forEach(unload);
  clip.replaceWith(other);
  if (focused) {
    other.querySelector("a, button, video")?.focus();
  }
}

/** Make what stands in place of a clip that the browser cannot play: its poster, a note, and its file. */
function makeRefusal(video) {
  const { id, address, original = address, poster, file, offer } = video;
  if (!file) {
    return makePlaceholder(id, "the clip cannot be played");
  }
  const clip = Object.assign(document.createElement("div"), { className: "clip refused" });
  const note = Object.assign(document.createElement("p"), { className: "note", textContent: "this browser cannot play it " });
  const link = Object.assign(document.createElement("a"), { href: original, download: file, textContent: "get the file" });
  link.setAttribute("aria-label", `get the file of ${id}`);
  note.append(link);
  if (poster) {
    clip.append(Object.assign(document.createElement("img"), { src: poster, alt: "", loading: "lazy" }));
  }
  clip.append(note);
  offer?.(video, clip, note);
  return clip;
}

function makePlaceholder(id, reason) {
  const placeholder = document.createElement("p");
  placeholder.className = "placeholder";
  placeholder.append(id, Object.assign(document.createElement("span"), { textContent: reason }));
  return placeholder;
}

/** Pause the other clips with sound when one is started or unmuted. */
function pauseOthers({ target }) {
  if (!target.muted && !target.paused) {
    const audible = [...document.querySelectorAll("video")].filter((player) => player !== target && !player.muted);
    audible.forEach((player) => player.pause());
  }
}

document.addEventListener("play", pauseOthers, true);
document.addEventListener("volumechange", pauseOthers, true);

/** Unload the clips in `container`, which is about to be removed. */
function dropClips(container) {
  nearby.disconnect();
  container.querySelectorAll("video").forEach(unload);
}

function play(player) {
  if (!player.hasAttribute("src")) {
    player.src = player.dataset.address;
  }
  player.play().catch(() => {}); // paused before it began, or it cannot be played: the error event says so
}

function unload(player) {
  if (player.hasAttribute("src")) {
    player.pause();
    player.removeAttribute("src");
    player.load();
  }
}

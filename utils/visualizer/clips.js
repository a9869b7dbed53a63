"use strict";

/* Clips that load when they come near the window, play muted while the pointer or the focus is on them, and with sound and
   controls when they are clicked. */

const still = matchMedia("(prefers-reduced-motion: reduce)");

const nearby = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const player = target.querySelector("video");
    if (isIntersecting && !player.hasAttribute("src")) {
      player.src = player.dataset.address;
    } else if (!isIntersecting) {
      unload(player); // browsers limit the number of players to a few dozen
    }
  }
}, { rootMargin: "400px" });

/** Return a copy of the content of a template. */
function fromTemplate(name) {
  return document.getElementById(`${name}-template`).content.firstElementChild.cloneNode(true);
}

/** Make the clip of a video, or a placeholder. */
function makeClip({ id, address }) {
  if (address === null) {
    return makePlaceholder(id, "no clip");
  }
  const clip = fromTemplate("clip");
  const player = clip.querySelector("video");
  const button = clip.querySelector("button");
  player.dataset.address = address;
  player.setAttribute("aria-label", `Clip ${id}`);
  button.setAttribute("aria-label", `Play ${id} with controls`);
  player.muted = true;
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
  player.addEventListener("error", () => {
    if (player.hasAttribute("src")) {
      nearby.unobserve(clip);
      clip.replaceWith(makePlaceholder(id, "the clip cannot be played"));
    }
  });
  nearby.observe(clip);
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

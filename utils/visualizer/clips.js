"use strict";

/* Clips that load when they come near the window, play without sound when somebody points at them or focuses them, and with
   sound and controls when they are chosen. */

const still = matchMedia("(prefers-reduced-motion: reduce)");

const nearby = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const player = target.querySelector("video");
    if (isIntersecting && !player.hasAttribute("src")) {
      player.src = player.dataset.address;
    } else if (!isIntersecting) {
      unload(player); // browsers keep only some dozens of players at once
    }
  }
}, { rootMargin: "400px" });

/** What a template holds, ready to be filled. */
function fromTemplate(name) {
  return document.getElementById(`${name}-template`).content.firstElementChild.cloneNode(true);
}

/** The clip of a video, or a placeholder. */
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
    player.muted = false; // browsers allow sound that a click or a key has asked for
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

/** Let no clip be heard but the one that was started, or given sound, last. */
function pauseOthers({ target }) {
  if (!target.muted && !target.paused) {
    const heard = [...document.querySelectorAll("video")].filter((player) => player !== target && !player.muted);
    heard.forEach((player) => player.pause());
  }
}

document.addEventListener("play", pauseOthers, true);
document.addEventListener("volumechange", pauseOthers, true);

/** Forget the clips in `container`, which is about to go. */
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

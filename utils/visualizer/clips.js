"use strict";

/* Clips that load when they come near the window and play when somebody points at them or focuses them. */

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
  const preview = () => still.matches || play(player);
  const stop = () => player.controls || player.pause();
  clip.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && preview());
  clip.addEventListener("pointerleave", stop);
  button.addEventListener("focus", preview);
  button.addEventListener("blur", stop);
  button.addEventListener("click", () => {
    player.controls = true;
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

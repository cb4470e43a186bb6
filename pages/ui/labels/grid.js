// Keys and ranges for the grid of tiles, each of which has one checkbox of Streamlit's own: nothing is
// selected here but by pressing such a box, so that the page knows what is ticked. bulk.py mounts it.

const TILE = '[class*="st-key-tile_"]';
let last = null; // the box that was pressed last, where a range begins
let ranging = false;

const boxes = () => [...document.querySelectorAll(`${TILE} input[type="checkbox"]`)];

function enlarge(image) {
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", image.alt);
  const large = document.createElement("img");
  large.src = image.src;
  large.alt = image.alt;
  dialog.append(large);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// All boxes from the last one to this become like this one, as in lists of files and mails.
function range(box) {
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  if (from < 0) return;
  ranging = true;
  for (const one of all.slice(from, to + 1)) if (one.checked !== box.checked) one.click();
  ranging = false;
}

function clicked(event) {
  if (ranging) return;
  const tile = event.target.closest?.(TILE);
  const image = event.target.closest?.(`${TILE} img`);
  if (image) return enlarge(image);
  if (!tile || !event.target.closest("[data-testid=stCheckbox]")) return;
  const box = tile.querySelector('input[type="checkbox"]');
  const wide = held;
  clearTimeout(soon); // a press on a label comes twice: of the label and of its box
  soon = setTimeout(() => { // when Streamlit has drawn the press itself
    if (wide && last && last !== box) range(box);
    last = box;
  }, 30);
}

// The click of a label on its box carries no Shift of its own.
let held = false;
let soon = 0;
const shift = (event) => { held = event.shiftKey; };

function moved(key) {
  const all = boxes();
  const now = all.indexOf(document.activeElement);
  if (now < 0) return all[0];
  const top = (box) => Math.round(box.closest(TILE).getBoundingClientRect().top);
  const perRow = all.filter((box) => top(box) === top(all[now])).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow }[key];
  return all[Math.min(Math.max(now + step, 0), all.length - 1)];
}

function pressed(event) {
  shift(event);
  const { activeElement: focus } = document;
  const onBox = focus?.matches(`${TILE} input[type="checkbox"]`);
  const typing = !onBox && /^(INPUT|TEXTAREA|SELECT)$/.test(focus?.tagName ?? "");
  const free = onBox || focus === document.body || focus?.id === "stMain";
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("[role=dialog], dialog[open]")) return;
  if (event.key.startsWith("Arrow") && free) {
    const box = moved(event.key);
    box?.focus();
    box?.closest(TILE).scrollIntoView({ block: "nearest" });
  } else if (event.key.toLowerCase() === "e" && onBox) {
    const image = focus.closest(TILE).querySelector("img");
    if (image) enlarge(image);
  } else if (event.key.toLowerCase() === "s" && free) {
    document.querySelector(".st-key-bulk_go button")?.click();
  } else return;
  event.preventDefault();
}

export default function () {
  // The bar stands above what scrolls below it, on the ground of the theme.
  const bar = document.querySelector(".st-key-bulk_bar");
  if (bar) bar.style.backgroundColor = getComputedStyle(document.querySelector(".stApp")).backgroundColor;
  document.addEventListener("click", clicked, true); // Streamlit's boxes keep their clicks
  document.addEventListener("pointerdown", shift, true);
  document.addEventListener("keydown", pressed);
  return () => {
    document.removeEventListener("click", clicked, true);
    document.removeEventListener("pointerdown", shift, true);
    document.removeEventListener("keydown", pressed);
  };
}

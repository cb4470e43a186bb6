// The row on screen beside one training row, both large; words that both have are marked.
// Part of the triage desk: desk.py puts it behind desk.js, so they share their small functions.

const MOST_WORDS = 600; // of one sentence; comparing takes time with the square of it

// Which words of a and b stand in both in the same order: the longest common subsequence.
function sharedWords(a, b) {
  const bare = (words) => words.map((word) => word.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, ""));
  const [first, second] = [bare(a), bare(b)];
  const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      best[i][j] = first[i] && first[i] === second[j]
        ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const marks = [new Array(a.length).fill(false), new Array(b.length).fill(false)];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (first[i] && first[i] === second[j]) {
      marks[0][i] = marks[1][j] = true;
      i += 1;
      j += 1;
    } else if (best[i + 1][j] >= best[i][j + 1]) i += 1;
    else j += 1;
  }
  return marks;
}

function markedSentence(words, marks) {
  const line = el("p", "sentence compared");
  words.forEach((word, i) => line.append(el(marks[i] ? "mark" : "span", "", word), " "));
  return line;
}

class Comparison {
  constructor() {
    this.dialog = el("dialog", "compare");
    this.dialog.setAttribute("aria-label", "Compare");
    this.columns = el("div", "columns");
    this.dialog.append(this.columns, button("", "Back to the row", "Esc", () => this.dialog.close()));
  }

  get open() {
    return this.dialog.open;
  }

  show(card, row, name) {
    const words = [card, row].map((one) => (one.text === undefined ? [] : one.text.split(/\s+/).slice(0, MOST_WORDS)));
    const marks = sharedWords(...words);
    const heads = [
      [`This row, labelled ${name(card.given)}`, `id ${card.id}`],
      [`Training row, labelled ${row.label}`, `id ${row.id}, ${row.score} alike`],
    ];
    this.columns.replaceChildren(...[card, row].map((one, i) => {
      const column = el("div");
      const shown = one.image || one.text === undefined
        ? content(one, "huge", heads[i][0]) : markedSentence(words[i], marks[i]);
      column.append(el("h4", "", heads[i][0]), shown, el("p", "muted small", heads[i][1]));
      return column;
    }));
    this.dialog.showModal();
  }
}

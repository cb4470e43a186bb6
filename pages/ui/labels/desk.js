// One row at a time, decided by keys. The browser holds the rows ahead, so that a press is answered
// at once and always falls on the row on screen: each decision carries that row's key. Decisions
// stay in `pending` until the server has said that they are in the database.
// Everything that comes from data is set as textContent; nothing of it is ever read as HTML.

const AHEAD = 16; // rows that should be there before they are needed
const IMPATIENT = 1500; // milliseconds after which a missing row is asked for again

function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function button(className, label, key, action) {
  const node = el("button", className);
  node.type = "button";
  node.append(el("span", "", label));
  if (key) {
    node.append(el("kbd", "", key));
    node.setAttribute("aria-keyshortcuts", key);
  }
  node.addEventListener("click", action);
  return node;
}

// Not randomUUID: over plain http from another machine a browser does not have it.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function content(item, size, alt) {
  if (item.image) {
    const image = el("img", size);
    image.src = item.image;
    image.alt = alt;
    return image;
  }
  if (item.text !== undefined) return el("p", `sentence ${size}`, item.text);
  return el("p", "muted", `${alt}: the picture cannot be read`);
}

class Desk {
  constructor(root) {
    this.root = root.querySelector(".desk");
    this.queue = null;
    this.asked = 0;
    this.got = 0;
    this.retry = 0;
    this.pending = [];
    this.onKey = (event) => this.key(event);
    this.onLeave = (event) => {
      if (this.pending.length) event.preventDefault();
    };
    this.build();
  }

  attach() {
    document.addEventListener("keydown", this.onKey);
    window.addEventListener("beforeunload", this.onLeave);
  }

  // Streamlit calls us again with every answer of the server, and sends the farewell of a call that
  // was overtaken after the next one has begun: only a desk that has left the page stops listening.
  leave() {
    if (!this.root.isConnected) this.detach();
  }

  detach() {
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("beforeunload", this.onLeave);
    clearTimeout(this.timer);
  }

  build() {
    this.deciding = this.buildDeciding();
    this.likely = el("div", "likely");
    this.keys = el("div", "keys"); // stays in sight, whatever the evidence is long
    this.keys.append(this.deciding, this.likely);
    this.told = el("p", "told");
    this.told.setAttribute("role", "status");
    this.bar = el("div", "bar");
    this.where = el("span", "where");
    this.saved = el("span", "saved");
    this.saved.setAttribute("role", "status");
    this.bar.append(
      button("quiet", "Previous", "←", () => this.move(-1)),
      button("quiet", "Next", "→", () => this.move(1)),
      this.undoing,
      this.where,
      this.saved,
    );
    this.problem = el("div", "problem");
    this.problem.setAttribute("role", "alert");
    this.item = el("section", "item");
    this.item.setAttribute("aria-label", "The row");
    this.evidence = el("section", "evidence");
    this.evidence.setAttribute("aria-label", "Evidence");
    const body = el("div", "body");
    body.append(this.item, this.evidence);
    this.compare = new Comparison();
    this.why = new Why(() => this.askWhy());
    this.root.replaceChildren(
      this.bar, this.problem, this.told, body, this.why.box, this.keys, this.compare.dialog,
    );
  }

  buildDeciding() {
    const box = el("div", "deciding");
    this.accept = button("", "", "A", () => this.decide("accept"));
    this.keep = button("", "Keep", "K", () => this.decide("keep"));
    this.exclude = button("", "Exclude", "X", () => this.decide("exclude"));
    this.unsure = button("", "Unsure", "U", () => this.decide("unsure"));
    this.undoing = button("quiet", "Undo", "Z", () => this.undo());
    this.choice = new ClassChoice((label) => this.decide("relabel", label));
    this.note = el("input");
    this.note.placeholder = "Note (optional)";
    this.note.maxLength = 4000;
    this.note.setAttribute("aria-label", "Note, kept with the next decision");
    this.note.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") this.note.blur();
    });
    const noteBox = el("label", "menu");
    noteBox.append(this.note, el("kbd", "", "N"));
    box.append(this.accept, this.keep, this.exclude, this.unsure, this.choice.box, noteBox);
    return box;
  }

  // The server's word: a queue, some of its rows, and which decisions are safe.
  update(data, send) {
    this.send = send;
    this.data = data;
    const other = data.queue !== this.queue;
    if (other) {
      this.queue = data.queue;
      this.cards = new Map();
      this.history = [];
      this.cursor = data.cursor;
      this.moved = null;
    }
    data.cards.forEach((card) => this.cards.set(card.index, this.withOwn(card)));
    if (data.answer > this.got) this.got = data.answer;
    const safe = new Set(data.acked);
    this.pending = this.pending.filter((one) => !safe.has(one.id));
    if (data.moved && data.moved.id !== this.moved) {
      this.moved = data.moved.id;
      if (data.moved.index !== null) this.cursor = data.moved.index;
      if (this.last && this.last.id === data.moved.id && !data.moved.rows) this.last.text = "nothing was left to undo";
    }
    this.draw();
    this.fetch();
    if (other && this.pending.length) this.push(); // also where no row is asked for
  }

  // A decision that is still on its way is newer than what the server knew.
  withOwn(card) {
    const own = this.pending.findLast((one) => one.key === card.key && one.place === this.data.place && one.verdict);
    if (own) card.mine = this.word(own);
    return card;
  }

  name(label) {
    return label < 0 ? "none" : this.data.shown[label];
  }

  word(one) {
    return one.verdict === "relabel" ? `relabel to ${one.new_label}` : one.verdict;
  }

  // What is stored of a row, in full: this sentence is the promise that the database keeps.
  sentence(card, verdict, label, note) {
    const given = this.name(card.given);
    const what = {
      relabel: `${given} → ${this.name(label)}`, keep: `${given} kept`, exclude: "excluded", unsure: "unsure",
    }[verdict];
    return `${card.id}: ${what}${note.trim() ? `, with the note “${note.trim()}”` : ""}`;
  }

  askWhy() {
    const card = this.cards.get(this.cursor);
    if (!card || card.given < 0 || this.why.answers.has(card.key)) return;
    this.why.waiting = card.key;
    this.push();
    this.draw();
  }

  push() {
    this.send({
      why: this.why.waiting,
      queue: this.queue,
      want: { n: this.asked, at: this.wanted || 0 },
      got: this.got,
      cursor: this.cursor,
      retry: this.retry,
      pending: this.pending,
    });
  }

  // Ask for rows that are not here yet, once; again if the answer went astray.
  fetch() {
    const end = Math.min(this.data.total, this.cursor + AHEAD);
    let first = this.cursor;
    while (first < end && this.cards.has(first)) first += 1;
    clearTimeout(this.timer);
    if (first >= end) return;
    const waiting = this.asked > this.got && this.wanted === first;
    if (!waiting) {
      this.wanted = first;
      this.asked = Math.max(this.asked, this.got) + 1;
      this.push();
    }
    this.timer = setTimeout(() => {
      this.wanted = null;
      this.fetch();
    }, IMPATIENT);
  }

  move(step) {
    const to = this.cursor + step;
    if (to < 0 || to > this.data.total) return;
    this.cursor = to;
    this.draw();
    this.fetch();
  }

  decide(verdict, label) {
    const card = this.cards.get(this.cursor);
    if (!card) return;
    if (verdict === "accept") {
      if (card.suggested === card.given) return;
      verdict = "relabel";
      label = card.suggested;
    }
    if (verdict === "relabel" && label === card.given) verdict = "keep";
    const new_label = verdict === "relabel" ? this.data.classes[label] : null;
    const one = { id: newId(), place: this.data.place, key: card.key, verdict, new_label, note: this.note.value };
    this.last = { id: one.id, text: this.sentence(card, verdict, label, one.note) };
    this.note.value = "";
    this.pending.push(one);
    this.history.push({ id: one.id, key: card.key, index: this.cursor, before: card.mine, text: this.last.text });
    card.mine = this.word(one);
    this.cursor = Math.min(this.cursor + 1, this.data.total);
    this.draw();
    this.push();
    this.fetch();
  }

  decideLikely(nth) {
    const card = this.cards.get(this.cursor);
    const one = card && card.likely[nth];
    if (one) this.decide("relabel", one.label);
  }

  undo() {
    const last = this.history.pop();
    if (!last && !this.data.undoable) return;
    const one = { id: newId(), place: this.data.place, key: last ? last.key : "", undo: true, of: last ? last.id : "" };
    this.last = { id: one.id, undo: true, text: last ? last.text : "your latest step" };
    this.pending.push(one);
    if (last) {
      const card = this.cards.get(last.index);
      if (card) Object.assign(card, { mine: last.before, rejected: false });
      this.cursor = last.index;
    }
    this.draw();
    this.push();
    this.fetch();
  }

  // Give up what the server refused; its row comes again, as the server knows it.
  discard() {
    const refused = this.pending.filter((one) => one.id in this.data.failed);
    this.pending = this.pending.filter((one) => !refused.includes(one));
    this.last = null;
    this.history = this.history.filter((step) => !refused.some((one) => one.id === step.id));
    this.data.failed = {};
    for (const [index, card] of this.cards) {
      if (!refused.some((one) => one.key === card.key)) continue;
      this.cards.delete(index);
      this.cursor = index;
    }
    this.draw();
    this.push();
    this.fetch();
  }

  key(event) {
    if (!this.root.isConnected) return this.detach();
    const target = event.composedPath()[0];
    const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) || target.isContentEditable;
    const dialog = document.querySelector('[role="dialog"]');
    if (typing || dialog || this.compare.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const nth = "123456789".indexOf(event.key);
    const actions = {
      [event.key]: nth < 0 ? undefined : () => this.decideLikely(nth),
      a: () => this.decide("accept"),
      k: () => this.decide("keep"),
      x: () => this.decide("exclude"),
      u: () => this.decide("unsure"),
      z: () => this.undo(),
      y: () => this.askWhy(),
      l: () => this.choice.input.focus(),
      n: () => this.note.focus(),
      arrowleft: () => this.move(-1),
      arrowright: () => this.move(1),
    };
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    // A key that is held down leafs through rows; it must not decide them.
    if (event.repeat && !event.key.startsWith("Arrow")) return;
    action();
  }

  draw() {
    const { total } = this.data;
    const card = this.cards.get(this.cursor);
    const done = this.cursor >= total;
    this.where.textContent = done ? `End of ${total.toLocaleString("en")} rows`
      : `${(this.cursor + 1).toLocaleString("en")} of ${total.toLocaleString("en")}${this.data.what}, most suspicious first`;
    const waiting = this.pending.length;
    const failed = this.pending.flatMap((one) => this.data.failed[one.id] ?? []);
    this.saved.textContent = waiting && !failed.length ? `saving ${waiting} …` : waiting ? "" : "all decisions saved";
    this.problem.replaceChildren();
    if (failed.length) {
      const others = waiting > 1 ? ` ${waiting - 1} later ones wait for it.` : "";
      this.problem.append(
        el("span", "", `Not saved: ${failed[0]}${others}`),
        button("", "Try again", "", () => {
          this.retry += 1;
          this.push();
        }),
        button("", "Discard", "", () => this.discard()),
      );
    }
    this.tell(failed.length > 0);
    this.choice.update(this.data.shown, card ? card.given : -1, card ? card.key : "");
    this.root.dataset.row = card ? card.key : "";
    this.root.dataset.loaded = this.cards.size;
    this.deciding.inert = !card;
    this.why.update(card, card ? this.name(card.given) : "", this.data.why);
    this.likely.replaceChildren();
    this.undoing.disabled = !this.history.length && !this.data.undoable;
    if (!card) {
      this.item.replaceChildren(el("p", "muted", done ? this.data.empty : "Loading …"));
      this.evidence.replaceChildren();
      return;
    }
    this.drawLikely(card);
    this.drawItem(card);
    this.drawEvidence(card);
  }

  tell(failed) {
    const last = failed ? null : this.last;
    const waiting = last && this.pending.some((one) => one.id === last.id);
    const how = !last ? "" : last.undo ? (waiting ? "Taking back" : "Taken back") : waiting ? "Saving" : "Saved";
    this.told.replaceChildren(el("span", "", last ? `${how}: ${last.text}. ` : ""));
    if (last && !last.undo) this.told.append(el("kbd", "", "Z"), el("span", "", " takes it back."));
    if (this.data.record) this.told.append(el("span", "record muted", this.data.record));
  }

  drawLikely(card) {
    if (!card.likely.length) return;
    this.likely.append(el("span", "muted", "Change to"), ...card.likely.map((one, i) => {
      const node = button("", this.name(one.label), String(i + 1), () => this.decideLikely(i));
      node.lastChild.before(el("span", "number", one.chance));
      return node;
    }));
  }

  drawItem(card) {
    const labels = el("div", "labels");
    const given = el("div");
    given.append(el("span", "muted", "Given label"), el("strong", "", this.name(card.given)), el("span", "number", card.p_given));
    const suggested = el("div");
    const differs = card.suggested !== card.given;
    suggested.append(
      el("span", "muted", "Suggested label"),
      el("strong", "", differs ? this.name(card.suggested) : "the same"),
      el("span", "number", differs ? card.p_suggested : ""),
    );
    labels.append(given, suggested);
    const facts = el("dl");
    for (const fact of card.facts) {
      const name = el("dt", "", fact.name);
      name.title = fact.help;
      facts.append(name, el("dd", "", fact.value));
    }
    const parts = [content(card, "large", `Training row ${card.id}`), labels];
    if (card.mine) parts.push(el("p", "mine", `You said: ${card.mine}`));
    for (const word of card.others) parts.push(el("p", "muted", word));
    parts.push(...proposedParts(this, card));
    if (card.twin) parts.push(el("p", "muted", card.twin));
    const figures = el("details", "small");
    figures.open = this.figures;
    figures.addEventListener("toggle", () => { this.figures = figures.open; });
    figures.append(el("summary", "muted", "Figures"), facts);
    parts.push(el("p", "muted small", `id ${card.id}`), figures);
    this.item.replaceChildren(...parts);
    this.accept.firstChild.textContent = differs ? `Change to ${this.name(card.suggested)}` : "No other label suggested";
    this.accept.disabled = !differs;
    this.accept.classList.toggle("strong", Boolean(this.data.trusted));
  }

  drawEvidence(card) {
    const sides = [
      ["Most similar, labelled as given", this.name(card.given), card.given_near],
      [
        card.suggested !== card.given ? "Most similar, labelled as suggested" : "Most similar with the next likely label",
        this.name(card.alternative),
        card.other_near,
      ],
    ].map(([title, label, { rows, close }]) => {
      const side = el("div", "side");
      const heading = el("h4", "", `${title}: `);
      heading.append(el("strong", "", label));
      side.append(heading);
      if (rows.length && !close) side.append(el("p", "muted small", "None looks like this; the nearest are:"));
      const list = el("ol", rows.length && rows[0].image ? "pictures" : "");
      for (const row of rows) {
        const line = el("li");
        line.append(content(row, "small-picture", `Training row ${row.id}, labelled ${row.label}`));
        const caption = el("p", "muted small");
        caption.append(el("strong", "", row.label), ` ${row.score} alike`);
        const compare = button("quiet small", "Compare", "", () =>
          this.compare.show(card, row, (label) => this.name(label)));
        line.append(caption, compare);
        list.append(line);
      }
      side.append(rows.length ? list : el("p", "muted", "No training row."));
      return side;
    });
    this.evidence.replaceChildren(el("p", "nearest", card.nearest), ...sides);
  }
}

const desks = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let desk = desks.get(parentElement);
  if (!desk) {
    desk = new Desk(parentElement);
    desks.set(parentElement, desk);
  }
  desk.attach();
  desk.update(data, (value) => setTriggerValue("client", value));
  return () => desk.leave();
}

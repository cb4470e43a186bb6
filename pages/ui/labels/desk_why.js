// Which training rows made the model doubt the label of the row on screen: asked of the server for
// this row alone, by a button or Y. Part of the triage desk: desk.py puts it behind desk.js.

class Why {
  constructor(ask) {
    this.box = el("div", "why");
    this.asking = button("quiet", "", "Y", ask);
    this.lists = el("div", "sides");
    this.lists.setAttribute("role", "status");
    this.box.append(this.asking, this.lists);
    this.answers = new Map(); // by key of the row
    this.waiting = null;
  }

  // The row on screen, and what the server has answered since.
  update(card, given, answer) {
    if (answer) this.answers.set(answer.key, answer);
    const came = answer && answer.key === this.waiting;
    if (came) this.waiting = null;
    this.box.hidden = !card || card.given < 0;
    if (this.box.hidden) return;
    this.asking.firstChild.textContent = `Which rows made the model doubt ${given}?`;
    const found = this.answers.get(card.key);
    this.asking.hidden = Boolean(found);
    const parts = !found ? [] : found.problem ? [el("p", "muted", found.problem)] : [
      this.side(`Pushed the model away from ${given}`, found.against, found.method),
      this.side(`Pulled it toward ${given}`, found.for_it, found.method),
    ];
    if (this.waiting === card.key) parts.push(el("p", "muted", "Asking …"));
    this.lists.replaceChildren(...parts);
    if (came) this.lists.scrollIntoView({ block: "nearest" });
  }

  side(title, rows, method) {
    const side = el("div", "side");
    const heading = el("h4", "", title);
    heading.title = `By the method ${method}. A bar is a row's influence beside the strongest of both lists.`;
    const list = el("ol", rows.length && rows[0].image ? "pictures" : "");
    for (const row of rows) {
      const line = el("li");
      const strength = el("div", "strength");
      strength.style.setProperty("--share", `${Math.round(100 * row.share)}%`);
      strength.title = row.score;
      strength.setAttribute("role", "img");
      strength.setAttribute("aria-label", `${Math.round(100 * row.share)} % of the strongest row, ${row.score}`);
      const caption = el("p", "small");
      caption.append(el("strong", "", row.label));
      line.append(content(row, "small-picture", `Training row ${row.id}, labelled ${row.label}`), caption, strength);
      list.append(line);
    }
    side.append(heading, rows.length ? list : el("p", "muted", "No training row."));
    return side;
  }
}

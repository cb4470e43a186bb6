// A field that names a class: typing narrows a list, Enter or a click decides, anything else does not.
// Part of the triage desk, see desk.py. ARIA: an editable combobox with list autocomplete; the
// option that Enter would take is marked, and while nothing is typed or pointed at there is none.

const MOST_SHOWN = 60; // classes in the list at a time

class ClassChoice {
  constructor(choose) {
    this.choose = choose;
    this.names = [];
    this.row = null; // the row that is on screen since the list was opened
    this.input = el("input");
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-controls": "classes",
      "aria-expanded": "false", "aria-label": "Change to another class",
      "aria-keyshortcuts": "L", autocomplete: "off", spellcheck: "false", placeholder: "Change to …",
    })) this.input.setAttribute(name, value);
    this.list = el("ul", "options");
    this.list.id = "classes";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Classes");
    this.list.hidden = true;
    this.box = el("div", "choice");
    this.box.append(this.input, el("kbd", "", "L"), this.list);
    this.input.addEventListener("focus", () => this.show());
    this.input.addEventListener("input", () => this.show());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (event) => this.key(event));
    // The field keeps the focus, so that a press on the list is no click elsewhere, which cancels.
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  get open() {
    return !this.list.hidden;
  }

  // The classes, and the row on screen; another row than the one it was opened for cancels.
  update(names, given, row) {
    if (this.open && row !== this.row) this.close();
    this.names = names;
    this.given = given;
    this.next = row;
  }

  close() {
    this.input.value = "";
    this.list.hidden = true;
    this.list.replaceChildren();
    this.mark(-1);
    this.input.setAttribute("aria-expanded", "false");
    this.input.blur();
  }

  show() {
    if (!this.open) this.row = this.next;
    const typed = this.input.value.trim().toLowerCase();
    const place = (name) => name.toLowerCase().indexOf(typed);
    // What begins with the text comes first; sorting keeps the order of the classes otherwise.
    this.found = this.names.map((name, label) => ({ name, label }))
      .filter((one) => place(one.name) >= 0)
      .sort((a, b) => (place(a.name) > 0) - (place(b.name) > 0));
    const options = this.found.slice(0, MOST_SHOWN).map((one, i) => {
      const option = el("li", "", one.label === this.given ? `${one.name} (given: keep)` : one.name);
      option.id = `class-${i}`;
      option.setAttribute("role", "option");
      option.addEventListener("click", () => this.take(one.label));
      return option;
    });
    const more = this.found.length - options.length;
    const note = more > 0 ? `${more} more: type to narrow` : options.length ? "" : "No class has this text";
    this.list.replaceChildren(...options);
    if (note) {
      const line = el("li", "muted", note);
      line.setAttribute("role", "presentation");
      this.list.append(line);
    }
    this.count = options.length;
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(typed && options.length ? 0 : -1);
  }

  mark(place) {
    this.place = place;
    [...this.list.children].forEach((option, i) => {
      if (option.id) option.setAttribute("aria-selected", String(i === place));
    });
    if (place < 0) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", `class-${place}`);
    this.list.children[place].scrollIntoView({ block: "nearest" });
  }

  take(label) {
    this.close();
    this.choose(label);
  }

  key(event) {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.count) {
      this.mark(this.place < 0 && step < 0 ? this.count - 1 : (this.place + step + this.count) % this.count);
    } else if (event.key === "Escape") this.close();
    else if (event.key === "Enter") {
      if (this.place >= 0 && !event.repeat) this.take(this.found[this.place].label);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

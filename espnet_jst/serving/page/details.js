// What is known of one word, shown where the pointer or the focus is, and reached by the arrow keys.

export class Details {
  constructor(region, bubble, passages) {
    this.region = region;
    this.bubble = bubble;
    this.passages = passages;
    this.shown = null;
    region.addEventListener("pointerover", (event) => this.point(event.target));
    region.addEventListener("pointerleave", () => this.point(document.activeElement));
    region.addEventListener("focusin", (event) => this.point(event.target));
    region.addEventListener("focusout", () => this.hide());
    region.addEventListener("scroll", () => this.point(document.activeElement));
    region.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.hide());
  }

  point(element) {
    const word = this.passages.ofElement.get(element);
    if (word) this.show(word);
    else this.hide();
  }

  show(word) {
    this.hide();
    this.shown = word;
    this.marked = [word, ...this.meant(word)];
    word.element.classList.add("pointed");
    for (const other of this.marked.slice(1)) other.element.classList.add("same");
    this.bubble.replaceChildren(...about(word).map(row));
    this.bubble.hidden = false;
    word.element.setAttribute("aria-describedby", this.bubble.id);
    const box = word.element.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.bubble;
    const { clientWidth, clientHeight } = document.documentElement;
    const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), clientWidth - width - 8);
    const lines = word.element.closest(".texts").getBoundingClientRect(); // they stay in sight
    const below = lines.bottom + 6;
    const fits = below + height < clientHeight;
    this.bubble.style.left = `${left + scrollX}px`;
    this.bubble.style.top = `${(fits ? below : lines.top - height - 6) + scrollY}px`;
  }

  hide() {
    if (!this.shown) return;
    for (const word of this.marked) word.element.classList.remove("pointed", "same");
    this.shown.element.removeAttribute("aria-describedby");
    this.bubble.hidden = true;
    this.shown = null;
  }

  // Words of other lanes whose audio it shares.
  meant(word) {
    return this.passages.words.filter(
      (other) =>
        other.lane !== word.lane &&
        other.speaker === word.speaker &&
        Math.min(other.end_s, word.end_s) - Math.max(other.start_s, word.start_s) > 0.02,
    );
  }

  // The one word that Tab reaches; the newest one, until another was chosen.
  reach(word) {
    if (this.reached) this.reached.element.tabIndex = -1;
    this.reached = word;
    word.element.tabIndex = 0;
  }

  key(event) {
    const word = this.passages.ofElement.get(document.activeElement);
    if (!word) return;
    const target = this.next(word, event.key);
    if (!target) return;
    event.preventDefault();
    this.reach(target);
    target.element.focus();
  }

  next(word, key) {
    const { words } = this.passages;
    const own = words.filter((other) => other.lane === word.lane);
    if (key === "Home") return own[0];
    if (key === "End") return own.at(-1);
    if (key === "ArrowUp" || key === "ArrowDown") {
      const middle = (other) => Math.abs(other.start_s + other.end_s - word.start_s - word.end_s);
      return words.filter((other) => other.lane !== word.lane).sort((a, b) => middle(a) - middle(b))[0];
    }
    if (key !== "ArrowLeft" && key !== "ArrowRight") return undefined;
    const fromRight = getComputedStyle(word.element.parentElement).direction === "rtl";
    return own[own.indexOf(word) + ((key === "ArrowRight") === fromRight ? -1 : 1)];
  }
}

function about(word) {
  const rows = [
    ["audio", `${word.start_s.toFixed(2)} to ${word.end_s.toFixed(2)} s`],
    ["delay", `${(word.emission_s - word.end_s).toFixed(2)} s`],
  ];
  if (word.came_s !== null) rows.push(["here after", `${Math.max(0, word.came_s - word.end_s).toFixed(2)} s`]);
  if (word.confidence !== undefined) rows.push(["confidence", `${Math.round(100 * word.confidence)} %`]);
  if (word.speaker !== undefined) rows.push(["speaker", word.speaker]);
  if (word.language !== undefined) rows.push(["language", word.language]);
  return rows;
}

function row([name, value]) {
  const line = document.createElement("div");
  const [left, right] = ["span", "b"].map((tag) => document.createElement(tag));
  left.textContent = `${name} `;
  right.textContent = value;
  line.append(left, right);
  return line;
}

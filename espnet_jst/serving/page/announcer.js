// For screen readers: the words of one lane, a few at a time, so that each is heard once and none is cut off.

const EVERY_MS = 1500;

export class Announcer {
  constructor(region, choice, lanes) {
    this.region = region;
    this.choice = choice;
    const translation = lanes.find((lane) => !lane.source);
    choice.replaceChildren(...lanes.map(({ name }) => new Option(`the ${name}`, name)), new Option("nothing", ""));
    choice.value = (translation ?? lanes[0]).name;
    this.clear();
  }

  clear() {
    this.region.replaceChildren();
    this.waiting = "";
    this.language = "";
  }

  add(word) {
    if (word.lane !== this.choice.value) return;
    this.waiting += (word.blank ? " " : "") + word.text;
    this.language = word.element.lang || word.element.parentElement.lang;
    this.timer ??= setTimeout(() => this.flush(), EVERY_MS);
  }

  flush() {
    this.timer = null;
    const line = document.createElement("p");
    line.lang = this.language;
    line.textContent = this.waiting;
    this.waiting = "";
    this.region.replaceChildren(line);
  }
}

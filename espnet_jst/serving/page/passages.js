// The words as passages: a line of what was spoken, and under it what it means. Words are added, never changed.

import { clock } from "./session.js";

const PAUSE_S = 0.7; // a silence that ends a passage
const LONGEST_S = 7;
const UNSURE = 0.5; // confidence below which a word is marked

export class Passages {
  constructor(list, lanes) {
    this.list = list;
    this.lanes = lanes;
    this.leading = (lanes.find((lane) => lane.source) ?? lanes[0]).name;
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.words = [];
    this.ofElement = new WeakMap();
    this.passages = [];
    this.speakers = [];
  }

  add(word) {
    const passage = this.passageOf(word);
    passage.startS = Math.min(passage.startS, word.start_s);
    if (word.lane === this.leading || !passage.led) passage.endS = Math.max(passage.endS, word.end_s);
    passage.led ||= word.lane === this.leading;
    this.append(passage, word);
    this.words.push(word);
  }

  // A remark between passages, such as that the connection was lost there.
  note(text) {
    const item = document.createElement("li");
    item.className = "seam";
    item.textContent = text;
    this.list.append(item);
    this.passages = []; // what follows stands behind it
  }

  passageOf(word) {
    const own = this.passages.filter((passage) => passage.speaker === word.speaker);
    const last = own.at(-1);
    if (word.lane !== this.leading && last) {
      // The span of a translation is that of its block: it belongs where the block ends.
      return own.findLast((passage) => passage.led && passage.startS < word.end_s) ?? own[0];
    }
    const goesOn = last && word.start_s - last.endS <= PAUSE_S && word.end_s - last.startS <= LONGEST_S;
    return goesOn ? last : this.open(word);
  }

  open(word) {
    const item = document.createElement("li");
    item.className = "passage";
    const when = document.createElement("div");
    when.className = "when";
    when.textContent = clock(word.start_s);
    item.append(when);
    if (word.speaker !== undefined) when.append(" ", this.named(word.speaker));
    const texts = document.createElement("div");
    texts.className = "texts";
    item.append(texts);
    const span = { startS: word.start_s, endS: word.end_s };
    const passage = { texts, speaker: word.speaker, ...span, led: false, lines: {} };
    this.passages = [...this.passages.slice(-20), passage]; // older ones get no more words
    this.list.append(item);
    return passage;
  }

  named(speaker) {
    if (!this.speakers.includes(speaker)) this.speakers.push(speaker);
    const name = document.createElement("span");
    name.className = `speaker speaker-${this.speakers.indexOf(speaker) % 4}`;
    name.textContent = speaker;
    return name;
  }

  append(passage, word) {
    const line = (passage.lines[word.lane] ??= this.line(passage, word));
    if (line.childNodes.length && word.blank) line.append(" ");
    const element = document.createElement("span");
    element.className = "word";
    element.tabIndex = -1;
    element.textContent = word.text;
    element.classList.toggle("unsure", (word.confidence ?? 1) < UNSURE);
    if (word.language) element.lang = word.language;
    line.append(element);
    this.ofElement.set(element, word);
    word.element = element;
  }

  line(passage, word) {
    const line = document.createElement("p");
    line.className = `line ${word.lane}`;
    line.dir = "auto";
    const place = this.lanes.findIndex((lane) => lane.name === word.lane);
    line.lang = this.lanes[place].language ?? "";
    line.dataset.place = place;
    const next = [...passage.texts.children].find((other) => Number(other.dataset.place) > place);
    passage.texts.insertBefore(line, next ?? null);
    return line;
  }
}

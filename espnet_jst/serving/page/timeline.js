// The last seconds as a picture: the sound, bars over the audio of words, and under them what was shown, where.

import { PEAKS_PER_S } from "./held.js";

const LONGEST_S = 10;
const SHORTEST_S = 5; // on a narrow screen
const PIXELS_PER_S = 80; // at least, where it can be
const GUTTER = 88; // names of the lanes, where there is room
const ROOMY = 560; // pixels
const WAVE = 44;
const BAR = 20;
const ROW = 24; // of bars
const LINK = 16;
const LABEL = 17;
const LABEL_ROWS = 2;
const AXIS = 18;
const GAP = 12;

export class Timeline {
  constructor(canvas, lanes) {
    this.canvas = canvas;
    this.lanes = lanes;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle());
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.clear();
    this.resize();
  }

  clear() {
    this.words = [];
    this.chunks = [];
    this.speakers = [];
    this.source = this.held = null;
    this.nowS = 0;
    this.draw();
  }

  add(word) {
    this.words.push(word);
    if (!this.speakers.includes(word.speaker)) {
      this.speakers.push(word.speaker);
      this.resize();
    }
  }

  // The end of a chunk, in seconds.
  heard(seconds) {
    this.chunks.push(seconds);
    this.chunks = this.chunks.slice(-100);
    this.words = this.words.filter((word) => word.emission_s > seconds - 3 * LONGEST_S);
    if (this.calm.matches) this.draw();
  }

  // Follow a source until it is told to stop.
  follow(source) {
    this.source = source;
    const step = () => {
      if (this.source !== source) return;
      if (!this.calm.matches) this.draw();
      requestAnimationFrame(step);
    };
    step();
  }

  rest() {
    this.draw();
    this.held = this.source?.held;
    this.source = null;
  }

  resize() {
    this.width = Math.max(200, this.canvas.parentElement.clientWidth);
    this.left = this.width >= ROOMY ? GUTTER : 0;
    this.windowS = Math.max(SHORTEST_S, Math.min(LONGEST_S, (this.width - this.left) / PIXELS_PER_S));
    const lane = this.rows() * ROW + LINK + LABEL_ROWS * LABEL + GAP;
    this.height = WAVE + GAP + this.lanes.length * lane + AXIS;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.height = `${this.height}px`;
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(ratio, ratio);
    this.restyle();
  }

  rows() {
    return Math.max(1, this.speakers?.length ?? 1);
  }

  restyle() {
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colours = Object.fromEntries(["ink", "soft", "line", "wave", "card"].map((name) => [name, colour(name)]));
    this.ofLane = Object.fromEntries(
      this.lanes.map(({ name }) => {
        return [name, { line: colour(name) || colour("soft"), tint: colour(`${name}-tint`) || colour("line") }];
      }),
    );
    this.family = style.fontFamily;
    this.draw();
  }

  // Where the right edge is: what was captured, or of a recording that comes at once what was computed.
  target() {
    if (!this.source) return this.nowS;
    return this.source.live ? this.source.availableS : (this.chunks.at(-1) ?? 0);
  }

  at(seconds) {
    return this.left + ((seconds - this.nowS + this.windowS) / this.windowS) * (this.width - this.left - 8);
  }

  draw() {
    if (!this.colours) return;
    this.nowS = Math.max(this.windowS, this.target());
    const { pen } = this;
    pen.clearRect(0, 0, this.width, this.height);
    pen.save();
    pen.beginPath();
    pen.rect(this.left, 0, this.width - this.left, this.height);
    pen.clip();
    this.grid();
    this.wave();
    let top = WAVE + GAP;
    const tops = this.lanes.map(({ name }) => {
      this.lane(name, top);
      const found = top;
      top += this.rows() * ROW + LINK + LABEL_ROWS * LABEL + GAP;
      return found;
    });
    pen.restore();
    this.names(tops);
  }

  grid() {
    const { pen } = this;
    this.type(11, this.colours.soft);
    pen.textAlign = "center";
    const step = this.windowS > 7 ? 2 : 1;
    for (let s = Math.ceil((this.nowS - this.windowS) / step) * step; s <= this.nowS; s += step) {
      pen.fillText(`${s} s`, Math.max(this.left + 10, Math.min(this.at(s), this.width - 16)), this.height - 4);
    }
    pen.strokeStyle = this.colours.line;
    pen.setLineDash([4, 4]);
    for (const s of this.chunks) this.stroke([[s, 0], [s, this.height - AXIS]]);
    pen.setLineDash([]);
  }

  wave() {
    const peaks = (this.source?.held ?? this.held)?.peaks ?? [];
    const [from, to] = [this.nowS - this.windowS, this.nowS].map((s) => Math.max(0, Math.floor(s * PEAKS_PER_S)));
    const loudest = Math.max(0.05, ...peaks.slice(from, to));
    this.pen.fillStyle = this.colours.wave;
    const width = Math.max(1, this.at(1 / PEAKS_PER_S) - this.at(0));
    for (let k = from; k < Math.min(to, peaks.length); k++) {
      const size = Math.max(1, (peaks[k] / loudest) * (WAVE - 4));
      this.pen.fillRect(this.at(k / PEAKS_PER_S), (WAVE - size) / 2, width, size);
    }
  }

  lane(name, top) {
    const { pen } = this;
    const { line, tint } = this.ofLane[name];
    const words = this.words.filter((word) => word.lane === name && word.emission_s > this.nowS - this.windowS - 3);
    const labels = top + this.rows() * ROW + LINK;
    for (const bar of grouped(words, sameAudio)) {
      const [{ start_s, end_s, emission_s, speaker }] = bar;
      const y = top + Math.max(0, this.speakers.indexOf(speaker)) * ROW;
      const [x, end] = [this.at(start_s), Math.max(this.at(end_s), this.at(start_s) + 4)];
      pen.strokeStyle = line;
      pen.globalAlpha = 0.6;
      this.stroke([[end_s, y + BAR], [emission_s, labels]]);
      pen.globalAlpha = 1;
      pen.fillStyle = tint;
      pen.beginPath();
      pen.roundRect(x, y, end - x, BAR, 3);
      pen.fill();
      pen.stroke();
      this.type(12, this.colours.ink);
      pen.textAlign = "center";
      pen.fillText(this.cut(joined(bar), end - x - 4), (x + end) / 2, y + 14);
    }
    this.labels(words, labels, line);
  }

  // What was shown at each moment, in the first row where it has room.
  labels(words, top, colour) {
    const { pen } = this;
    const ends = Array(LABEL_ROWS).fill(-Infinity);
    this.type(12, colour, 600);
    for (const said of grouped(words, (a, b) => a.emission_s === b.emission_s)) {
      const x = this.at(said[0].emission_s);
      pen.beginPath();
      pen.moveTo(x - 4, top);
      pen.lineTo(x + 4, top);
      pen.lineTo(x, top + 5);
      pen.fill();
      const text = joined(said);
      const half = pen.measureText(text).width / 2;
      const middle = Math.min(x, this.width - half - 4);
      const row = ends.findIndex((end) => end < middle - half);
      if (row < 0) continue;
      ends[row] = middle + half + 6;
      pen.textAlign = "center";
      pen.fillText(text, middle, top + 16 + row * LABEL);
    }
  }

  names(tops) {
    const { pen } = this;
    if (!this.left) return;
    pen.textAlign = "left";
    this.type(12, this.colours.soft, 600);
    pen.fillText("audio", 0, WAVE / 2 + 4);
    this.lanes.forEach(({ name }, k) => {
      this.type(12, this.ofLane[name].line, 600);
      if (this.rows() === 1) return pen.fillText(name, 0, tops[k] + 14);
      this.speakers.forEach((speaker, row) => pen.fillText(speaker ?? "", 0, tops[k] + row * ROW + 14));
      pen.fillText(name, 0, tops[k] + this.rows() * ROW + LINK + LABEL);
    });
  }

  // As much of a text as has room; nothing where that would be a letter or two.
  cut(text, width) {
    if (this.pen.measureText(text).width <= width) return text;
    let short = text;
    while (short.length > 1 && this.pen.measureText(`${short}…`).width > width) short = short.slice(0, -1).trimEnd();
    return short.length > 2 ? `${short}…` : "";
  }

  stroke(points) {
    this.pen.beginPath();
    for (const [seconds, y] of points) this.pen.lineTo(this.at(seconds), y);
    this.pen.stroke();
  }

  type(size, colour, weight = 400) {
    this.pen.font = `${weight} ${size}px ${this.family}`;
    this.pen.fillStyle = colour;
  }
}

// Runs of neighbours that belong together.
function grouped(words, together) {
  const groups = [];
  for (const word of words) {
    const last = groups.at(-1);
    if (last && together(last.at(-1), word)) last.push(word);
    else groups.push([word]);
  }
  return groups;
}

function sameAudio(a, b) {
  return a.start_s === b.start_s && a.end_s === b.end_s && a.speaker === b.speaker;
}

function joined(words) {
  return words.map((word, k) => (k && word.blank ? " " : "") + word.text).join("");
}

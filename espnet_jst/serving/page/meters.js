// Figures of a session: how long words take, and how fast the server computes.

const RECENT = 30; // words that a delay is the median of

export class Meters {
  constructor(list, lanes) {
    this.list = list;
    this.lanes = lanes;
    this.clear();
  }

  clear() {
    this.delays = Object.fromEntries(this.lanes.map(({ name }) => [name, []]));
    this.progress = { heardS: 0, factor: null, waitingS: 0 };
    this.draw();
  }

  add(word) {
    const own = this.delays[word.lane];
    own.push((word.came_s ?? word.emission_s) - word.end_s);
    if (own.length > RECENT) own.shift();
  }

  show(progress) {
    this.progress = progress;
    this.draw();
  }

  draw() {
    const { heardS, factor } = this.progress;
    const rows = this.lanes.map(({ name }) => [`delay, ${name}`, seconds(median(this.delays[name])), name]);
    rows.push(["real-time factor", factor === null ? "–" : factor.toFixed(3), ""]);
    rows.push(["heard", seconds(heardS || null, 1), ""]);
    this.list.replaceChildren(
      ...rows.map(([name, value, lane]) => {
        const group = document.createElement("div");
        const [term, figure] = ["dt", "dd"].map((tag) => document.createElement(tag));
        [term.textContent, figure.textContent, group.className] = [name, value, lane];
        group.append(term, figure);
        return group;
      }),
    );
  }
}

function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function seconds(value, digits = 2) {
  return value === null ? "–" : `${Math.max(0, value).toFixed(digits)} s`;
}

// Words as files. Subtitles are cut by the server; JSON is written here, so that nothing is lost without a server.

import { ask } from "./server.js";

const FIELDS = ["text", "lane", "start_s", "end_s", "emission_s", "language", "speaker", "confidence", "glued"];

export async function save(form, name, words, lanes) {
  const plain = (word) => Object.fromEntries(FIELDS.filter((key) => key in word).map((key) => [key, word[key]]));
  const content = words.map(plain);
  const text = form === "json" ? document_(content, words, lanes) : await subtitles(form, content);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = `${name}.${form}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function document_(content, words, lanes) {
  const line = (lane) =>
    words
      .filter((word) => word.lane === lane)
      .map((word, k) => (k && word.blank ? " " : "") + word.text)
      .join("");
  const text = Object.fromEntries(lanes.map(({ name }) => [name, line(name)]));
  return `${JSON.stringify({ text, words: content }, null, 1)}\n`;
}

async function subtitles(form, words) {
  const response = await ask(`v1/subtitles?format=${form}`, { method: "POST", body: JSON.stringify({ words }) });
  return response.text();
}

// What the model is: languages, licence, data, and how good it was measured to be.

const named = new Intl.DisplayNames(["en"], { type: "language" });

export function languageName(code) {
  try {
    return code ? named.of(code) : null;
  } catch {
    return code;
  }
}

// "English → German", as far as it is known.
export function route(model) {
  const own = (source) => model.lanes.filter((lane) => lane.source === source);
  const names = (source) => own(source).map((lane) => languageName(lane.language));
  const into = model.tgt_langs.length ? model.tgt_langs.map(languageName) : names(false);
  return [names(true), into].map((side) => side.filter(Boolean).join(", ")).filter(Boolean).join(" → ");
}

function does(model) {
  const [hears, translates] = [model.lanes.some((lane) => lane.source), model.lanes.some((lane) => !lane.source)];
  if (model.cascade) return "Streaming speech recognition, then translation";
  return hears && translates
    ? "Joint streaming speech recognition and translation"
    : `Streaming speech ${hears ? "recognition" : "translation"}`;
}

export function showFacts(model, list) {
  const how = `in chunks of ${model.chunk_s.toFixed(2)} s, from audio of ${model.fs / 1000} kHz`;
  const rows = [
    ["Model", model.name],
    ["Does", `${does(model)}${route(model) ? `, ${route(model)}` : ""}, ${how}`],
    ["Licence", model.license || "The pack names none"],
    ["Trained on", model.dataset || "The pack does not say"],
    ...model.bases.map(({ name, license }) => ["Made from", `${name}${license ? `, ${license}` : ""}`]),
    ["Served by", `espnet_jst ${model.version}`],
  ];
  list.replaceChildren(...rows.flatMap(([name, value]) => [textIn("dt", name), textIn("dd", value)]));
}

export function showMeasured(model, place) {
  const { measured } = model;
  const lanes = [...new Set(measured.map((entry) => entry.lane))];
  const told = measured.length
    ? "Measured quality, from the pack's RESULTS.md. LAAL: how far words lag behind an even writer, on average."
    : "The pack holds no measured quality.";
  const note = textIn("p", told, "note");
  place.replaceChildren(note, ...lanes.map((lane) => table(measured.filter((entry) => entry.lane === lane), measured)));
}

// The sets of one lane; what all names of sets share is left out.
function table(rows, measured) {
  const [folder] = measured[0].dataset.split("/");
  const shared = measured.every(({ dataset }) => dataset.startsWith(`${folder}/`)) ? folder.length + 1 : 0;
  const [{ lane, language, metric }] = rows;
  const element = document.createElement("table");
  element.append(textIn("caption", `${lane} (${languageName(language)})`, lane));
  const head = element.createTHead().insertRow();
  for (const title of ["test set", metric, "LAAL"]) {
    const cell = textIn("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = element.createTBody();
  for (const { dataset, score, laal } of rows) {
    const name = textIn("th", dataset.slice(shared));
    name.scope = "row";
    const [, figure, interval] = /^(\S*)(.*)$/.exec(score);
    const cell = textIn("td", figure);
    cell.append(textIn("span", interval, "interval"));
    const lagS = laal && Number.isFinite(Number(laal)) ? `${(laal / 1000).toFixed(2)} s` : "–";
    body.insertRow().append(name, cell, textIn("td", lagS));
  }
  return element;
}

export function textIn(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

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
  const names = (source) => model.lanes.filter((lane) => lane.source === source).map((lane) => languageName(lane.language));
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
  const chunk = `a chunk of ${model.chunk_s.toFixed(2)} s at ${model.fs / 1000} kHz`;
  const rows = [
    ["Model", model.name],
    ["Does", `${does(model)}${route(model) ? `, ${route(model)}` : ""}; it hears ${chunk} at a time`],
    ["Licence", model.license || "The pack names none"],
    ["Trained on", model.dataset || "The pack does not say"],
    ...model.bases.map(({ name, license }) => ["Made from", `${name}${license ? `, ${license}` : ""}`]),
    ["Served by", `espnet_jst ${model.version}`],
  ];
  list.replaceChildren(...rows.flatMap(([name, value]) => [textIn("dt", name), textIn("dd", value)]));
}

export function showMeasured(model, place) {
  if (!model.measured.length) {
    place.replaceChildren(textIn("p", "The pack holds no measured quality.", "note"));
    return;
  }
  const table = document.createElement("table");
  table.append(textIn("caption", "Measured quality, as the pack's RESULTS.md has it"));
  const head = table.createTHead().insertRow();
  for (const name of ["Lane", "Set", "Score", "Lag (LAAL)"]) {
    const cell = textIn("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const { lane, language, dataset, metric, score, laal } of model.measured) {
    const row = body.insertRow();
    const first = textIn("th", `${lane} (${language})`, lane);
    first.scope = "row";
    const lag = Number(laal);
    const lagS = laal && !Number.isNaN(lag) ? `${(lag / 1000).toFixed(2)} s` : "–";
    row.append(first, textIn("td", dataset), textIn("td", `${metric} ${score}`), textIn("td", lagS));
  }
  place.replaceChildren(table);
}

export function textIn(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

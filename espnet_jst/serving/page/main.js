// The page: what its controls do, and what a session shows on it.

import { Announcer } from "./announcer.js";
import { Details } from "./details.js";
import { Meters } from "./meters.js";
import { languageName, route, showFacts, showMeasured } from "./model.js";
import { Passages } from "./passages.js";
import { save } from "./save.js";
import { ask, takeFragment, useToken } from "./server.js";
import { clock, Session } from "./session.js";
import { Microphone, Recording } from "./sources.js";
import { Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
let model, passages, timeline, details, meters, announcer;
let session = null;
let name = ""; // of what is heard

async function load() {
  try {
    model = await (await ask("v1/model")).json();
  } catch (error) {
    refused(error);
    return;
  }
  $("token-form").hidden = true;
  $("title").textContent = document.title = model.name;
  $("subtitle").textContent = route(model);
  showFacts(model, $("facts"));
  showMeasured(model, $("measured"));
  $("data-license").hidden = !model.data_license;
  $("data-license").querySelector("pre").textContent = model.data_license;
  $("language").hidden = !model.tgt_langs.length;
  $("tgt-lang").replaceChildren(
    ...model.tgt_langs.map((code) => new Option(languageName(code), code, false, code === model.tgt_lang)),
  );
  passages ??= new Passages($("passages"), model.lanes);
  timeline ??= new Timeline($("timeline"), model.lanes);
  details ??= new Details($("lanes"), $("about-word"), passages);
  meters ??= new Meters($("meters"), model.lanes);
  announcer ??= new Announcer($("announcer"), $("announced"), model.lanes);
  $("microphone").disabled = $("open").disabled = false;
  say("ready", "Ready.");
}

function say(kind, text) {
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").dataset.kind = kind;
}

function refused(error) {
  if (error.status === 401) {
    $("token-form").hidden = false;
    $("token").focus();
  }
  say("off", `${error.message}.`);
}

async function begin(opening) {
  if (!model || session) return;
  busy(true);
  say("on", "Opening …");
  let source;
  try {
    source = await opening();
  } catch (error) {
    busy(false);
    say("off", error.name === "NotAllowedError" ? "The microphone is not allowed." : `${error.message}.`);
    return;
  }
  for (const part of [passages, timeline, meters, announcer]) part.clear();
  $("empty").hidden = true;
  name = source.name;
  session = new Session(source, model, $("tgt-lang").value || undefined, {
    state: say,
    words: (words) => words.forEach(show),
    progress: (progress) => {
      timeline.heard(progress.heardS);
      meters.show(progress);
    },
    seam: ({ atS, missingS }) => {
      const lost = missingS > 0.01 ? `; ${missingS.toFixed(1)} s of audio are missing` : "";
      passages.note(`Connection lost at ${clock(atS)}, and taken up again${lost}`);
      follow();
    },
    refused,
    over: ended,
  });
  timeline.follow(source);
}

function show(word) {
  passages.add(word);
  timeline.add(word);
  meters.add(word);
  announcer.add(word);
  if (document.activeElement !== details.reached?.element) details.reach(word);
  for (const button of document.querySelectorAll(".save")) button.disabled = false;
  follow();
}

function ended(why) {
  timeline.rest();
  busy(false);
  $("lanes").dataset.words = passages.words.length;
  const { finished, stopped } = { finished: "Finished.", stopped: "Stopped." };
  say(why === "finished" ? "ready" : "off", { finished, stopped }[why] ?? `Ended: ${why}.`);
  session = null;
}

function busy(on) {
  $("stop").hidden = !on;
  $("stop").textContent = "Stop";
  for (const id of ["microphone", "open"]) $(id).hidden = on;
  for (const id of ["realtime", "tgt-lang"]) $(id).disabled = on;
}

// Keep the newest words in sight, unless somebody is reading further up, or about a word.
let reading = false;
function follow() {
  const lanes = $("lanes");
  if (!reading && !details?.shown) lanes.scrollTop = lanes.scrollHeight;
  $("latest").hidden = !reading;
}
$("lanes").addEventListener("scroll", () => {
  const lanes = $("lanes");
  reading = lanes.scrollHeight - lanes.scrollTop - lanes.clientHeight > 40;
  $("latest").hidden = !reading;
});
addEventListener("resize", follow);
$("latest").addEventListener("click", () => {
  reading = false;
  follow();
});

function open(file) {
  const realtime = $("realtime").checked;
  begin(() => Recording.open(file, model.fs, realtime));
}
$("microphone").addEventListener("click", () => begin(() => Microphone.open()));
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) open(file);
  $("file").value = "";
});
$("stop").addEventListener("click", () => {
  session?.stop();
  $("stop").textContent = "Do not wait";
});
for (const button of document.querySelectorAll(".save")) {
  button.addEventListener("click", async () => {
    try {
      await save(button.dataset.form, name, passages.words, model.lanes);
    } catch (error) {
      say("off", `Not saved: ${error.message}. JSON can be saved without the server.`);
    }
  });
}
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken($("token").value);
  load();
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").hidden = true;
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  const [file] = event.dataTransfer.files;
  if (file) open(file);
});

takeFragment();
load();

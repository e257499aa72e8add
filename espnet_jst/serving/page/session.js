// A session with the server, which may take several connections: the audio of a gap is kept and sent to the next one.

import { ask, liveAddress } from "./server.js";

const PACKET_S = 0.25;
const BUFFERED = 1 << 17; // bytes that wait in the browser before more is given to it
const PUMP_MS = 50;
const CONTEXT_S = 1; // heard again before the last words that stand, so that the next one has something before it
const OVERLAP_S = 10; // at most so much is heard again
const KEPT_S = 120; // of a microphone, while there is no connection
const SILENT_S = 20; // a connection that answers audio with nothing for so long is dead
const WAITS_S = [0.5, 1, 2, 4, 8];
const INTERNAL = 1011;
const REFUSALS = [1008, 1009]; // what a client says cannot be used

// on: {state(kind, text), words(words), progress(progress), seam(seam), over(why), refused()}
export class Session {
  constructor(source, model, tgtLang, on) {
    this.source = source;
    this.model = model;
    this.tgtLang = tgtLang;
    this.on = on;
    this.count = 0; // words that stand
    this.ends = new Map(); // "lane speaker" -> where its last word ends
    this.seam = new Map(); // the same when the last connection was lost
    this.heardS = 0;
    this.failures = 0;
    this.finished = false;
    this.place = 0; // sample that is sent next
    source.onmore = () => this.pump();
    this.connect();
    source.start();
  }

  // No more audio: the rest is computed. Asked again, it ends at once.
  stop() {
    if (this.source.ended && !this.finished) this.finish("stopped");
    this.source.end();
  }

  finish(why) {
    this.finished = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.source.end();
    this.socket.close();
    this.on.over(why);
  }

  connect() {
    this.began = this.place; // of this connection
    this.beganS = this.place / this.source.rate;
    this.opened = this.done = this.saidEnd = false;
    this.answered = performance.now();
    const socket = new WebSocket(liveAddress());
    this.socket = socket;
    socket.onopen = () => this.open();
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = (event) => socket === this.socket && this.closed(event);
  }

  open() {
    this.opened = true;
    this.socket.send(JSON.stringify({ sample_rate: this.source.rate, tgt_lang: this.tgtLang }));
    this.timer = setInterval(() => this.pump(), PUMP_MS);
    this.on.state("on", this.failures ? `Connected again. It goes on at ${clock(this.beganS)}.` : "Listening.");
    if (this.failures) this.on.seam({ atS: this.heardS, fromS: this.beganS, missingS: this.missingS() });
    this.pump();
  }

  pump() {
    if (this.finished) return;
    const { source, socket } = this;
    if (socket.readyState !== WebSocket.OPEN) return this.keep();
    const size = Math.round(PACKET_S * source.rate);
    while (socket.bufferedAmount < BUFFERED && this.place < source.available) {
      const samples = source.held.take(this.place, Math.min(size, source.available - this.place));
      socket.send(samples);
      this.place += samples.length;
    }
    if (source.ended && this.place >= source.available && !this.saidEnd) {
      this.saidEnd = true;
      socket.send('{"end": true}');
    }
    this.watch();
  }

  // While there is no connection the oldest audio of a microphone may have to go.
  keep() {
    this.source.forget(this.source.available - KEPT_S * this.source.rate);
  }

  watch() {
    const quiet = (performance.now() - this.answered) / 1000 > SILENT_S + this.model.chunk_s;
    const owed = this.place / this.source.rate - this.heardS > 2 * this.model.chunk_s;
    if (quiet && owed) {
      const dead = this.socket;
      this.closed({ code: 0, reason: "the server does not answer" });
      dead.close();
    }
  }

  hear(message) {
    this.answered = performance.now();
    if (message.done) {
      this.done = true;
      return;
    }
    const heardS = this.beganS + message.heard_s;
    this.heardS = Math.max(this.heardS, heardS);
    const words = message.words.map((word) => this.placed(word)).filter((word) => this.isNew(word));
    for (const word of words) this.ends.set(speech(word), Math.max(this.ends.get(speech(word)) ?? 0, word.end_s));
    if (words.length) this.on.words(words);
    const factor = message.heard_s ? message.elapsed_s / message.heard_s : null;
    this.on.progress({ heardS, factor, waitingS: this.source.availableS - heardS });
    this.source.forget((this.heardS - OVERLAP_S - CONTEXT_S) * this.source.rate);
  }

  // A word with its times in the whole session, and when it came, where the audio comes at the speed of speech.
  placed(word) {
    const times = {};
    for (const key of ["start_s", "end_s", "emission_s"]) times[key] = word[key] + this.beganS;
    const came = this.source.live ? this.source.availableS : null;
    return { ...word, ...times, id: this.count++, came_s: came };
  }

  // After a seam: whatever lies where words stand already was heard before.
  isNew(word) {
    return (word.start_s + word.end_s) / 2 >= (this.seam.get(speech(word)) ?? 0);
  }

  closed({ code, reason }) {
    if (this.finished) return;
    clearInterval(this.timer);
    if (this.done && (this.source.ended || code === 1000)) return this.finish("finished");
    const heard = this.heardS > this.beganS;
    if (code === INTERNAL || (REFUSALS.includes(code) && !heard)) return this.finish(reason || `closed with ${code}`);
    if (heard) this.failures = 0;
    const waitS = WAITS_S[Math.min(this.failures++, WAITS_S.length - 1)];
    this.seam = new Map(this.ends);
    this.lose(reason || "the connection is lost", performance.now() + 1000 * waitS);
  }

  // Say it until there is a connection again, which is tried at `due`.
  lose(why, due) {
    const left = Math.max(0, (due - performance.now()) / 1000);
    const keptS = Math.max(0, this.source.availableS - this.heardS);
    const kept = this.source.live ? ` ${keptS.toFixed(1)} s of audio wait here.` : "";
    this.on.state("off", `${capital(why)}.${kept} Trying again …`);
    this.retry = setTimeout(() => (left ? this.lose(why, due) : this.again()), Math.min(1000 * left, 500));
  }

  async again() {
    try {
      if (!this.opened) await ask("v1/model"); // a WebSocket that is refused does not say why
    } catch (error) {
      if ([401, 403].includes(error.status)) return this.on.refused(error), this.finish(error.message);
    }
    if (this.finished) return;
    this.place = this.resumed();
    this.connect();
  }

  // The place from which every lane can go on, as far as it is kept.
  resumed() {
    const last = this.model.lanes.map(({ name }) =>
      Math.max(0, ...[...this.ends].filter(([key]) => key.startsWith(`${name} `)).map(([, end]) => end)),
    );
    const fromS = Math.max(0, Math.min(...last) - CONTEXT_S, this.heardS - OVERLAP_S);
    return Math.max(this.source.held.start, Math.floor(Math.min(fromS, this.heardS) * this.source.rate));
  }

  missingS() {
    return Math.max(0, this.beganS - this.heardS);
  }
}

function speech(word) {
  return `${word.lane} ${word.speaker ?? ""}`;
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

// Seconds as 1:05 or 1:02:05.
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

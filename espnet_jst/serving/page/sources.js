// Where audio comes from: a microphone, or a recording at once or at the speed of speech. All are 16-bit samples.

import { Held } from "./held.js";
import { readWave } from "./wave.js";

const MIN_RATE = 8000;
const MAX_RATE = 48000;

// held: the audio; available: samples that may be sent; live: it comes at the speed of speech; ended: no more comes.
class Source {
  constructor(name, rate, live) {
    this.name = name;
    this.held = new Held(rate);
    this.rate = rate;
    this.live = live;
    this.ended = false;
    this.onmore = () => {};
  }

  get availableS() {
    return this.available / this.rate;
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.close();
    this.onmore();
  }
}

export class Microphone extends Source {
  static async open() {
    if (!navigator.mediaDevices) {
      throw new Error("a browser gives a microphone only to pages of this machine, or over https");
    }
    const raw = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
    let context = new AudioContext(); // the device's own rate: the server resamples
    if (context.sampleRate > MAX_RATE) {
      await context.close();
      context = new AudioContext({ sampleRate: MAX_RATE });
    }
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    return new Microphone(stream, context);
  }

  constructor(stream, context) {
    super("microphone", context.sampleRate, true);
    this.stream = stream;
    this.context = context;
    this.node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      if (this.ended) return;
      this.held.push(data);
      this.onmore();
    };
    stream.getAudioTracks()[0].addEventListener("ended", () => this.end()); // unplugged
  }

  get available() {
    return this.held.end;
  }

  start() {
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    this.context.resume();
  }

  // What lies before a place is not needed again.
  forget(place) {
    this.held.forget(place);
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}

export class Recording extends Source {
  // realtime: it is heard at the speed of speech, and played.
  static async open(file, fs, realtime) {
    const bytes = await file.arrayBuffer();
    const found = readWave(bytes) ?? (await decoded(bytes, fs));
    if (!found.samples.length) throw new Error("the recording holds no audio");
    return new Recording(file, found, realtime);
  }

  constructor(file, { samples, rate }, realtime) {
    super(file.name.replace(/\.[^.]*$/, ""), rate, realtime);
    this.held.push(samples);
    this.player = null;
    if (realtime) {
      this.url = URL.createObjectURL(file);
      this.player = new Audio(this.url);
    }
    this.begun = null;
    this.reached = null; // where a replay was stopped
  }

  get available() {
    if (this.reached !== null) return this.reached;
    if (!this.live) return this.held.end;
    const seconds = this.begun === null ? 0 : (performance.now() - this.begun) / 1000;
    return Math.min(this.held.end, Math.floor(seconds * this.rate));
  }

  start() {
    this.begun = performance.now();
    if (!this.live) {
      this.ended = true;
      this.onmore();
      return;
    }
    this.player.play().catch(() => {}); // a machine without a sound card replays all the same
    this.timer = setInterval(() => (this.available === this.held.end ? this.end() : this.onmore()), 50);
  }

  forget() {} // all of it is kept: it can be sent again

  close() {
    this.reached = this.available;
    clearInterval(this.timer);
    this.player?.pause();
    URL.revokeObjectURL(this.url);
  }
}

// What the browser can decode, at the model's own rate.
async function decoded(bytes, fs) {
  const rate = Math.max(MIN_RATE, Math.min(MAX_RATE, fs));
  const audio = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes).catch(() => {
    throw new Error("the browser cannot decode this file");
  });
  const channels = Array.from({ length: audio.numberOfChannels }, (_, k) => audio.getChannelData(k));
  const samples = new Int16Array(audio.length);
  for (let n = 0; n < samples.length; n++) {
    let sum = 0;
    for (const channel of channels) sum += channel[n];
    samples[n] = Math.max(-32768, Math.min(32767, Math.round((sum / channels.length) * 32768)));
  }
  return { samples, rate };
}
